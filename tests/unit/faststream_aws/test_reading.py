"""Parsing, lanes, settings and the AsyncAPI document."""

import base64
import json
from typing import Any

import pytest
from faststream import FastStream
from faststream.exceptions import SetupError
from faststream.message import decode_message
from hypothesis import given
from hypothesis import strategies as st

from adapters.faststream_aws import Backoff, ConsumerSettings, ReceivedMessage, SQSBroker
from adapters.faststream_aws.destinations import SNSTopic, SQSQueue, read_destination
from adapters.faststream_aws.encoding import (
    Encoder,
    decode_attribute,
    encode_attribute,
    encode_body,
)
from adapters.faststream_aws.lanes import Lanes
from adapters.faststream_aws.parser import SQSParser
from adapters.faststream_aws.testing import MemorySettler, received_form
from tests.unit.faststream_aws.fakes import message

ENVELOPE = {
    "Type": "Notification",
    "MessageId": "sns-1",
    "TopicArn": "arn:aws:sns:us-east-1:0:t",
    "Message": '{"n": 1}',
    "MessageAttributes": {
        "content-type": {"Type": "String", "Value": "application/json"},
        "raw": {"Type": "Binary", "Value": base64.b64encode(b"\x00").decode()},
        "count": {"Type": "Number", "Value": "1.5"},
        "AWSTraceHeader": {"Type": "String", "Value": "Root=1"},
    },
}


def received(raw: dict[str, Any]) -> ReceivedMessage:
    return ReceivedMessage(raw, queue_name="q", settler=MemorySettler())


async def test_an_envelope_of_sns_is_opened() -> None:
    parsed = await SQSParser().parse_message(received(message("a", body=json.dumps(ENVELOPE))))
    assert decode_message(parsed) == {"n": 1}
    assert (parsed.headers["raw"], parsed.headers["count"]) == (b"\x00", 1.5)
    assert parsed.headers["AWSTraceHeader"] == "Root=1"
    assert parsed.headers["sns-topic-arn"] == ENVELOPE["TopicArn"]


@pytest.mark.parametrize(
    "body",
    ["", "{", "[1]", '"TopicArn"', '{"TopicArn" broken', '{"TopicArn": 1, "Type": "Other"}'],
)
async def test_what_is_no_envelope_stays_as_it_is(body: str) -> None:
    parsed = await SQSParser().parse_message(received(message("a", body=body)))
    assert parsed.body == body.encode()


async def test_envelopes_are_left_alone_when_asked() -> None:
    raw = message("a", body=json.dumps(ENVELOPE))
    parsed = await SQSParser(unwrap_sns=False).parse_message(received(raw))
    assert decode_message(parsed) == ENVELOPE


@given(
    payload=st.binary(min_size=1),
    headers=st.dictionaries(
        st.from_regex(r"[a-z]{3,9}", fullmatch=True),
        st.text(min_size=1) | st.integers() | st.binary(min_size=1),
        max_size=9,
    ),
)
async def test_any_payload_and_headers_arrive_as_they_were_sent(
    payload: bytes, headers: dict[str, Any]
) -> None:
    sent = Encoder().encode(payload, headers, SQSQueue("q"))
    parsed = await SQSParser().parse_message(received(received_form(sent)))
    assert parsed.body == payload
    assert {name: parsed.headers[name] for name in headers} == headers


@pytest.mark.parametrize("value", ["x", 1, -2.5, b"\xff", ["a", 1]])
def test_attributes_come_back_with_their_type(value: Any) -> None:
    assert decode_attribute(encode_attribute("name", value)) == value


def test_text_goes_as_it_is_and_anything_else_in_base64() -> None:
    assert encode_body("\u20ac\n".encode()) == ("\u20ac\n", None)
    assert encode_body(b"\xff")[1] == "base64"
    assert encode_body(b"a\x00")[1] == "base64"


def test_destinations_are_told_apart_by_their_address() -> None:
    assert read_destination("arn:aws:sns:r:0:t.fifo") == SNSTopic("arn:aws:sns:r:0:t.fifo")
    assert read_destination("https://sqs/0/q") == SQSQueue(url="https://sqs/0/q")
    assert read_destination("q.fifo") == SQSQueue("q.fifo")
    assert read_destination("q.fifo").fifo
    assert SQSQueue("q").with_prefix("p-") == SQSQueue("p-q")


