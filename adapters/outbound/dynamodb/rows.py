"""Read models on pynamodb, which is synchronous: every call runs in a bounded pool of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Generic, ParamSpec, TypeVar

from botocore.config import Config
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from adapters.inbound.workers.ports import DueCommand
from adapters.outbound.dynamodb.client import USER_AGENT
from domain.kernel.errors import StoreUnavailable
from projections.devices import devices, remote_commands
from projections.devices.devices import DeviceItem, DeviceRow
from projections.devices.remote_commands import SHARDS, RemoteCommandItem, RemoteCommandRow
from projections.devices.twin import Twin, TwinRow, read_twins
from projections.kernel.gate import Key, Row

P = ParamSpec("P")
T = TypeVar("T")
THREADS = 16


def configure_models(
    *, devices_table: str, commands_table: str, twins_table: str, region: str, host: str | None
) -> None:
    """Before the first use of a model: pynamodb keeps its connection from then on."""
    tables: tuple[tuple[type[Model], str], ...] = (
        (DeviceItem, devices_table),
        (RemoteCommandItem, commands_table),
        (TwinRow, twins_table),
    )
    for model, table in tables:
        model.Meta.table_name = table
        model.Meta.region = region
        model.Meta.host = host
        model.Meta.max_pool_connections = THREADS
        make_client(model)


def make_client(model: type[Model]) -> None:
    """Now and once: at the first use, every thread would make a client of its own, 0.3 s each.

    It names itself as our other clients do, which saves composing the header for every request.
    """
    connection = model._get_connection().connection
    connection.session.set_default_client_config(Config(user_agent=USER_AGENT))
    assert connection.client


class Threads:
    """Runs blocking calls, translating the driver's errors."""

    def __init__(self, size: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="pynamodb")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))
        except PynamoDBException as error:
            raise StoreUnavailable(f"read model: {error.cause_response_code}") from error

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class PynamoRows(Generic[Row]):
    """The gate's rows of one read model."""

    def __init__(
        self,
        threads: Threads,
        load: Callable[[Key], Row | None],
        save: Callable[[Row, Row | None], bool],
    ) -> None:
        self._threads = threads
        self._load = load
        self._save = save

    async def get(self, key: Key) -> Row | None:
        return await self._threads.run(self._load, key)

    async def put(self, row: Row, previous: Row | None) -> bool:
        return await self._threads.run(self._save, row, previous)


class DevicesQuery:
    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def get(self, device_id: str) -> DeviceRow | None:
        return await self._threads.run(devices.get, device_id)

    async def list(
        self, account_id: str, *, limit: int, cursor: str | None
    ) -> tuple[list[DeviceRow], str | None]:
        return await self._threads.run(
            devices.list_of_account, account_id, limit=limit, after=cursor
        )

    async def count(self, account_id: str) -> int:
        return await self._threads.run(devices.count_of_account, account_id)


class CommandsQuery:
    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def get(self, device_id: str, number: int) -> RemoteCommandRow | None:
        return await self._threads.run(remote_commands.get, device_id, number)

    async def due(self, *, now: datetime, limit: int = 200) -> list[DueCommand]:
        """Open commands that may be due, over all shards of the index."""
        pages = await asyncio.gather(
            *(
                self._threads.run(remote_commands.due, shard, now=now, limit=limit)
                for shard in range(SHARDS)
            )
        )
        return [DueCommand(*found) for page in pages for found in page]

    async def get_many(self, device_id: str, numbers: Sequence[int]) -> Sequence[RemoteCommandRow]:
        if not numbers:
            return []
        return await self._threads.run(remote_commands.get_many, device_id, numbers)

    async def list(
        self, device_id: str, *, limit: int, before: int | None
    ) -> list[RemoteCommandRow]:
        return await self._threads.run(
            remote_commands.list_of_device, device_id, limit=limit, before=before
        )


class TwinsQuery:
    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def get_many(self, device_ids: Sequence[str]) -> dict[str, Twin]:
        """By device; those that never reported are missing."""
        if not device_ids:
            return {}
        return await self._threads.run(read_twins, device_ids)
