"""A stream of many shards, leases and a topic in memory, for relays in the test's process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.inbound.workers.outlet import Outlet
from adapters.inbound.workers.ports import Lease, LeaseLost, Page, Shard, StreamRecord, Trimmed
from adapters.inbound.workers.relay import Relay
from adapters.inbound.workers.shard_reader import Source
from domain.kernel.errors import ContractError, StoreUnavailable

AT = datetime.now(UTC) - timedelta(minutes=5)
CONTEXT = "devices"


@dataclass
class FakeStream:
    """Shards with their records; ``closed`` ones have no next iterator at their end."""

    records: dict[str, list[str]]
    parents: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    trimmed: set[str] = field(default_factory=set)
    failures: int = 0
    order: list[str] = field(default_factory=list)

    async def shards(self) -> list[Shard]:
        return [Shard(name, self.parents.get(name)) for name in self.records]

    async def iterator(self, shard: Shard, *, after: str | None) -> str:
        if after is not None and after in self.trimmed:
            raise Trimmed(after)
        names = self.records[shard.id]
        start = names.index(after) + 1 if after in names else 0
        return f"{shard.id}/{start}"

    async def page(self, iterator: str) -> Page:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("throttled")
        shard, start = iterator.split("/")
        names = self.records[shard][int(start) : int(start) + 2]
        self.order += names
        end = int(start) + len(names)
        over = shard in self.closed and end == len(self.records[shard])
        records = [StreamRecord(name, {"id": name}, AT, inserted=True) for name in names]
        return Page(records, None if over else f"{shard}/{end}")


class MemoryLeases:
    """Port ``Leases``; it passes the same contract suite as the table does."""

    def __init__(self, *leases: Lease) -> None:
        self.items = {lease.key: lease for lease in leases}
        self.failing = False
        self.saved = 0

    async def all(self) -> list[Lease]:
        return list(self.items.values())

    async def create(self, lease: Lease) -> None:
        self.items.setdefault(lease.key, lease)

    async def take(self, lease: Lease, owner: str) -> Lease | None:
        found = self.items.get(lease.key)
        if found is None or (found.owner, found.counter) != (lease.owner, lease.counter):
            return None
        self.items[lease.key] = replace(found, owner=owner, counter=found.counter + 1)
        return self.items[lease.key]

    async def save(self, lease: Lease, *, held_by: str) -> None:
        if self.failing:
            raise StoreUnavailable("throttled")
        found = self.items.get(lease.key)
        if found is None or found.owner != held_by:
            raise LeaseLost(lease.key)
        self.saved += 1
        self.items[lease.key] = lease

    async def drop(self, lease: Lease) -> None:
        found = self.items.get(lease.key)
        if found is not None and found.counter == lease.counter:
            del self.items[lease.key]

    def other_connection(self) -> MemoryLeases:
        """To the same table; it can fail alone."""
        other = MemoryLeases()
        other.items = self.items
        return other

    def of(self, shard: str) -> Lease:
        return self.items[f"{CONTEXT}/{shard}"]

    def owners(self) -> Counter[str]:
        """How many unfinished leases each relay holds."""
        return Counter(one.owner for one in self.items.values() if one.owner and not one.finished)


@dataclass
class FakePublisher:
    """Sets ``done`` when everything wanted was published; ``open`` holds it up while cleared."""

    wanted: int = 0
    published: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def publish(
        self, events: Sequence[Mapping[str, Any]], *, again: str = "", until: float = 0
    ) -> list[int]:
        await self.open.wait()
        for event in events:
            self.published.append(event["id"])
            if again:
                self.again.add(event["id"])
        if len(self.published) >= self.wanted:
            self.done.set()
        return []


@dataclass
class FakeScan:
    stored: list[tuple[str, datetime]] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)

    async def scan_items(self, *, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        self.asked.append(since)
        for name, at in self.stored:
            if at >= since:
                yield {"id": name}


@dataclass
class FakeMetrics:
    counts: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, value: int = 1, **dimensions: str) -> None:
        self.counts[name] += value

    def gauge(self, name: str, value: float, unit: str = "None", **dimensions: str) -> None:
        self.gauges[name] = value

    def send(self) -> None: ...


def to_event(item: Mapping[str, Any]) -> dict[str, Any]:
    if item["id"] == "?":
        raise ContractError("unreadable")
    return {"id": item["id"], "subject": "lane-x", "sequence": "1"}


def make_relay(
    stream: FakeStream,
    leases: MemoryLeases,
    publisher: FakePublisher,
    *,
    name: str = "me",
    scan: FakeScan | None = None,
    seconds: float = 0.2,
    metrics: FakeMetrics | None = None,
) -> Relay:
    metrics = metrics or FakeMetrics()
    outlet = Outlet(CONTEXT, publisher, to_event, metrics)  # type: ignore[arg-type]
    source = Source(stream=stream, scan=scan or FakeScan(), outlet=outlet)
    return Relay(
        [source],
        leases,
        name=name,
        lease_seconds=seconds,
        poll_interval=0.001,
        mark=lambda: "mark",
        metrics=metrics,
    )


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """Stopped in an orderly way at the end of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await asyncio.wait({task})
    if not task.cancelled():
        task.result()
