"""Idle devices on one gateway: memory per connection, connections a second, their upkeep."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.settings import Settings
from commands.kernel.dispatch import Dispatcher, Repository
from domain.kernel.recorded import Recorded
from tests.bench.devices import claim
from tests.bench.processes import CpuMeter, resident_kilobytes
from tests.bench.sizes import Sizes
from tests.bench.stage import dynamodb_of
from tests.support.platform import Platform

CLIENTS = 2
PROCESSES = ("gateway",)
ITEMS_AT_ONCE = 25
"""The most that one BatchWriteItem takes."""
CALLS_AT_ONCE = 4
DEVICES_EACH = 10
"""Of an account: a gateway serves only so many of one at a time."""
SETTLE = 3.0


@dataclass(frozen=True)
class Connections:
    """``cpu_ms``: of each process, per connect. ``upkeep``: share of a core while idle."""

    count: int
    kilobytes_each: float
    per_second: float
    cpu_ms: dict[str, float]
    upkeep: float


class NoHints:
    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None: ...


async def claim_all(settings: Settings, keys: Sequence[Ed25519PrivateKey]) -> None:
    """Decided in memory and stored in batches, for claiming is not what is measured."""
    store, clock, ids = MemoryEventStore(), SystemClock(), Ulids()
    repository = Repository(store, MemorySnapshotStore())
    dispatcher = Dispatcher(
        store=store, repository=repository, hints=NoHints(), clock=clock, ids=ids
    )
    account = ids.new()
    for count, key in enumerate(keys, 1):
        await claim(dispatcher, key, account)
        if count % DEVICES_EACH == 0:
            account = ids.new()
    events = [item async for item in store.scan_items()]
    await put_all(settings, settings.devices_events_table, events)
    await put_all(settings, settings.vault_table, list(store.vault.items.values()))


async def put_all(settings: Settings, table: str, items: Sequence[Any]) -> None:
    limit = asyncio.Semaphore(CALLS_AT_ONCE)
    async with dynamodb_of(settings) as dynamodb:

        async def put(some: Sequence[Any]) -> None:
            puts: Any = [{"PutRequest": {"Item": item}} for item in some]
            async with limit:
                answer = await dynamodb.batch_write_item(RequestItems={table: puts})
            assert not answer["UnprocessedItems"]

        batches = [items[at : at + ITEMS_AT_ONCE] for at in range(0, len(items), ITEMS_AT_ONCE)]
        await asyncio.gather(*(put(batch) for batch in batches))


class Clients:
    """One process of ``idle_clients``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def say(self, text: str) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{text}\n".encode())
        await self._process.stdin.drain()
        return await self._process.stdout.readline()

    async def connect(self, count: int) -> tuple[int, float]:
        """How many were connected, fewer where the machine is too slow, and in how many seconds."""
        told = orjson.loads(await self.say(str(count)))
        return int(told["count"]), float(told["seconds"])


@asynccontextmanager
async def clients(url: str, keys: Sequence[Ed25519PrivateKey]) -> AsyncIterator[Clients]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.idle_clients", url),
        env=dict(os.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        one = Clients(process)
        assert await one.say(" ".join(key.private_bytes_raw().hex() for key in keys)) == b"ready\n"
        yield one
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()


async def measure(directory: Path, sizes: Sizes) -> Connections:
    """The memory is what those beyond the first few add."""
    keys = [Ed25519PrivateKey.generate() for _ in range(sizes.connections)]
    async with AsyncExitStack() as stack:
        platform = Platform(directory, processes=PROCESSES)
        await stack.enter_async_context(platform)
        await claim_all(platform.settings, keys)
        parts = [
            await stack.enter_async_context(clients(platform.gateway_url, keys[n::CLIENTS]))
            for n in range(CLIENTS)
        ]
        await connect(parts, sizes.connections_before)
        await asyncio.sleep(SETTLE)
        return await connect_and_stay(platform, parts, sizes)


async def connect(parts: Sequence[Clients], count: int) -> tuple[int, float]:
    done = await asyncio.gather(*(one.connect(count // len(parts)) for one in parts))
    return sum(some for some, _ in done), max(seconds for _, seconds in done)


async def connect_and_stay(
    platform: Platform, parts: Sequence[Clients], sizes: Sizes
) -> Connections:
    names = (*PROCESSES, "ministack", "redis")
    pids = {name: platform.supervisor.pid(name) for name in names}
    meter = CpuMeter(pids | {f"clients {n}": one.pid for n, one in enumerate(parts, 1)})
    memory = resident_kilobytes(pids["gateway"])
    meter.start()
    more, seconds = await connect(parts, sizes.connections - sizes.connections_before)
    spent = meter.spent()
    await asyncio.sleep(SETTLE)
    meter.start()
    await asyncio.sleep(sizes.pings_seconds)
    upkeep = meter.spent()["gateway"] / sizes.pings_seconds
    grown = resident_kilobytes(pids["gateway"]) - memory
    cpu = {name: 1000 * value / more for name, value in spent.items()}
    total = sizes.connections_before + more
    return Connections(total, grown / more, more / seconds, cpu, upkeep)
