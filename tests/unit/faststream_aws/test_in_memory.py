"""The test broker: routing, middlewares, parsers, routers, publishers."""

from typing import Any

import pytest
from faststream import BaseMiddleware, Depends
from faststream.message import StreamMessage

from adapters.faststream_aws import (
    MessageTooLarge,
    OutgoingMessage,
    PartialBatchFailure,
    SQSBatchMessage,
    SQSBroker,
    SQSMessage,
    SQSQueue,
    SQSResponse,
    SQSRoute,
    SQSRoutePublisher,
    SQSRouter,
)
from adapters.faststream_aws.testing import TestSQSBroker

TOPIC = "arn:aws:sns:us-east-1:000000000000:events.fifo"


async def test_a_message_reaches_the_subscriber_of_its_queue_only() -> None:
    broker = SQSBroker()

    @broker.subscriber("mine")
    async def mine(body: dict[str, int]) -> None: ...

    @broker.subscriber("other")
    async def other(body: dict[str, int]) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish({"n": 1}, "mine")
        mine.mock.assert_called_once_with({"n": 1})
        other.mock.assert_not_called()


async def test_a_queue_given_by_url_is_the_same_queue() -> None:
    broker = SQSBroker()

    @broker.subscriber(SQSQueue(url="https://sqs.eu-west-1.amazonaws.com/0/mine"))
    async def handle(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "mine")
        handle.mock.assert_called_once_with("x")


async def test_a_topic_reaches_the_queues_that_subscribed_to_it() -> None:
    broker = SQSBroker()

    @broker.subscriber("a.fifo")
    async def first(body: str) -> None: ...

    @broker.subscriber("b.fifo")
    async def second(body: str) -> None: ...

    subscriptions = {TOPIC: ["a.fifo", "b.fifo"]}
    async with TestSQSBroker(broker, subscriptions=subscriptions) as test:
        await test.publish("x", topic=TOPIC, group_id="g")
        first.mock.assert_called_once_with("x")
        second.mock.assert_called_once_with("x")


async def test_a_fifo_batch_arrives_group_by_group() -> None:
    broker = SQSBroker()
    calls: list[tuple[str | None, list[int]]] = []

    @broker.subscriber("q.fifo", batch=True)
    async def handle(bodies: list[int], message: SQSBatchMessage) -> None:
        calls.append((message.group_id, bodies))

    async with TestSQSBroker(broker, subscriptions={TOPIC: ["q.fifo"]}) as test:
        result = await test.publish_batch(
            *[OutgoingMessage(n, group_id="ab"[n % 2]) for n in range(4)], topic=TOPIC
        )
    assert result.ok
    assert [entry.sequence_number for entry in result.succeeded] == ["1", "2", "3", "4"]
    assert calls == [("a", [0, 2]), ("b", [1, 3])]


async def test_a_deduplication_id_given_twice_is_delivered_once() -> None:
    broker = SQSBroker()

    @broker.subscriber("q.fifo")
    async def handle(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        for _ in range(2):
            await test.publish("x", "q.fifo", group_id="g", deduplication_id="d")
        handle.mock.assert_called_once_with("x")


async def test_an_error_of_a_handler_reaches_the_publisher() -> None:
    broker = SQSBroker()

    @broker.subscriber("q")
    async def handle(body: str) -> None:
        raise ValueError(body)

    async with TestSQSBroker(broker) as test:
        with pytest.raises(ValueError, match="x"):
            await test.publish("x", "q")


async def test_a_partial_failure_is_an_instruction_and_no_error() -> None:
    broker = SQSBroker()
    outcomes: list[Any] = []

    @broker.subscriber("q.fifo", batch=True)
    async def handle(bodies: list[int], message: SQSBatchMessage) -> None:
        outcomes.extend(message.raw_message)
        raise PartialBatchFailure(1)

    async with TestSQSBroker(broker) as test:
        await test.publish_batch(0, 1, 2, queue="q.fifo", group_id="g")
    assert [one.outcome.value for one in outcomes] == ["deleted", "delayed", "handed back"]


async def test_limits_hold_in_memory_as_well() -> None:
    async with TestSQSBroker(SQSBroker()) as test:
        with pytest.raises(MessageTooLarge):
            await test.publish("x" * 2_000_000, "q")


async def test_a_message_shows_what_the_queue_says_of_it() -> None:
    broker = SQSBroker()
    seen: list[Any] = []

    @broker.subscriber("q.fifo")
    async def handle(message: SQSMessage) -> None:
        seen.append(message)

    async with TestSQSBroker(broker) as test:
        await test.publish(
            "x",
            "q.fifo",
            group_id="g",
            deduplication_id="d",
            headers={"AWSTraceHeader": "Root=1", "n": 1},
            correlation_id="c",
        )
    (message,) = seen
    assert (message.group_id, message.deduplication_id, message.sequence_number) == ("g", "d", "1")
    assert (message.receive_count, message.correlation_id, message.queue_name) == (1, "c", "q.fifo")
    assert (message.headers["AWSTraceHeader"], message.headers["n"]) == ("Root=1", 1)
    assert message.receipt_handle
    assert message.sent_at is not None


async def test_an_answer_goes_through_publishers_to_the_next_subscriber() -> None:
    broker = SQSBroker()
    topic_publisher = broker.publisher(topic=TOPIC, group_id="g")

    @broker.subscriber("first")
    @broker.publisher("second.fifo")
    async def first(body: str) -> SQSResponse:
        return SQSResponse(body + "!", group_id="g", headers={"k": "v"})

    @broker.subscriber("second.fifo")
    @topic_publisher
    async def second(body: str, message: SQSMessage) -> str:
        return f"{body}{message.headers['k']}"

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "first")
        second.mock.assert_called_once_with("x!")
        topic_publisher.mock.assert_called_once_with("x!v")


