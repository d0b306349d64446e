"""What is sent, what is refused before it is sent, and what the caller learns."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from faststream.exceptions import FeatureNotSupportedException, IncorrectState, SetupError

from adapters.faststream_aws import (
    ORDER_KEPT,
    BatchPublishFailed,
    InvalidAttribute,
    Limits,
    MessageTooLarge,
    MissingGroupId,
    NotPublished,
    OutgoingMessage,
    Published,
    SNSTopic,
    SQSBroker,
    SQSQueue,
    TooManyAttributes,
)
from tests.unit.faststream_aws.fakes import FakeSqs, broker_on, service_error

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"
FIFO_TOPIC = TOPIC + ".fifo"
THROTTLED = {"Code": "Throttled", "Message": "slow down", "SenderFault": False}


async def test_a_message_to_a_queue_carries_its_headers_as_typed_attributes() -> None:
    sqs = FakeSqs()
    async with broker_on(sqs) as broker:
        sent = await broker.publish(
            {"n": 1},
            "q",
            headers={"kind": "k", "count": 3, "raw": b"\x00", "many": ["a"], "flag": True},
            correlation_id="c",
            delay_seconds=0,
        )
    assert sent == Published(0, "sent-1", "1")
    (call,) = sqs.sent
    assert (call["QueueUrl"], call["DelaySeconds"]) == ("https://queues/q", 0)
    assert call["MessageBody"].replace(" ", "") == '{"n":1}'
    assert call["MessageAttributes"] == {
        "content-type": {"DataType": "String", "StringValue": "application/json"},
        "correlation_id": {"DataType": "String", "StringValue": "c"},
        "kind": {"DataType": "String", "StringValue": "k"},
        "count": {"DataType": "Number", "StringValue": "3"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        "many": {"DataType": "String.Array", "StringValue": '["a"]'},
        "flag": {"DataType": "String", "StringValue": "true"},
    }


async def test_a_message_to_a_fifo_topic_carries_group_and_deduplication_id() -> None:
    sns = FakeSqs()
    async with broker_on(sns) as broker:
        await broker.publish("x", topic=SNSTopic(FIFO_TOPIC), group_id="g", deduplication_id="d")
    (call,) = sns.sent
    assert (call["TopicArn"], call["MessageGroupId"]) == (FIFO_TOPIC, "g")
    assert call["MessageDeduplicationId"] == "d"


async def test_options_of_a_message_win_over_those_of_the_call() -> None:
    sqs = FakeSqs()
    one = OutgoingMessage("x", group_id="own", headers={"a": "own"}, correlation_id="own")
    async with broker_on(sqs) as broker:
        await broker.publish(
            one, "q.fifo", group_id="call", headers={"a": "call", "b": "call"}, correlation_id="c"
        )
    (call,) = sqs.sent
    values = {name: one["StringValue"] for name, one in call["MessageAttributes"].items()}
    assert call["MessageGroupId"] == "own"
    assert (values["a"], values["b"], values["correlation_id"]) == ("own", "call", "own")


@pytest.mark.parametrize("destination", [{"queue": "q"}, {"topic": TOPIC}])
async def test_the_trace_header_is_a_system_attribute_only_for_queues(
    destination: dict[str, Any],
) -> None:
    sqs = FakeSqs()
    async with broker_on(sqs, trace_attribute="trace") as broker:
        await broker.publish("x", headers={"AWSTraceHeader": "Root=1"}, **destination)
    (call,) = sqs.sent
    attribute = {"DataType": "String", "StringValue": "Root=1"}
    if "queue" in destination:
        assert call["MessageSystemAttributes"] == {"AWSTraceHeader": attribute}
        assert "trace" not in call["MessageAttributes"]
    else:
        assert call["MessageAttributes"]["trace"] == attribute
        assert "MessageSystemAttributes" not in call


async def test_a_trace_header_does_not_count_as_one_of_ten_for_a_queue() -> None:
    sqs = FakeSqs()
    headers = {f"h{n}": "v" for n in range(8)} | {"AWSTraceHeader": "Root=1"}
    async with broker_on(sqs) as broker:
        await broker.publish("x", "q", headers=headers)
        with pytest.raises(TooManyAttributes):
            await broker.publish("x", topic=TOPIC, headers=headers)
    assert len(sqs.sent) == 1


@pytest.mark.parametrize(
    ("body", "options", "refusal"),
    [
        ("x", {"queue": "q", "headers": {f"h{n}": "v" for n in range(9)}}, TooManyAttributes),
        ("x" * 1_048_577, {"queue": "q"}, MessageTooLarge),
        ("x" * 262_145, {"topic": TOPIC}, MessageTooLarge),
        ("\u20ac" * 90_000, {"topic": TOPIC}, MessageTooLarge),
        ("x", {"queue": "q.fifo"}, MissingGroupId),
        ("x", {"topic": FIFO_TOPIC}, MissingGroupId),
        ("x", {"queue": "q", "headers": {"AWS.mine": "v"}}, InvalidAttribute),
        ("x", {"queue": "q", "headers": {"a b": "v"}}, InvalidAttribute),
        ("x", {"queue": "q", "headers": {"a": ""}}, InvalidAttribute),
    ],
)
async def test_what_the_service_would_refuse_or_lose_is_refused_before_sending(
    body: str, options: dict[str, Any], refusal: type[Exception]
) -> None:
    sqs = FakeSqs()
    async with broker_on(sqs) as broker:
        with pytest.raises(refusal):
            await broker.publish(body, **options)
        with pytest.raises(refusal) as raised:
            await broker.publish_batch("fine", OutgoingMessage(body, group_id=""), **options)
    assert (sqs.sent, sqs.send_batches) == ([], [])
    assert getattr(raised.value, "index", None) in (0, 1)


async def test_attributes_count_in_the_size() -> None:
    sqs = FakeSqs()
    async with broker_on(sqs, limits=Limits(queue_message=100)) as broker:
        await broker.publish(b"x" * 30, "q", correlation_id="c")
        with pytest.raises(MessageTooLarge) as raised:
            await broker.publish(b"x" * 30, "q", correlation_id="c", headers={"a": "v" * 60})
    # correlation_id + String + c is 21, a + String + v... is 67
    assert (raised.value.size, raised.value.limit) == (30 + 21 + 67, 100)


async def test_a_batch_goes_out_in_tens_and_in_order() -> None:
    sqs = FakeSqs()
    async with broker_on(sqs) as broker:
        result = await broker.publish_batch(*map(str, range(23)), queue="q")
    assert [len(call) for call in sqs.send_batches] == [10, 10, 3]
    bodies = [entry["MessageBody"] for call in sqs.send_batches for entry in call]
    assert bodies == [str(n) for n in range(23)]
    assert result.ok
    assert [entry.index for entry in result] == list(range(23))


async def test_a_batch_is_cut_where_it_would_grow_too_large() -> None:
    sns = FakeSqs()
    async with broker_on(sns) as broker:
        await broker.publish_batch(*["x" * 100_000] * 5, topic=TOPIC)
    assert [len(call) for call in sns.send_batches] == [2, 2, 1]


async def test_a_failed_entry_is_reported_at_its_place() -> None:
    sqs = FakeSqs(fail_send=lambda body: THROTTLED if body == "b" else None)
    async with broker_on(sqs) as broker:
        result = await broker.publish_batch("a", "b", "c", topic=TOPIC)
    assert [entry.index for entry in result.succeeded] == [0, 2]
    assert result.failed == (NotPublished(1, "Throttled", "slow down"),)
    with pytest.raises(BatchPublishFailed, match="Throttled"):
        result.raise_for_failures()


async def test_a_call_that_fails_is_reported_and_not_raised() -> None:
    errors: list[BaseException] = [
        EndpointConnectionError(endpoint_url="http://x"),
        service_error("InternalError"),
    ]
    sqs = FakeSqs(send_errors=errors)
    async with broker_on(sqs) as broker:
        result = await broker.publish_batch(*map(str, range(21)), queue="q")
    codes = [getattr(entry, "code", "") for entry in result]
    assert codes == ["EndpointConnectionError"] * 10 + ["InternalError"] * 10 + [""]


async def test_nothing_overtakes_a_failed_message_of_its_group() -> None:
    sqs = FakeSqs(fail_send=lambda body: THROTTLED if body == "0" else None)
    messages = [OutgoingMessage(str(n), group_id="ab"[n % 2]) for n in range(14)]
    async with broker_on(sqs) as broker:
        result = await broker.publish_batch(*messages, queue="q.fifo")
    codes = {entry.index: entry.code for entry in result.failed}
    assert codes == {0: "Throttled", 10: ORDER_KEPT, 12: ORDER_KEPT}
    assert [entry["MessageBody"] for entry in sqs.send_batches[1]] == ["11", "13"]


async def test_an_empty_batch_sends_nothing() -> None:
    sqs = FakeSqs()
    async with broker_on(sqs) as broker:
        assert (await broker.publish_batch(queue="q")).ok
    assert not sqs.send_batches


async def test_a_single_refusal_by_the_service_is_raised() -> None:
    class Refusing(FakeSqs):
        async def send_message(self, **kwargs: Any) -> dict[str, Any]:
            raise service_error("AccessDenied")

    async with broker_on(Refusing()) as broker:
        with pytest.raises(Exception, match="AccessDenied"):
            await broker.publish("x", "q")


async def test_a_destination_is_given_exactly_once() -> None:
    async with broker_on(FakeSqs()) as broker:
        with pytest.raises(SetupError):
            await broker.publish("x")
        with pytest.raises(SetupError):
            await broker.publish("x", "q", topic=TOPIC)
    with pytest.raises(SetupError):
        SQSQueue()
    with pytest.raises(SetupError):
        SNSTopic("no-arn")


async def test_publishing_needs_a_connection() -> None:
    with pytest.raises(IncorrectState):
        await SQSBroker(logger=None).publish("x", "q")


async def test_requests_are_not_supported() -> None:
    broker = broker_on(FakeSqs())
    with pytest.raises(FeatureNotSupportedException):
        await broker.request("x", "q")
    with pytest.raises(FeatureNotSupportedException):
        await broker.publisher("q").request("x")


async def test_a_publisher_has_group_and_headers_of_its_own() -> None:
    sqs = FakeSqs()
    broker = broker_on(sqs)
    publisher = broker.publisher("q.fifo", group_id="g", headers={"a": "1", "b": "1"})
    async with broker:
        await publisher.publish("x", headers={"b": "2"})
        result = await publisher.publish_batch("y", "z", group_id="other")
    assert sqs.sent[0]["MessageGroupId"] == "g"
    assert sqs.sent[0]["MessageAttributes"]["a"]["StringValue"] == "1"
    assert sqs.sent[0]["MessageAttributes"]["b"]["StringValue"] == "2"
    assert {entry["MessageGroupId"] for entry in sqs.send_batches[0]} == {"other"}
    assert result.ok


async def test_a_constructor_without_arguments_works() -> None:
    assert SQSBroker().specification.protocol == "sqs"