def lanes_of(*names: str, **options: bool) -> Lanes:
    lanes = Lanes(**{"fifo": True, "batch": False, **options})
    lanes.add([received(message(name, group=name[0])) for name in names])
    return lanes


def names_of(messages: Any) -> list[str]:
    return [one.receipt_handle for one in messages]


def test_lanes_take_turns_and_run_one_unit_at_a_time() -> None:
    lanes = lanes_of("a0", "a1", "b0")
    first, second = lanes.take(), lanes.take()
    assert first is not None
    assert second is not None
    assert lanes.take() is None
    lanes.finish(first.lane)
    third = lanes.take()
    assert third is not None
    assert [names_of(unit.messages) for unit in (first, second, third)] == [["a0"], ["b0"], ["a1"]]


def test_a_batch_lane_gives_all_it_holds() -> None:
    lanes = lanes_of("a0", "a1", "b0", batch=True)
    unit = lanes.take()
    assert unit is not None
    lanes.add([received(message("a2", group="a"))])
    assert names_of(unit.messages) == ["a0", "a1"]
    assert len(lanes) == 2
    lanes.finish(unit.lane)
    assert len(lanes) == 2


def test_dropping_a_lane_returns_what_waits_in_it() -> None:
    lanes = lanes_of("a0", "a1", "b0", "b1")
    unit = lanes.take()
    assert unit is not None
    assert names_of(lanes.drop(unit.lane)) == ["a1"]
    lanes.finish(unit.lane)
    assert names_of(lanes.drop_all()) == ["b0", "b1"]
    assert len(lanes) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40), st.booleans())
def test_a_group_never_runs_twice_at_once_nor_out_of_order(
    steps: list[tuple[str, bool]], batch: bool
) -> None:
    lanes = Lanes(fifo=True, batch=batch)
    running: dict[Any, Any] = {}
    seen: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    for number, (group, finish) in enumerate(steps):
        lanes.add([received(message(str(number), group=group))])
        while (unit := lanes.take()) is not None:
            assert unit.lane not in running
            running[unit.lane] = unit
            seen[str(unit.lane)] += map(int, names_of(unit.messages))
        if finish and running:
            lane, _ = running.popitem()
            lanes.finish(lane)
    assert all(numbers == sorted(numbers) for numbers in seen.values())


@given(st.integers(min_value=-3, max_value=10_000))
def test_a_delay_never_exceeds_its_maximum(attempt: int) -> None:
    assert 0 <= Backoff(first=1, maximum=60).delay(attempt) <= 60


@pytest.mark.parametrize(
    "wrong",
    [{"wait_time_seconds": 21}, {"max_messages": 11}, {"visibility_timeout": 0}, {"pollers": 0}],
)
def test_settings_outside_the_limits_of_the_service_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SetupError):
        ConsumerSettings(**wrong)


def test_a_short_poll_pauses_and_a_long_one_does_not() -> None:
    assert ConsumerSettings(wait_time_seconds=0).pause_after_empty == 0.1
    assert ConsumerSettings(wait_time_seconds=0, poll_interval=0.01).pause_after_empty == 0.01
    assert ConsumerSettings().pause_after_empty == 0


def test_the_document_names_queues_and_topics() -> None:
    broker = SQSBroker(endpoint_url="http://localhost:4566")

    @broker.subscriber("in.fifo", batch=True)
    @broker.publisher(topic="arn:aws:sns:us-east-1:0:out")
    async def handle(bodies: list[int]) -> str:
        """Counts."""
        return ""

    document = FastStream(broker).schema.to_specification().to_jsonable()
    channels = document["channels"]
    assert channels["in.fifo:Handle"]["bindings"]["sqs"]["queue"] == {
        "name": "in.fifo",
        "fifoQueue": True,
    }
    assert channels["out:Publisher"]["address"] == "out"
    assert document["servers"]["development"]["protocol"] == "sqs"