async def test_a_batch_publisher_sends_each_item_of_the_answer() -> None:
    broker = SQSBroker()

    @broker.subscriber("source")
    @broker.publisher("target", batch=True)
    async def split(body: int) -> list[int]:
        return list(range(body))

    seen: list[int] = []

    @broker.subscriber("target")
    async def handle(body: int) -> None:
        seen.append(body)

    async with TestSQSBroker(broker) as test:
        await test.publish(12, "source")
        await test.publish(0, "source")
    assert seen == list(range(12))


async def test_a_reply_goes_to_the_queue_that_was_asked_for() -> None:
    broker = SQSBroker()

    @broker.subscriber("q")
    async def handle(body: int) -> int:
        return body + 1

    @broker.subscriber("replies.fifo")
    async def replies(body: int, message: SQSMessage) -> None:
        assert message.group_id == "c"

    async with TestSQSBroker(broker) as test:
        await test.publish(1, "q", reply_to="replies.fifo", correlation_id="c")
        replies.mock.assert_called_once_with(2)


async def test_middlewares_see_what_comes_and_what_goes_in_order() -> None:
    order: list[str] = []

    def middleware(name: str) -> type[BaseMiddleware]:
        class Noting(BaseMiddleware):
            async def consume_scope(self, call_next: Any, msg: StreamMessage[Any]) -> Any:
                order.append(f"{name} in")
                return await call_next(msg)

            async def publish_scope(self, call_next: Any, cmd: Any) -> Any:
                order.append(f"{name} out")
                cmd.add_headers({name: "seen"})
                return await call_next(cmd)

        return Noting

    broker = SQSBroker(middlewares=[middleware("a"), middleware("b")])

    @broker.subscriber("q")
    async def handle(body: str, message: SQSMessage) -> None:
        order.append(message.headers["a"] + message.headers["b"])

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "q")
    assert order == ["a out", "b out", "a in", "b in", "seenseen"]


async def test_a_middleware_may_change_drop_and_reorder_the_bodies_of_a_batch() -> None:
    class Changing(BaseMiddleware):
        async def publish_scope(self, call_next: Any, cmd: Any) -> Any:
            bodies = [body for body in reversed(cmd.batch_bodies) if body != "drop"]
            cmd.batch_bodies = bodies
            cmd.batch_bodies = [body.upper() for body in cmd.batch_bodies]
            return await call_next(cmd)

    broker = SQSBroker(middlewares=[Changing])
    seen: list[tuple[str, str | None]] = []

    @broker.subscriber("q.fifo")
    async def handle(body: str, message: SQSMessage) -> None:
        seen.append((body, message.group_id))

    messages = [OutgoingMessage(body, group_id=body[0]) for body in ("apple", "drop", "banana")]
    async with TestSQSBroker(broker) as test:
        await test.publish_batch(*messages, queue="q.fifo")
    assert seen == [("BANANA", "b"), ("APPLE", "a")]


