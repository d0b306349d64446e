"""Read models on pynamodb, whose calls block: they run in a bounded pool of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from adapters.outbound.dynamodb.client import USER_AGENT, from_reasons, store_errors
from domain.kernel.errors import StoreUnavailable, VersionConflict
from domain.kernel.recorded import Recorded
from domain.media.creative import CreativeStatus
from projections.devices.counters import CounterItem
from projections.devices.devices import DeviceItem, DeviceRow, DevicesTable
from projections.devices.memberships import (
    MembershipItem,
    MembershipRow,
    MembershipsTable,
)
from projections.devices.remote_commands import (
    SHARDS,
    RemoteCommandItem,
    RemoteCommandRow,
    RemoteCommandsTable,
)
from projections.devices.twin import Twin, TwinRow, read_twins
from projections.kernel.gate import Gate, Held, Key, Row, Standing
from projections.kernel.items import GatedTable, placed
from projections.kernel.slots import Slotted
from projections.media.brokers import BrokerItem, BrokerRow, BrokersTable
from projections.media.creatives import CreativeItem, CreativeRow, CreativesTable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

    from adapters.inbound.workers.ports import DueCommand

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=Model)
THREADS = 16


@dataclass(frozen=True)
class ReadModels:
    """One slot of every read model, bound to its table."""

    devices: DevicesTable
    remote_commands: RemoteCommandsTable
    memberships: MembershipsTable
    creatives: CreativesTable
    brokers: BrokersTable

    @classmethod
    def of(cls, tables: Mapping[str, str], *, region: str, host: str | None) -> ReadModels:
        """``tables``: names by model."""

        def bound(item: type[M], model: str) -> type[M]:
            return opened(item, tables[model], region=region, host=host)

        return cls(
            DevicesTable(bound(DeviceItem, "devices"), bound(CounterItem, "devices")),
            RemoteCommandsTable(bound(RemoteCommandItem, "remote_commands")),
            MembershipsTable(bound(MembershipItem, "memberships")),
            CreativesTable(bound(CreativeItem, "creatives")),
            BrokersTable(bound(BrokerItem, "brokers")),
        )


def opened(model: type[M], table: str, *, region: str, host: str | None) -> type[M]:
    """The model bound to the table, with its client made. A function has no name for the tables
    of models that it does not serve."""
    bound = placed(model, table, region=region, host=host)
    bound.Meta.max_pool_connections = THREADS
    if table:
        make_client(bound)
    return bound


def configure_twins(table: str, *, region: str, host: str | None) -> None:
    """Before the first use: pynamodb keeps its connection from then on."""
    TwinRow.configure(table, region, host)
    TwinRow.Meta.max_pool_connections = THREADS
    make_client(TwinRow)


def make_client(model: type[Model]) -> None:
    """Now, and one for all: at the first use, every thread would make one of its own, 0.3 s each.

    It names itself as our other clients do, which saves composing the header for every request.
    """
    connection = model._get_connection().connection
    place = (connection.region, connection.host, connection._max_pool_connections)
    if place not in _clients:
        connection.session.set_default_client_config(Config(user_agent=USER_AGENT))
        _clients[place] = connection.client
    connection._client = _clients[place]


_clients: dict[Any, Any] = {}


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


class LiveGate(Generic[Row]):
    """The gate of whichever slot is live."""

    def __init__(self, gates: Slotted[Gate[Row]]) -> None:
        self._gates = gates

    async def apply(self, recorded: Sequence[Recorded]) -> list[Row]:
        return await (await self._gates.live()).apply(recorded)


class GatedRows(Generic[Row]):
    """The gate's rows of one table.

    pynamodb says what an item and a condition look like, aiobotocore carries them: half the
    processor time of a thread that does both.
    """

    def __init__(self, client: DynamoDBClient, table: GatedTable[Row]) -> None:
        self._client = client
        self._table = table

    async def get(self, key: Key) -> Held[Row] | None:
        with store_errors():
            answer = await self._client.get_item(**self._table.get_request(key))
        item: Any = answer.get("Item")
        return None if item is None else self._table.held_in(item)

    async def put(self, key: Key, held: Held[Row], previous: Held[Row] | None) -> bool:
        """Raises ``TooLarge``."""
        request = self._table.put_request(key, held, previous)
        adding = self._table.adding(previous.row if previous else None, held.row)
        try:
            if adding:
                await self._transact(request, adding)
            else:
                with store_errors():
                    await self._client.put_item(**request)
        except VersionConflict:
            return False
        return True

    async def _transact(self, put: dict[str, Any], adding: Sequence[dict[str, Any]]) -> None:
        actions: Any = [{"Put": put}, *({"Update": update} for update in adding)]
        try:
            with store_errors():
                await self._client.transact_write_items(TransactItems=actions)
        except StoreUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, ClientError):
                raise
            reasons: Any = cause.response.get("CancellationReasons")
            if reasons is None:
                raise
            raise from_reasons(reasons, cause) from cause


class VerifiableTable(Protocol):
    """``standings``: of those keys that are there, at most a hundred; blocks."""

    def standings(self, keys: Sequence[Key]) -> Mapping[Key, Standing]: ...


class VerifiableRows(GatedRows[Row]):
    """Rows that can be compared with the store."""

    def __init__(self, client: DynamoDBClient, threads: Threads, table: Any) -> None:
        super().__init__(client, table)
        self._threads = threads
        self._verifiable: VerifiableTable = table

    async def standings(self, keys: Sequence[Key]) -> Mapping[Key, Standing]:
        return await self._threads.run(self._verifiable.standings, keys)


class Recount:
    """Compares the live counters of one slot of the devices model with its rows."""

    def __init__(self, threads: Threads, table: DevicesTable) -> None:
        self._threads = threads
        self._table = table

    async def lacking(self, rate: float | None = None) -> dict[str, int]:
        """What counters lack, twice the same: under live writes a single look may be off."""
        first = await self._threads.run(self._table.miscounted, rate)
        if not first:
            return {}
        again = await self._threads.run(self._table.miscounted, rate)
        return {key: lack for key, lack in first.items() if again.get(key) == lack}

    async def add(self, lacking: Mapping[str, int]) -> None:
        await self._threads.run(self._table.counters.add, lacking)


class DevicesQuery:
    """Of the live slot."""

    def __init__(self, threads: Threads, tables: Slotted[DevicesTable]) -> None:
        self._threads = threads
        self._tables = tables

    async def get(self, device_id: str) -> DeviceRow | None:
        table = await self._tables.live()
        return await self._threads.run(table.load, (device_id,))

    async def list(
        self, account_id: str, *, limit: int, cursor: str | None
    ) -> tuple[list[DeviceRow], str | None]:
        table = await self._tables.live()
        return await self._threads.run(table.list_of_account, account_id, limit=limit, after=cursor)

    async def count(self, account_id: str) -> int:
        table = await self._tables.live()
        return await self._threads.run(table.counters.account, account_id)

    async def count_by_kind(self) -> dict[str, int]:
        """Devices that somebody owns; kinds without any are left out."""
        table = await self._tables.live()
        return await self._threads.run(table.counters.kinds)

    async def of_account(self, account_id: str) -> Sequence[str]:
        """Ids of all, over all pages; port ``OwnedDevices``."""
        found: Sequence[str] = ()
        cursor = None
        while True:
            rows, cursor = await self.list(account_id, limit=500, cursor=cursor)
            found = [*found, *(row.device_id for row in rows)]
            if cursor is None:
                return found


class CommandsQuery:
    """Of the live slot."""

    def __init__(self, threads: Threads, tables: Slotted[RemoteCommandsTable]) -> None:
        self._threads = threads
        self._tables = tables

    async def get(self, device_id: str, number: int) -> RemoteCommandRow | None:
        table = await self._tables.live()
        return await self._threads.run(table.load, (device_id, number))

    async def due(self, *, now: datetime, limit: int = 200) -> list[DueCommand]:
        """Open commands that may be due, over all shards of the index."""
        from adapters.inbound.workers.ports import DueCommand  # of the workers, not of the API

        table = await self._tables.live()
        pages = await asyncio.gather(
            *(self._threads.run(table.due, shard, now=now, limit=limit) for shard in range(SHARDS))
        )
        return [DueCommand(*found) for page in pages for found in page]

    async def leave_parked(self, device_id: str, number: int) -> bool:
        table = await self._tables.live()
        return await self._threads.run(table.leave_parked, device_id, number)

    async def get_many(self, device_id: str, numbers: Sequence[int]) -> Sequence[RemoteCommandRow]:
        if not numbers:
            return []
        table = await self._tables.live()
        return await self._threads.run(table.get_many, device_id, numbers)

    async def list(
        self, device_id: str, *, limit: int, before: int | None, consistent: bool = False
    ) -> list[RemoteCommandRow]:
        table = await self._tables.live()
        return await self._threads.run(
            table.list_of_device, device_id, limit=limit, before=before, consistent=consistent
        )


class MembershipsQuery:
    """Of the live slot."""

    def __init__(self, threads: Threads, tables: Slotted[MembershipsTable]) -> None:
        self._threads = threads
        self._tables = tables

    async def get(self, account_id: str, home_id: str) -> MembershipRow | None:
        """Strongly consistent; also of one that is over."""
        table = await self._tables.live()
        return await self._threads.run(table.load, (account_id, home_id))

    async def homes_of(self, account_id: str) -> Sequence[MembershipRow]:
        """Those that have not ended, stays that are over by time too."""
        table = await self._tables.live()
        return await self._threads.run(table.homes_of, account_id)

    async def members_of(self, home_id: str) -> Sequence[MembershipRow]:
        """The same of a home. May lag by moments."""
        table = await self._tables.live()
        return await self._threads.run(table.members_of, home_id)

    async def homes_of_account(self, account_id: str) -> Sequence[str]:
        """Port ``HomesOfAccount``."""
        return [row.home_id for row in await self.homes_of(account_id)]


class CreativesQuery:
    """Of the live slot."""

    def __init__(self, threads: Threads, tables: Slotted[CreativesTable]) -> None:
        self._threads = threads
        self._tables = tables

    async def get(self, creative_id: str) -> CreativeRow | None:
        """Strongly consistent."""
        table = await self._tables.live()
        return await self._threads.run(table.load, (creative_id,))

    async def get_many(self, ids: Sequence[str]) -> Sequence[CreativeRow]:
        """In any order; those that are not there are missing. May lag by moments."""
        if not ids:
            return []
        table = await self._tables.live()
        return await self._threads.run(table.get_many, ids)

    async def list(
        self, status: CreativeStatus, *, limit: int, before: int | None
    ) -> tuple[list[CreativeRow], int | None]:
        """Newest change first, and the time (ms) to continue before. May lag by moments."""
        table = await self._tables.live()
        return await self._threads.run(table.list_by_status, status, limit=limit, before=before)


class BrokersQuery:
    """Of the live slot."""

    def __init__(self, threads: Threads, tables: Slotted[BrokersTable]) -> None:
        self._threads = threads
        self._tables = tables

    async def get(self, name: str) -> BrokerRow | None:
        """Strongly consistent."""
        table = await self._tables.live()
        return await self._threads.run(table.load, (name,))

    async def list(self) -> Sequence[BrokerRow]:
        """By name, retired ones too."""
        table = await self._tables.live()
        return await self._threads.run(table.list_all)


class TwinsQuery:
    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def get_many(self, device_ids: Sequence[str]) -> dict[str, Twin]:
        """By device; those that never reported are missing."""
        if not device_ids:
            return {}
        return await self._threads.run(read_twins, device_ids)
