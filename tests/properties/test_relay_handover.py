"""Any schedule of relays that come, go, are killed and stand still publishes every record.

Relays share a stream of several shards in one event loop. What a killed relay had under way is
lost with it; one that stands still wakes up believing that its lease is good.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.inbound.workers import shard_reader
from tests.support.relays import (
    FakePublisher,
    FakeStream,
    MemoryLeases,
    make_relay,
)
from tests.support.waiting import eventually

SECONDS = 0.05
SHARDS = ("s0", "s1", "s2", "s1-child")

Step = tuple[str, int]


@dataclass
class Topic:
    """In the order in which it took them: (relay, record)."""

    taken: list[tuple[str, str]] = field(default_factory=list)

    def has(self, records: set[str]) -> bool:
        return records <= {record for _, record in self.taken}


class OneRelaysPublisher(FakePublisher):
    """Slow enough for something to happen in the middle of a page."""

    def __init__(self, name: str, topic: Topic) -> None:
        super().__init__()
        self.name, self.topic = name, topic

    async def publish(
        self, events: Sequence[Mapping[str, Any]], *, again: str = "", until: float = 0
    ) -> list[int]:
        for event in events:
            await self.open.wait()
            await asyncio.sleep(0.001)
            self.topic.taken.append((self.name, event["id"]))
        return []


class Fleet:
    """Relays by number; a number that starts again is another relay."""

    def __init__(self) -> None:
        self.stream = FakeStream({name: [] for name in SHARDS}, {"s1-child": "s1"}, closed=set())
        self.leases = MemoryLeases()
        self.topic = Topic()
        self.written: list[str] = []
        self.starts = 0
        self.killed: set[str] = set()
        self.running: dict[int, tuple[asyncio.Task[None], asyncio.Event, Any]] = {}

    async def start(self, number: int) -> None:
        if number in self.running:
            return
        self.starts += 1
        name = f"relay-{number}-{self.starts}"
        connection, stop = self.leases.other_connection(), asyncio.Event()
        publisher = OneRelaysPublisher(name, self.topic)
        relay = make_relay(self.stream, connection, publisher, name=name, seconds=SECONDS)
        task = asyncio.create_task(relay.run(stop))
        self.running[number] = (task, stop, (connection, publisher))

    async def stop(self, number: int) -> None:
        if number in self.running:
            task, stop, (_, publisher) = self.running.pop(number)
            publisher.open.set()
            stop.set()
            await task

    async def kill(self, number: int) -> None:
        if number in self.running:
            task, _, (connection, publisher) = self.running.pop(number)
            self.killed.add(publisher.name)
            connection.failing = True
            task.cancel()
            await asyncio.wait({task})

    async def freeze(self, number: int) -> None:
        """It renews nothing and publishes nothing, until it thaws."""
        if number in self.running:
            _, _, (connection, publisher) = self.running[number]
            connection.failing = True
            publisher.open.clear()

    async def thaw(self, number: int) -> None:
        if number in self.running:
            _, _, (connection, publisher) = self.running[number]
            connection.failing = False
            publisher.open.set()

    async def write(self, number: int) -> None:
        shard = SHARDS[number % len(SHARDS)]
        if shard in self.stream.closed:
            shard = "s1-child"
        record = f"{shard}:{len(self.written)}"
        self.stream.records[shard].append(record)
        self.written.append(record)

    async def split(self, number: int) -> None:
        """The parent of ``s1-child`` gets no more records."""
        self.stream.closed.add("s1")

    async def wait(self, number: int) -> None:
        await asyncio.sleep(SECONDS * (number + 1) / 2)

    async def run(self, schedule: list[Step]) -> None:
        for action, number in schedule:
            await getattr(self, action)(number)
            await asyncio.sleep(0)


ACTIONS = st.sampled_from(
    ["start", "stop", "kill", "freeze", "thaw", "write", "write", "write", "split", "wait"]
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_reader, "FAILURE_PAUSE", 0.001)


@settings(max_examples=40)
@given(schedule=st.lists(st.tuples(ACTIONS, st.integers(0, 3)), max_size=40))
async def test_whoever_comes_and_goes_every_record_is_published_in_order(
    schedule: list[Step],
) -> None:
    fleet = Fleet()
    await fleet.run(schedule)
    await fleet.split(0)
    for number in range(4):
        await fleet.thaw(number)
    await fleet.start(9)
    await eventually(lambda: arrived(fleet), within=10, every=0.01)
    for running in list(fleet.running):
        await fleet.stop(running)
    assert set(fleet.leases.owners()) <= fleet.killed
    assert parents_came_first([record for _, record in fleet.topic.taken])
    by_relay: dict[tuple[str, str], list[int]] = defaultdict(list)
    for relay, record in fleet.topic.taken:
        shard, _, place = record.partition(":")
        by_relay[relay, shard].append(int(place))
    for numbers in by_relay.values():
        assert in_order_but_for_repeats(numbers), by_relay


async def arrived(fleet: Fleet) -> bool:
    return fleet.topic.has(set(fleet.written))


def parents_came_first(records: list[str]) -> bool:
    places = {record: place for place, record in reversed(list(enumerate(records)))}
    parents = [at for record, at in places.items() if record.startswith("s1:")]
    children = [at for record, at in places.items() if record.startswith("s1-child:")]
    return not parents or not children or max(parents) < min(children)


def in_order_but_for_repeats(numbers: list[int]) -> bool:
    """A publisher that goes back repeats what it sent; it never leaves something out on its way."""
    first_time = list(dict.fromkeys(numbers))
    return first_time == sorted(first_time)
