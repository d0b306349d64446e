"""The relay publishes every event of the stream, whatever happens to it or to the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.inbound.workers import relay as relays
from adapters.inbound.workers.ports import Checkpoint, Page, Shard, StreamRecord, Trimmed
from adapters.inbound.workers.relay import Relay
from domain.kernel.errors import ContractError, StoreUnavailable

AT = datetime.now(UTC) - timedelta(minutes=5)


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


@dataclass
class FakeCheckpoints:
    saved: dict[str, Checkpoint] = field(default_factory=dict)
    failing: bool = False

    async def all(self) -> dict[str, Checkpoint]:
        return dict(self.saved)

    async def save(self, checkpoint: Checkpoint) -> None:
        if self.failing:
            raise StoreUnavailable("throttled")
        self.saved[checkpoint.shard] = checkpoint

    async def drop(self, shard: str) -> None:
        self.saved.pop(shard, None)


@dataclass
class FakePublisher:
    """Sets ``done`` when everything wanted was published."""

    wanted: int
    published: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, events: Sequence[Mapping[str, Any]], *, again: str = "") -> None:
        for event in events:
            self.published.append(event["id"])
            if again:
                self.again.add(event["id"])
        if len(self.published) >= self.wanted:
            self.done.set()


@dataclass
class FakeScan:
    stored: list[tuple[str, datetime]] = field(default_factory=list)
    asked: list[datetime] = field(default_factory=list)

    async def scan_items(self, *, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        self.asked.append(since)
        for name, at in self.stored:
            if at >= since:
                yield {"id": name}


def to_event(item: Mapping[str, Any]) -> dict[str, Any]:
    if item["id"] == "?":
        raise ContractError("unreadable")
    return {"id": item["id"], "subject": "lane-x", "sequence": "1"}


async def run(
    stream: FakeStream, checkpoints: FakeCheckpoints, publisher: FakePublisher, scan: FakeScan
) -> None:
    relay = Relay(
        stream=stream,
        checkpoints=checkpoints,
        scan=scan,
        publisher=publisher,  # type: ignore[arg-type]
        to_event=to_event,
        poll_interval=0.001,
        repair_mark=lambda: "mark",
    )
    stop = asyncio.Event()
    task = asyncio.create_task(relay.run(stop))
    async with asyncio.timeout(5):
        await publisher.done.wait()
    stop.set()
    async with asyncio.timeout(5):
        await task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "DISCOVER_EVERY", 0.01)
    monkeypatch.setattr(relays, "FAILURE_PAUSE", 0.001)


async def test_all_records_are_published_in_order_and_the_end_is_remembered() -> None:
    stream = FakeStream({"s1": ["a", "b", "c"]})
    checkpoints, publisher = FakeCheckpoints(), FakePublisher(3)
    await run(stream, checkpoints, publisher, FakeScan())
    assert publisher.published == ["a", "b", "c"]
    assert checkpoints.saved["s1"].sequence == "c"


async def test_a_relay_goes_on_after_its_checkpoint() -> None:
    stream = FakeStream({"s1": ["a", "b", "c"]})
    checkpoints = FakeCheckpoints({"s1": Checkpoint("s1", "b", AT)})
    publisher = FakePublisher(1)
    await run(stream, checkpoints, publisher, FakeScan())
    assert publisher.published == ["c"]


async def test_children_are_read_after_their_parents() -> None:
    stream = FakeStream(
        {"child": ["c", "d"], "parent": ["a", "b"]}, {"child": "parent"}, closed={"parent"}
    )
    publisher = FakePublisher(4)
    checkpoints = FakeCheckpoints()
    await run(stream, checkpoints, publisher, FakeScan())
    assert stream.order == ["a", "b", "c", "d"]
    assert checkpoints.saved["parent"].finished


async def test_throttled_reads_are_repeated() -> None:
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["a", "b"]}, failures=3), FakeCheckpoints(), publisher, FakeScan())
    assert publisher.published == ["a", "b"]


async def test_what_a_trimmed_stream_lost_is_published_again_from_the_store() -> None:
    stream = FakeStream({"s1": ["d"]}, trimmed={"b"})
    checkpoints = FakeCheckpoints({"s1": Checkpoint("s1", "b", AT)})
    scan = FakeScan([("old", AT - timedelta(hours=1)), ("c", AT + timedelta(seconds=1))])
    publisher = FakePublisher(2)
    await run(stream, checkpoints, publisher, scan)
    assert publisher.published == ["c", "d"]
    assert publisher.again == {"c"}
    assert scan.asked == [AT - relays.REPAIR_MARGIN]


async def test_a_shard_that_is_gone_unfinished_is_repaired_too() -> None:
    stream = FakeStream({"s2": ["d"]})
    checkpoints = FakeCheckpoints({"s1": Checkpoint("s1", "b", AT)})
    publisher = FakePublisher(2)
    await run(stream, checkpoints, publisher, FakeScan([("c", AT)]))
    assert publisher.published == ["c", "d"]
    assert "s1" not in checkpoints.saved


async def test_a_checkpoint_older_than_the_stream_keeps_is_repaired() -> None:
    at = datetime.now(UTC) - timedelta(hours=25)
    checkpoints = FakeCheckpoints({"s1": Checkpoint("s1", "", at)})
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["d"]}), checkpoints, publisher, FakeScan([("c", at)]))
    assert publisher.published == ["c", "d"]


async def test_a_failing_checkpoint_does_not_stop_the_publishing() -> None:
    checkpoints = FakeCheckpoints(failing=True)
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["a", "b"]}), checkpoints, publisher, FakeScan())
    assert publisher.published == ["a", "b"]


async def test_an_unreadable_record_is_passed_over() -> None:
    publisher = FakePublisher(1)
    await run(FakeStream({"s1": ["?", "b"]}), FakeCheckpoints(), publisher, FakeScan())
    assert publisher.published == ["b"]


async def test_without_any_checkpoint_the_whole_store_is_published() -> None:
    scan = FakeScan([("a", AT)])
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["b"]}), FakeCheckpoints(), publisher, scan)
    assert publisher.published == ["a", "b"]