async def test_an_exception_in_a_middleware_can_be_handled_there() -> None:
    handled: list[str] = []

    class Catching(BaseMiddleware):
        async def consume_scope(self, call_next: Any, msg: StreamMessage[Any]) -> Any:
            try:
                return await call_next(msg)
            except ValueError as error:
                handled.append(str(error))
                return None

    broker = SQSBroker(middlewares=[Catching])

    @broker.subscriber("q")
    async def handle(body: str) -> None:
        raise ValueError(body)

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "q")
    assert handled == ["x"]


async def test_parsers_and_decoders_of_one_s_own_wrap_the_default() -> None:
    async def parser(raw: Any, original: Any) -> Any:
        message = await original(raw)
        message.headers["parsed"] = "yes"
        return message

    async def decoder(message: StreamMessage[Any], original: Any) -> Any:
        return (await original(message)) + message.headers["parsed"]

    broker = SQSBroker()

    @broker.subscriber("q", parser=parser, decoder=decoder)
    async def handle(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "q")
        handle.mock.assert_called_once_with("xyes")


async def test_a_codec_encodes_and_decodes() -> None:
    class Reversing:
        async def encode(self, msg: Any, serializer: Any = None) -> tuple[bytes, str | None]:
            return msg[::-1].encode(), "text/plain"

        async def decode(self, msg: StreamMessage[Any]) -> Any:
            return msg.body.decode() + "!"

    broker = SQSBroker(codec=Reversing())

    @broker.subscriber("q")
    async def handle(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish("abc", "q")
        handle.mock.assert_called_once_with("cba!")


async def test_filters_choose_among_handlers_of_one_subscriber() -> None:
    broker = SQSBroker()
    subscriber = broker.subscriber("q")

    @subscriber(filter=lambda message: message.headers.get("kind") == "special")
    async def special(body: str) -> None: ...

    @subscriber
    async def usual(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "q", headers={"kind": "special"})
        await test.publish("y", "q")
        special.mock.assert_called_once_with("x")
        usual.mock.assert_called_once_with("y")


async def test_a_routers_prefix_goes_before_names_and_not_before_urls_or_arns() -> None:
    router, nested = SQSRouter(prefix="outer-"), SQSRouter(prefix="inner-")
    publisher = router.publisher(topic=TOPIC, group_id="g")

    @nested.subscriber("q")
    async def handle(body: str) -> None: ...

    by_url = nested.subscriber("https://sqs/0/q2")
    router.include_router(nested)
    broker = SQSBroker(routers=[router])
    async with TestSQSBroker(broker) as test:
        await test.publish("x", "outer-inner-q")
        handle.mock.assert_called_once_with("x")
    assert by_url.queue.address == "https://sqs/0/q2"
    assert publisher.destination.address == TOPIC


async def test_a_route_declares_a_handler_with_publishers() -> None:
    async def handle(body: str) -> str:
        return body + "!"

    router = SQSRouter(handlers=[SQSRoute(handle, "a", publishers=[SQSRoutePublisher("b")])])
    broker = SQSBroker()
    broker.include_router(router)

    @broker.subscriber("b")
    async def target(body: str) -> None: ...

    async with TestSQSBroker(broker) as test:
        await test.publish("x", "a")
        target.mock.assert_called_once_with("x!")


async def test_dependencies_of_broker_router_and_subscriber_run() -> None:
    ran: list[str] = []
    broker = SQSBroker(dependencies=[Depends(lambda: ran.append("broker"))])
    router = SQSRouter(dependencies=[Depends(lambda: ran.append("router"))])

    @router.subscriber("q", dependencies=[Depends(lambda: ran.append("subscriber"))])
    async def handle(body: str) -> None: ...

    broker.include_router(router)
    async with TestSQSBroker(broker) as test:
        await test.publish("x", "q")
    assert ran == ["broker", "router", "subscriber"]


async def test_a_router_of_another_broker_is_refused() -> None:
    with pytest.raises(TypeError):
        SQSBroker().include_router(object())  # type: ignore[arg-type]


async def test_a_subscriber_started_under_the_test_broker_does_not_touch_the_network() -> None:
    broker = SQSBroker(graceful_timeout=1)
    async with TestSQSBroker(broker) as test:
        subscriber = test.subscriber("late", persistent=False)
        await subscriber.start()
        assert await subscriber.get_one(timeout=0.01) is None
        await subscriber.stop()
