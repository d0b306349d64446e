"""Whatever part of a call fails: nothing is left out, and no stream's events change their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.faststream_aws import MessageRefused, OutgoingMessage
from adapters.faststream_aws.outgoing import BatchResult, NotPublished, Published
from adapters.inbound.workers import publisher as module
from adapters.inbound.workers.publisher import Publisher
from tests.support.relays import FakeMetrics

Fate = Callable[[str], str]
"""What becomes of the event with this id in a call: ``ok``, a code, or ``refused``."""


@dataclass
class FakeBroker:
    """Takes any part of a call. ``delivered``: ids in the order in which the topic took them."""

    fate: Fate = lambda _: "ok"
    delivered: list[str] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)

    async def publish_batch(self, *messages: OutgoingMessage, topic: str) -> BatchResult:
        ids = [str(one.deduplication_id) for one in messages]
        self.calls.append(ids)
        fates = [self.fate(event_id) for event_id in ids]
        if "unencodable" in fates:  # found before anything is sent
            raise MessageRefused("too large", index=fates.index("unencodable"))
        entries: list[Published | NotPublished] = []
        for index, (event_id, fate) in enumerate(zip(ids, fates, strict=True)):
            if fate == "ok":
                self.delivered.append(event_id)
                entries.append(Published(index, "m"))
            else:
                entries.append(NotPublished(index, fate, sender_fault=fate == "refused"))
        await asyncio.sleep(0)
        return BatchResult(tuple(entries))


class Rounds:
    """Stands for the module ``time``: time for so many rounds of calls, then it is too late."""

    def __init__(self, rounds: int) -> None:
        self.looks = 2 * rounds  # before a round, and for the pause after one that failed

    def monotonic(self) -> float:
        self.looks -= 1
        return float("-inf") if self.looks >= 0 else float("inf")


def event(stream: str, number: int) -> dict[str, Any]:
    return {"id": f"{stream}:{number}", "subject": f"lane-{stream}"}


def events(*streams: str) -> list[dict[str, Any]]:
    """One for each letter, numbered within its stream."""
    return [event(name, streams[:place].count(name)) for place, name in enumerate(streams)]


def made(fate: Fate = lambda _: "ok") -> tuple[Publisher, FakeBroker, FakeMetrics]:
    broker, metrics = FakeBroker(fate), FakeMetrics()
    return (
        Publisher(broker, "topic", context="devices", metrics=metrics),  # type: ignore[arg-type]
        broker,
        metrics,
    )


def failing(times: int, *ids: str) -> Fate:
    left = dict.fromkeys(ids, times)

    def fate(event_id: str) -> str:
        if left.get(event_id, 0):
            left[event_id] -= 1
            return "InternalError"
        return "ok"

    return fate


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSES", (0.001,))


async def test_streams_share_calls_and_a_stream_has_one_event_in_a_call() -> None:
    publisher, broker, metrics = made()
    assert await publisher.publish(events("a", "b", "a", "c", "a")) == []
    assert broker.calls == [["a:0", "b:0", "c:0"], ["a:1"], ["a:2"]]
    assert metrics.counts["EventsPublished"] == 5


async def test_many_streams_leave_ten_a_call() -> None:
    publisher, broker, _ = made()
    await publisher.publish([event(f"s{number}", 0) for number in range(95)])
    assert sorted(map(len, broker.calls)) == [5, *[10] * 9]


async def test_what_failed_is_tried_again_before_its_stream_goes_on() -> None:
    publisher, broker, metrics = made(failing(2, "a:0"))
    assert await publisher.publish(events("a", "a", "b", "b")) == []
    assert [one for one in broker.delivered if one.startswith("a")] == ["a:0", "a:1"]
    assert metrics.counts["PublishRetries"] == 2


async def test_what_is_refused_for_good_is_left_out_and_holds_up_nothing() -> None:
    fates = {"a:0": "refused", "b:1": "unencodable"}
    publisher, broker, metrics = made(lambda name: fates.get(name, "ok"))
    assert await publisher.publish(events("a", "b", "a", "b", "b")) == []
    assert sorted(broker.delivered) == ["a:1", "b:0", "b:2"]
    assert metrics.counts["EventsRefused"] == 2


async def test_a_message_that_cannot_be_encoded_leaves_the_others_of_its_call() -> None:
    publisher, broker, _ = made(lambda name: "unencodable" if name == "b:0" else "ok")
    assert await publisher.publish(events("a", "b", "c")) == []
    assert sorted(broker.delivered) == ["a:0", "c:0"]


async def test_when_the_time_is_up_the_rest_is_told_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "time", Rounds(2))
    publisher, broker, _ = made(lambda name: "ok" if name.startswith("b") else "Throttled")
    left = await publisher.publish(events("a", "b", "a", "b"), until=0)
    assert left == [0, 2]
    assert broker.delivered == ["b:0", "b:1"]


async def test_without_any_time_nothing_is_sent() -> None:
    publisher, broker, _ = made()
    assert await publisher.publish(events("a", "b"), until=time.monotonic()) == [0, 1]
    assert broker.calls == []


async def test_a_call_that_hangs_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_LIMIT", 0.01)
    publisher, broker, _ = made()
    hang, send = asyncio.Event(), broker.publish_batch

    async def hangs_once(*messages: OutgoingMessage, topic: str) -> BatchResult:
        if not hang.is_set():
            hang.set()
            await asyncio.sleep(60)
        return await send(*messages, topic=topic)

    monkeypatch.setattr(broker, "publish_batch", hangs_once)
    assert await publisher.publish(events("a")) == []
    assert broker.delivered == ["a:0"]


async def test_a_repair_has_fresh_deduplication_ids() -> None:
    publisher, broker, _ = made()
    await publisher.publish(events("a"), again="mark")
    assert broker.delivered == ["a:0:mark"]


@given(
    streams=st.lists(st.sampled_from("abcde"), max_size=60),
    outcomes=st.lists(st.sampled_from(["ok", "ok", "ok", "Throttled", "refused"]), max_size=200),
)
async def test_any_failures_leave_every_stream_whole_and_in_order(
    streams: list[str], outcomes: list[str]
) -> None:
    left = iter(outcomes)
    refused: list[str] = []

    def fate(event_id: str) -> str:
        outcome = next(left, "ok")
        if outcome == "refused":
            refused.append(event_id)
        return outcome

    publisher, broker, _ = made(fate)
    wanted = events(*streams)
    assert await publisher.publish(wanted) == []
    for name in set(streams):
        mine = [one["id"] for one in wanted if one["id"].startswith(name)]
        arrived = [one for one in broker.delivered if one.startswith(name)]
        assert arrived == [one for one in mine if one not in refused]
