"""The relay's function: what it publishes, and where Lambda has to go on after a failure."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.aws_lambda import relay
from adapters.inbound.aws_lambda.resident import Resident
from adapters.inbound.workers import publisher as publishers
from adapters.inbound.workers.outlet import Outlet
from adapters.inbound.workers.publisher import Publisher
from adapters.outbound.dynamodb.codec import item_to_cloud_event
from tests.support.relays import FakeMetrics
from tests.unit.aws_lambda.payloads import FakeContext, golden_event, payload, stream_event
from tests.unit.workers.test_publisher import FakeBroker, Rounds

TABLE = "homecast-dev-{}-events"


class Function:
    """The handler on a topic in memory. ``fates``: what the topic answers for an event's id."""

    def __init__(self) -> None:
        self.fates: dict[str, str] = {}
        self.brokers = {context: FakeBroker(self.fate) for context in ("accounts", "devices")}
        self.metrics = FakeMetrics()
        self.opened = 0

    def fate(self, event_id: str) -> str:
        return self.fates.get(event_id, "ok")

    @asynccontextmanager
    async def opening(self) -> AsyncIterator[relay.Outlets]:
        self.opened += 1
        yield {TABLE.format(context): self.outlet(context) for context in self.brokers}

    def outlet(self, context: str) -> Outlet:
        broker: Any = self.brokers[context]
        publisher = Publisher(broker, "topic", context=context, metrics=self.metrics)
        return Outlet(context, publisher, item_to_cloud_event, self.metrics)

    def call(self, event: dict[str, Any], *, seconds: float = 20.0) -> list[str]:
        """The sequence numbers that are reported as failed."""
        answer = relay.handler(event, FakeContext(seconds))
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def call_for(self, rounds: int, event: dict[str, Any]) -> list[str]:
        """An invocation that has time for so many rounds of calls to the topic."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publishers, "time", Rounds(rounds))
            return self.call(event)

    @property
    def delivered(self) -> list[str]:
        return self.brokers["devices"].delivered


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    monkeypatch.setattr(publishers, "RETRY_PAUSES", (0.001,))
    made = Function()
    kept = Resident(made.opening)
    monkeypatch.setattr(relay, "resident", kept)
    yield made
    kept.close()


def test_a_golden_record_is_published_as_the_golden_event(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    broker = function.brokers["devices"]
    publish = broker.publish_batch

    async def remembering(*messages: Any, topic: str) -> Any:
        sent.extend(messages)
        return await publish(*messages, topic=topic)

    monkeypatch.setattr(broker, "publish_batch", remembering)
    assert function.call(payload("dynamodb_stream")) == []
    (message,) = sent
    assert message.body == golden_event("devices.remote_command_accepted.v1")
    assert message.group_id == "lane-abcdefghijklmnopqrstuvwxyz"
    assert message.headers["category"] == "lane"


def test_the_table_tells_the_context(function: Function) -> None:
    assert function.call(stream_event("a", context="accounts")) == []
    assert function.brokers["accounts"].delivered == ["1:lane-a:1"]
    assert function.delivered == []


def test_a_table_that_nobody_publishes_fails_the_whole_batch(function: Function) -> None:
    with pytest.raises(LookupError):
        function.call(stream_event("a", context="media"))


def test_the_container_is_opened_once(function: Function) -> None:
    for _ in range(3):
        assert function.call(stream_event("a")) == []
    assert function.opened == 1


def test_the_function_imports_only_what_it_needs() -> None:
    """A cold start pays for every module."""
    script = "import sys, adapters.inbound.aws_lambda.relay; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint(
        {"aiobotocore", "fastapi", "pynamodb", "redis", "adapters.bootstrap.core"}
    )


def test_what_is_no_insertion_is_no_event(function: Function) -> None:
    event = stream_event("a", "b", "c")
    event["Records"][1]["eventName"] = "REMOVE"
    del event["Records"][1]["dynamodb"]["NewImage"]
    assert function.call(event) == []
    assert function.delivered == ["1:lane-a:1", "1:lane-c:1"]


def test_an_unreadable_record_is_counted_and_holds_up_nothing(function: Function) -> None:
    event = stream_event("a", "b")
    del event["Records"][0]["dynamodb"]["NewImage"]["type"]
    assert function.call(event) == []
    assert function.delivered == ["1:lane-b:1"]
    assert function.metrics.counts["UnreadableRecords"] == 1


def test_lambda_goes_on_from_the_first_record_that_is_not_published(function: Function) -> None:
    function.fates["1:lane-b:1"] = "Throttled"
    event = stream_event("a", "b", "c", "b")
    assert function.call_for(2, event) == ["2"]
    assert function.delivered == ["1:lane-a:1", "1:lane-c:1"]
    function.fates.clear()
    again = {"Records": event["Records"][1:]}
    assert function.call(again) == []
    assert function.delivered[2:] == ["1:lane-b:1", "1:lane-c:1", "1:lane-b:2"]


def test_records_before_an_unreadable_one_count_by_their_own_numbers(function: Function) -> None:
    event = stream_event("x", "a")
    del event["Records"][0]["dynamodb"]["NewImage"]["type"]
    function.fates["1:lane-a:1"] = "Throttled"
    assert function.call_for(2, event) == ["2"]


def test_the_answer_comes_before_the_end_of_the_invocation(function: Function) -> None:
    function.fates["1:lane-a:1"] = "Throttled"
    context = FakeContext(seconds=2.0)
    answer = relay.handler(stream_event("a"), context)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "1"}]
    assert context.get_remaining_time_in_millis() > 0


def test_the_age_of_the_oldest_record_is_the_lag(function: Function) -> None:
    event = stream_event("a", "b")
    event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = time.time() - 100
    function.call(event)
    assert 100 <= function.metrics.gauges["RelayLag"] < 110


@given(
    streams=st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    outcomes=st.lists(st.sampled_from(["ok", "ok", "Throttled"]), max_size=60),
    patience=st.lists(st.integers(1, 4), max_size=6),
)
def test_however_often_lambda_calls_again_nothing_is_left_out_or_out_of_order(
    streams: list[str], outcomes: list[str], patience: list[int]
) -> None:
    """Each invocation lasts for so many rounds of calls."""
    with pytest.MonkeyPatch.context() as patch:
        function = Function()
        left, rounds = iter(outcomes), iter([*patience, *[1000] * 20])
        function.brokers["devices"].fate = lambda _: next(left, "ok")
        kept = Resident(function.opening)
        patch.setattr(relay, "resident", kept)
        patch.setattr(publishers, "RETRY_PAUSES", (0,))
        records = stream_event(*streams)["Records"]
        while records:
            failed = function.call_for(next(rounds), {"Records": records})
            numbers = [one["dynamodb"]["SequenceNumber"] for one in records]
            records = records[numbers.index(failed[0]) :] if failed else []
        kept.close()
        for name in set(streams):
            mine = [one for one in function.delivered if one.startswith(f"1:lane-{name}:")]
            first_time = [int(one.rsplit(":", 1)[-1]) for one in dict.fromkeys(mine)]
            assert first_time == list(range(1, streams.count(name) + 1))
