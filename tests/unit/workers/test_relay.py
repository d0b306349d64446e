"""The relay publishes every event of the stream, whatever happens to it or to the stream."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.inbound.workers import losses, relay, shard_reader
from adapters.inbound.workers.ports import Lease, Loss
from tests.support.relays import (
    AT,
    CONTEXT,
    FakeMetrics,
    FakePublisher,
    FakeScan,
    FakeStream,
    MemoryLeases,
    make_relay,
    running,
)
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (shard_reader, losses):
        monkeypatch.setattr(module, "FAILURE_PAUSE", 0.001)
    monkeypatch.setattr(relay, "LAG_EVERY", 0.001)


def lease(shard: str, sequence: str = "", at: datetime = AT, *, finished: bool = False) -> Lease:
    return Lease(CONTEXT, shard, at, sequence=sequence, finished=finished)


async def run(
    stream: FakeStream,
    leases: MemoryLeases,
    publisher: FakePublisher,
    scan: FakeScan | None = None,
    metrics: FakeMetrics | None = None,
) -> None:
    async with running(make_relay(stream, leases, publisher, scan=scan, metrics=metrics)):
        async with asyncio.timeout(5):
            await publisher.done.wait()


async def test_all_records_are_published_in_order_and_the_end_is_remembered() -> None:
    leases, publisher = MemoryLeases(), FakePublisher(3)
    await run(FakeStream({"s1": ["a", "b", "c"]}), leases, publisher)
    assert publisher.published == ["a", "b", "c"]
    assert (leases.of("s1").sequence, leases.of("s1").owner) == ("c", "")


async def test_a_relay_goes_on_after_the_checkpoint() -> None:
    publisher = FakePublisher(1)
    leases = MemoryLeases(lease("s1", "b"))
    await run(FakeStream({"s1": ["a", "b", "c"]}), leases, publisher)
    assert publisher.published == ["c"]


async def test_children_are_read_after_their_parents_and_at_once() -> None:
    stream = FakeStream(
        {"child": ["c", "d"], "parent": ["a", "b"]}, {"child": "parent"}, closed={"parent"}
    )
    leases, publisher = MemoryLeases(), FakePublisher(4)
    patient = make_relay(stream, leases, publisher, seconds=60)
    async with running(patient), asyncio.timeout(5):
        await publisher.done.wait()
    assert stream.order == ["a", "b", "c", "d"]
    assert leases.of("parent").finished


async def test_a_parent_that_another_relay_reads_holds_its_children_back() -> None:
    stream = FakeStream({"child": ["c"], "parent": ["a"]}, {"child": "parent"})
    other = Lease(CONTEXT, "parent", AT, owner="other")
    leases, publisher = MemoryLeases(other), FakePublisher(1)
    async with running(make_relay(stream, leases, publisher, seconds=60)):
        await eventually(lambda: found(leases, "child"), within=5)
        await asyncio.sleep(0.05)
        assert publisher.published == []
        leases.items[other.key] = lease("parent", "a", finished=True)
    async with running(make_relay(stream, leases, publisher)), asyncio.timeout(5):
        await publisher.done.wait()
    assert publisher.published == ["c"]


async def found(leases: MemoryLeases, shard: str) -> bool:
    return f"{CONTEXT}/{shard}" in leases.items


async def test_throttled_reads_are_repeated() -> None:
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["a", "b"]}, failures=3), MemoryLeases(), publisher)
    assert publisher.published == ["a", "b"]


async def test_what_a_trimmed_stream_lost_is_published_again_from_the_store() -> None:
    stream = FakeStream({"s1": ["d"]}, trimmed={"b"})
    leases, metrics = MemoryLeases(lease("s1", "b")), FakeMetrics()
    scan = FakeScan([("old", AT - timedelta(hours=1)), ("c", AT + timedelta(seconds=1))])
    publisher = FakePublisher(2)
    await run(stream, leases, publisher, scan, metrics)
    assert sorted(publisher.published) == ["c", "d"]
    assert publisher.again == {"c"}
    assert scan.asked == [AT - losses.REPAIR_MARGIN]
    assert metrics.counts["TrimmedShards"] == 1


async def test_a_loss_is_kept_with_its_window_and_what_was_published_for_it() -> None:
    stream = FakeStream({"s1": ["d"]}, trimmed={"b"})
    leases = MemoryLeases(lease("s1", "b"))
    await run(stream, leases, FakePublisher(2), FakeScan([("c", AT)]))
    (kept,) = [one for one in leases.items.values() if one.loss is not None]
    assert kept.loss is not None
    assert (kept.loss.shard, kept.loss.cause, kept.loss.events) == ("s1", "trimmed", 1)
    assert (kept.at, kept.finished) == (AT, True)
    assert AT < kept.loss.until <= datetime.now(UTC)


async def test_a_loss_is_made_good_once() -> None:
    stream = FakeStream({"s1": ["d"]}, trimmed={"b"})
    leases, scan = MemoryLeases(lease("s1", "b")), FakeScan([("c", AT)])
    await run(stream, leases, FakePublisher(2), scan)
    stream.records["s1"].append("e")
    publisher = FakePublisher(1)
    await run(stream, leases, publisher, scan)
    assert publisher.published == ["e"]
    assert len(scan.asked) == 1


async def test_a_loss_made_good_long_ago_is_forgotten() -> None:
    past = datetime.now(UTC) - losses.KEPT - timedelta(days=1)
    loss = Loss("s0", "trimmed", past)
    old = Lease(CONTEXT, "lost/s0/x", past, finished=True, loss=loss)
    leases = MemoryLeases(old, lease("s1"))
    await run(FakeStream({"s1": ["a"]}), leases, FakePublisher(1))
    assert old.key not in leases.items


async def test_a_shard_that_is_gone_unfinished_is_repaired_too() -> None:
    leases, publisher = MemoryLeases(lease("s1", "b")), FakePublisher(2)
    await run(FakeStream({"s2": ["d"]}), leases, publisher, FakeScan([("c", AT)]))
    assert sorted(publisher.published) == ["c", "d"]
    (kept,) = [one.loss for one in leases.items.values() if one.loss is not None]
    assert (kept.shard, kept.cause) == ("s1", "gone")


async def test_a_shard_that_is_gone_and_was_read_to_its_end_is_forgotten() -> None:
    leases, publisher = MemoryLeases(lease("s1", "b", finished=True)), FakePublisher(1)
    await run(FakeStream({"s2": ["d"]}), leases, publisher, FakeScan([("c", AT)]))
    assert publisher.published == ["d"]
    assert set(leases.items) == {f"{CONTEXT}/s2"}


async def test_a_checkpoint_older_than_the_stream_keeps_is_repaired() -> None:
    at = datetime.now(UTC) - timedelta(hours=25)
    leases, publisher = MemoryLeases(lease("s1", at=at)), FakePublisher(2)
    await run(FakeStream({"s1": ["d"]}), leases, publisher, FakeScan([("c", at)]))
    assert sorted(publisher.published) == ["c", "d"]


async def test_renewals_that_fail_do_not_stop_the_publishing() -> None:
    stream, leases, publisher = FakeStream({"s1": ["a"]}), MemoryLeases(), FakePublisher(2)
    async with running(make_relay(stream, leases, publisher, seconds=0.02)):
        await eventually(lambda: has(publisher, "a"), within=5)
        leases.failing = True
        await asyncio.sleep(0.05)  # longer than the lease
        stream.records["s1"].append("b")
        await eventually(lambda: has(publisher, "b"), within=5)
        leases.failing = False


async def has(publisher: FakePublisher, name: str) -> bool:
    return name in publisher.published


async def test_an_unreadable_record_is_counted_and_passed_over() -> None:
    publisher, metrics = FakePublisher(1), FakeMetrics()
    await run(FakeStream({"s1": ["?", "b"]}), MemoryLeases(), publisher, metrics=metrics)
    assert publisher.published == ["b"]
    assert metrics.counts["UnreadableRecords"] == 1


async def test_without_any_lease_the_whole_store_is_published() -> None:
    publisher = FakePublisher(2)
    await run(FakeStream({"s1": ["b"]}), MemoryLeases(), publisher, FakeScan([("a", AT)]))
    assert sorted(publisher.published) == ["a", "b"]


async def test_the_lag_is_the_age_of_the_oldest_record_until_it_is_published() -> None:
    publisher, metrics = FakePublisher(1), FakeMetrics()
    publisher.open.clear()
    stream = FakeStream({"s1": ["a"]})
    known = MemoryLeases(lease("s1"))
    async with running(make_relay(stream, known, publisher, metrics=metrics, seconds=60)):
        await eventually(lambda: lag(metrics, 300), within=30)
        age = (datetime.now(UTC) - AT).total_seconds()
        assert metrics.gauges["RelayLag"] <= round(age, 3), "told in whole milliseconds"
        publisher.open.set()
        await publisher.done.wait()
        await eventually(lambda: caught_up(metrics), within=30)


async def lag(metrics: FakeMetrics, seconds: float) -> bool:
    return metrics.gauges.get("RelayLag", 0) >= seconds


async def caught_up(metrics: FakeMetrics) -> bool:
    return metrics.gauges["RelayLag"] == 0
