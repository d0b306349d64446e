"""Several relays on one stream: who reads what, and what a change of hands does."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from adapters.inbound.workers import shard_reader
from adapters.inbound.workers.leases import Watch, choose, ready
from adapters.inbound.workers.ports import Lease, Shard
from tests.support.relays import (
    AT,
    CONTEXT,
    FakePublisher,
    FakeStream,
    MemoryLeases,
    make_relay,
    running,
)
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_reader, "FAILURE_PAUSE", 0.001)


def stream_of(shards: int) -> FakeStream:
    return FakeStream({f"s{number}": [f"{number}a"] for number in range(shards)})


async def all_held(leases: MemoryLeases, *shares: int) -> bool:
    return sorted(leases.owners().values()) == sorted(shares)


async def test_relays_share_the_shards_whenever_one_comes_or_goes() -> None:
    stream, leases, publisher = stream_of(6), MemoryLeases(), FakePublisher()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(make_relay(stream, leases, publisher, name="a")))
        await eventually(lambda: all_held(leases, 6), within=5)
        async with running(make_relay(stream, leases, publisher, name="b")):
            await eventually(lambda: all_held(leases, 3, 3), within=5)
            async with running(make_relay(stream, leases, publisher, name="c")):
                await eventually(lambda: all_held(leases, 2, 2, 2), within=5)
            await eventually(lambda: all_held(leases, 3, 3), within=5)
        await eventually(lambda: all_held(leases, 6), within=5)
    assert not leases.owners()


async def test_an_orderly_stop_gives_the_leases_back_at_once() -> None:
    stream, leases, publisher = stream_of(3), MemoryLeases(), FakePublisher(3)
    async with running(make_relay(stream, leases, publisher, seconds=60)):
        await publisher.done.wait()
    assert not leases.owners()
    assert {leases.of(f"s{n}").sequence for n in range(3)} == {"0a", "1a", "2a"}


async def test_a_stop_gives_the_leases_back_even_when_the_topic_hangs() -> None:
    stream, leases, publisher = stream_of(1), MemoryLeases(), FakePublisher()
    publisher.open.clear()
    async with running(make_relay(stream, leases, publisher, seconds=60)):
        await eventually(lambda: all_held(leases, 1), within=5)
    assert not leases.owners()
    assert leases.of("s0").sequence == ""


async def test_a_killed_relay_is_followed_and_nothing_is_left_out() -> None:
    stream, leases, publisher = stream_of(4), MemoryLeases(), FakePublisher()
    await killed_when_it_holds(4, stream, leases, publisher)
    for number in range(4):
        stream.records[f"s{number}"].append(f"{number}b")
    wanted = {f"{n}{x}" for n in range(4) for x in "ab"}
    start = time.monotonic()
    async with running(make_relay(stream, leases, publisher, name="next")):
        await eventually(lambda: all_there(publisher, wanted), within=5)
    assert time.monotonic() - start >= 0.2, "the lease time was not waited for"


async def killed_when_it_holds(
    count: int, stream: FakeStream, leases: MemoryLeases, publisher: FakePublisher
) -> None:
    """As by SIGKILL: nothing of its end reaches the table."""
    connection = leases.other_connection()
    relay = make_relay(stream, connection, publisher, name="dead")
    task = asyncio.create_task(relay.run(asyncio.Event()))
    await eventually(lambda: all_held(leases, count), within=5)
    connection.failing = True
    task.cancel()
    await asyncio.wait({task})


async def all_there(publisher: FakePublisher, wanted: set[str]) -> bool:
    return set(publisher.published) >= wanted


async def test_a_relay_that_lost_its_lease_while_it_was_stopped_publishes_nothing_more() -> None:
    stream, leases, publisher = stream_of(1), MemoryLeases(), FakePublisher(1)
    async with running(make_relay(stream, leases, publisher, name="paused", seconds=0.1)):
        await publisher.done.wait()
        taken = replace(leases.of("s0"), owner="other", counter=99)
        leases.items[taken.key] = taken
        time.sleep(0.15)  # noqa: ASYNC251 the whole process stands still, as under SIGSTOP
        stream.records["s0"].append("0b")
        for _ in range(30):
            leases.items[taken.key] = replace(taken, counter=leases.of("s0").counter + 1)
            await asyncio.sleep(0.01)
        assert publisher.published == ["0a"]
        assert leases.of("s0").owner == "other"


# --- the rules ------------------------------------------------------------------------------------


def work(*owners: str) -> list[Lease]:
    return [Lease(CONTEXT, f"s{n}", AT, owner=owner) for n, owner in enumerate(owners)]


def chosen(leases: list[Lease], *, stale: set[str] | None = None) -> list[str]:
    """Ids that the relay ``me`` takes; it holds what names it."""
    held = {one.key for one in leases if one.owner == "me"}
    keys = {f"{CONTEXT}/{name}" for name in stale or set()}
    return [one.id for one in choose(leases, me="me", held=held, stale=keys)]


@pytest.mark.parametrize(
    ("owners", "stale", "expected"),
    [
        (["", ""], set(), ["s0", "s1"]),
        (["a", "a", "", ""], set(), ["s2", "s3"]),
        (["a", "me", "", ""], set(), ["s2"]),
        (["me", "me", "a", "a"], set(), []),
        (["a", "a", "a"], set(), ["s0"]),
        (["a", "a", "me"], set(), []),
        (["a"], set(), []),
        (["a"], {"s0"}, ["s0"]),
        (["a", "a", "a", "b"], set(), ["s0"]),
        (["b", "a", "a", "b"], {"s1", "s2"}, ["s1", "s2"]),
        ([], set(), []),
    ],
)
def test_free_leases_go_first_up_to_a_fair_share_then_one_from_the_richest(
    owners: list[str], stale: set[str], expected: list[str]
) -> None:
    assert chosen(work(*owners), stale=stale) == expected


def test_a_lease_taken_with_a_lost_answer_is_taken_again() -> None:
    (lost,) = choose(work("me"), me="me", held=(), stale=())
    assert lost.id == "s0"


def test_a_lease_is_stale_when_it_stood_still_for_the_lease_time_by_the_own_clock() -> None:
    watch = Watch(10)
    (lease,) = work("a")
    assert watch.stale([lease], 100) == set()
    assert watch.stale([lease], 109.9) == set()
    assert watch.stale([lease], 110) == {lease.key}
    moved = replace(lease, counter=1)
    assert watch.stale([moved], 500) == set()
    assert watch.stale([moved], 510) == {lease.key}


def test_children_wait_for_parents_and_gone_shards_for_nobody() -> None:
    shards = {CONTEXT: {"p": Shard("p", None), "c": Shard("c", "p"), "x": Shard("x", "older")}}
    leases = [Lease(CONTEXT, name, AT) for name in ("p", "c", "x", "gone")]
    assert [one.id for one in ready(leases, shards)] == ["p", "x", "gone"]
    leases[0] = replace(leases[0], finished=True)
    assert [one.id for one in ready(leases, shards)] == ["c", "x", "gone"]


def test_what_belongs_to_a_stream_that_cannot_be_asked_is_left_alone() -> None:
    assert ready([Lease("accounts", "gone", AT)], {CONTEXT: {}}) == []
