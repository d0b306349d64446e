"""The broker against the embedded engine."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from faststream import AckPolicy, FastStream

from adapters.faststream_aws import (
    Backoff,
    OutgoingMessage,
    PartialBatchFailure,
    SQSMessage,
    SQSQueue,
    SQSResponse,
)
from tests.contract.faststream_aws.conftest import Aws
from tests.unit.faststream_aws.waiting import until

FAST: dict[str, Any] = {
    "wait_time_seconds": 0,
    "poll_interval": 0.01,
    "visibility_timeout": 10,
    "retry_delay": Backoff(first=1, jitter=0),
}


async def eventually(condition: Callable[[], Awaitable[bool]], timeout: float = 5.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110 - no event tells of a remote queue
            await asyncio.sleep(0.02)


async def test_ping_tells_whether_the_service_answers(aws: Aws) -> None:
    async with aws.broker() as broker:
        assert await broker.ping(5.0)
    assert not await broker.ping(1.0)


async def test_a_published_message_is_consumed_and_deleted(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker()
    seen: list[tuple[Any, dict[str, Any], str]] = []

    @broker.subscriber(queue, **FAST)
    async def handle(body: dict[str, int], message: SQSMessage) -> None:
        seen.append((body, message.headers, message.correlation_id))

    async with broker:
        await broker.start()
        sent = await broker.publish(
            {"n": 1}, queue, headers={"kind": "test"}, attributes={"n": 7}, correlation_id="c-1"
        )
        await until(lambda: seen)
        await eventually(lambda: _is_empty(aws, queue))
    assert sent.message_id
    body, headers, correlation_id = seen[0]
    assert body == {"n": 1}
    assert (headers["kind"], headers["n"], correlation_id) == ("test", 7, "c-1")


async def test_a_queue_is_reached_by_its_url_as_well(aws: Aws) -> None:
    queue = SQSQueue(url=await aws.url(await aws.queue()))
    broker = aws.broker()
    subscriber = broker.subscriber(queue, **FAST)
    async with broker:
        await broker.start()
        await broker.publish("hello", queue)
        message = await subscriber.get_one(timeout=2)
        assert message is not None
        assert await message.decode() == "hello"
        await message.ack()
    assert await aws.counts(queue.short_name) == (0, 0)


async def test_get_one_of_an_empty_queue_is_none(aws: Aws) -> None:
    broker = aws.broker()
    subscriber = broker.subscriber(await aws.queue(), **FAST)
    async with broker:
        await broker.start()
        assert await subscriber.get_one(timeout=0.05) is None


async def test_iterating_a_fifo_queue_keeps_the_order(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    subscriber = broker.subscriber(queue, **FAST)
    found: list[Any] = []
    async with broker:
        await broker.start()
        await broker.publish_batch("a", "b", "c", queue=queue, group_id="g")
        async for message in subscriber:
            found.append(await message.decode())
            await message.ack()
            if len(found) == 3:
                break
    assert found == ["a", "b", "c"]


async def test_the_trace_header_travels_to_a_queue_directly(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker()
    subscriber = broker.subscriber(queue, **FAST)
    async with broker:
        await broker.start()
        await broker.publish("x", queue, headers={"AWSTraceHeader": "Root=1-5-a"})
        message = await subscriber.get_one(timeout=2)
    assert message is not None
    assert message.headers["AWSTraceHeader"] == "Root=1-5-a"
    assert "AWSTraceHeader" not in message.raw_message.attributes


async def test_the_trace_header_travels_over_a_topic_as_an_attribute(aws: Aws) -> None:
    queue = await aws.queue()
    topic = await aws.topic(queue)
    broker = aws.broker(trace_attribute="trace")
    subscriber = broker.subscriber(queue, **FAST)
    async with broker:
        await broker.start()
        await broker.publish("x", topic=topic, headers={"AWSTraceHeader": "Root=1-5-a"})
        message = await subscriber.get_one(timeout=2)
    assert message is not None
    assert message.headers["AWSTraceHeader"] == "Root=1-5-a"
    assert set(message.raw_message.attributes) >= {"trace"}


async def test_an_envelope_of_sns_is_unwrapped(aws: Aws) -> None:
    queue = await aws.queue()
    topic = await aws.topic(queue, raw=False)
    broker = aws.broker()
    subscriber = broker.subscriber(queue, **FAST)
    async with broker:
        await broker.start()
        await broker.publish({"n": 1}, topic=topic, headers={"kind": "k"}, correlation_id="c")
        message = await subscriber.get_one(timeout=2)
    assert message is not None
    assert await message.decode() == {"n": 1}
    assert (message.headers["kind"], message.correlation_id) == ("k", "c")


async def test_raw_delivery_over_a_fifo_topic_keeps_group_order_and_headers(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    topic = await aws.topic(queue, fifo=True)
    broker = aws.broker()
    seen: dict[str | None, list[Any]] = defaultdict(list)
    kinds: set[str] = set()

    @broker.subscriber(queue, batch=True, **FAST)
    async def handle(bodies: list[int], message: SQSMessage) -> None:
        seen[message.group_id] += bodies
        kinds.update(one["kind"] for one in message.batch_headers)

    messages = [
        OutgoingMessage(n, group_id=group, deduplication_id=f"{group}-{n}", headers={"kind": "e"})
        for n in range(6)
        for group in ("a", "b")
    ]
    async with broker:
        await broker.start()
        result = await broker.publish_batch(*messages, topic=topic)
        await until(lambda: len(seen["a"]) + len(seen["b"]) == 12)
        await eventually(lambda: _is_empty(aws, queue))
    assert result.ok
    assert [entry.index for entry in result.succeeded] == list(range(12))
    assert seen == {"a": list(range(6)), "b": list(range(6))}
    assert kinds == {"e"}


async def test_a_deduplication_id_given_twice_is_delivered_once(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    seen: list[Any] = []

    @broker.subscriber(queue, **FAST)
    async def handle(body: str) -> None:
        seen.append(body)

    async with broker:
        await broker.start()
        for body in ("first", "again"):
            await broker.publish(body, queue, group_id="g", deduplication_id="same")
        await broker.publish("last", queue, group_id="g", deduplication_id="other")
        await until(lambda: "last" in seen)
    assert seen == ["first", "last"]


async def test_groups_run_side_by_side(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    running: set[Any] = set()
    both = asyncio.Event()

    @broker.subscriber(queue, **FAST)
    async def handle(body: str) -> None:
        running.add(body)
        if running >= {"a", "b"}:
            both.set()
        await both.wait()

    async with broker:
        await broker.start()
        for group in ("a", "b"):
            await broker.publish(group, queue, group_id=group)
        await asyncio.wait_for(both.wait(), 5)


async def test_order_of_a_group_is_kept_after_a_failure(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    seen: list[tuple[int, int]] = []

    @broker.subscriber(queue, **FAST)
    async def handle(body: int, message: SQSMessage) -> None:
        seen.append((body, message.receive_count))
        if body == 1 and message.receive_count == 1:
            raise ValueError(body)

    async with broker:
        await broker.start()
        await broker.publish_batch(0, 1, 2, 3, queue=queue, group_id="g")
        await until(lambda: len(seen) >= 5)
        await eventually(lambda: _is_empty(aws, queue))
    assert [body for body, _ in seen] == [0, 1, 1, 2, 3]


async def test_a_batch_that_fails_in_the_middle_goes_on_from_there(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    calls: list[list[int]] = []

    @broker.subscriber(queue, batch=True, **FAST)
    async def handle(bodies: list[int]) -> None:
        calls.append(bodies)
        if len(calls) == 1:
            raise PartialBatchFailure(2)

    await _publish_before_start(aws, queue, 0, 1, 2, 3)
    async with broker:
        await broker.start()
        await until(lambda: calls and calls[-1][-1:] == [3] and len(calls) > 1)
        await eventually(lambda: _is_empty(aws, queue))
    assert calls[0] == [0, 1, 2, 3]
    assert [body for call in calls[1:] for body in call] == [2, 3]


async def test_a_poison_message_goes_to_the_dead_letter_queue(aws: Aws) -> None:
    dead = await aws.queue(fifo=True)
    policy = (
        f'{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:{dead}","maxReceiveCount":2}}'
    )
    queue = await aws.queue(fifo=True, RedrivePolicy=policy)
    broker = aws.broker()
    attempts: list[str] = []

    @broker.subscriber(queue, **{**FAST, "retry_delay": Backoff(first=0.0)})
    async def handle(body: str) -> None:
        attempts.append(body)
        raise ValueError(body)

    async with broker:
        await broker.start()
        await broker.publish("poison", queue, group_id="g")
        await eventually(lambda: _has(aws, dead, 1))
    assert attempts == ["poison"] * 2


async def test_a_slow_handler_keeps_its_message_to_itself(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker()
    started: list[int] = []
    finish = asyncio.Event()

    @broker.subscriber(queue, **{**FAST, "visibility_timeout": 1})
    async def handle(message: SQSMessage) -> None:
        started.append(message.receive_count)
        await finish.wait()

    async with broker:
        await broker.start()
        await broker.publish("slow", queue)
        await until(lambda: started)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(finish.wait(), 1.8)  # nearly two visibility timeouts
        assert started == [1]
        finish.set()
        await eventually(lambda: _is_empty(aws, queue))


async def test_stopping_gives_back_what_was_not_started(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker()
    started: list[int] = []
    finish = asyncio.Event()

    @broker.subscriber(queue, max_concurrency=1, **FAST)
    async def handle(body: int) -> None:
        started.append(body)
        await finish.wait()

    await _publish_before_start(aws, queue, 1, 2, 3)
    async with broker:
        await broker.start()
        await until(lambda: started)
        await eventually(lambda: _counts_are(aws, queue, (0, 3)))
        stopping = asyncio.create_task(broker.stop())
        await eventually(lambda: _counts_are(aws, queue, (2, 1)))
        finish.set()
        await stopping
    assert await aws.counts(queue) == (2, 0)


async def test_a_handler_that_is_cancelled_gives_its_message_back(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker(graceful_timeout=0.05)
    started: list[str] = []

    @broker.subscriber(queue, **FAST)
    async def handle(body: str) -> None:
        started.append(body)
        await asyncio.Event().wait()

    async with broker:
        await broker.start()
        await broker.publish("x", queue)
        await until(lambda: started)
    assert await aws.counts(queue) == (1, 0)


async def test_a_missing_queue_is_waited_for(aws: Aws) -> None:
    broker = aws.broker()
    name = "q-later-" + (await aws.queue())
    seen: list[str] = []

    @broker.subscriber(name, poll_backoff=Backoff(first=0.05, maximum=0.1), **FAST)
    async def handle(body: str) -> None:
        seen.append(body)

    async with broker:
        await broker.start()
        await aws.sqs.create_queue(QueueName=name)
        await broker.publish("here", name)
        await until(lambda: seen)
    assert seen == ["here"]


async def test_a_handlers_answer_is_published_to_a_queue_and_a_topic(aws: Aws) -> None:
    source, copied, last = await aws.queue(), await aws.queue(fifo=True), await aws.queue()
    topic = await aws.topic(last)
    broker = aws.broker()
    end = broker.subscriber(last, **FAST)

    @broker.subscriber(source, **FAST)
    @broker.publisher(copied)
    async def first(body: str) -> SQSResponse:
        return SQSResponse(body + "!", group_id="g")

    @broker.subscriber(copied, **FAST)
    @broker.publisher(topic=topic)
    async def second(body: str) -> str:
        return body + "?"

    async with broker:
        await broker.start()
        await broker.publish("x", source)
        message = await end.get_one(timeout=5)
    assert message is not None
    assert await message.decode() == "x!?"


async def test_a_reply_goes_to_the_queue_that_was_asked_for(aws: Aws) -> None:
    queue, replies = await aws.queue(), await aws.queue()
    broker = aws.broker()
    inbox = broker.subscriber(replies, **FAST)

    @broker.subscriber(queue, **FAST)
    async def handle(body: int) -> int:
        return body + 1

    async with broker:
        await broker.start()
        await broker.publish(1, queue, reply_to=replies, correlation_id="c-9")
        answer = await inbox.get_one(timeout=5)
    assert answer is not None
    assert (await answer.decode(), answer.correlation_id) == (2, "c-9")


async def test_an_application_runs_the_broker(aws: Aws) -> None:
    queue = await aws.queue()
    broker = aws.broker()
    app = FastStream(broker)

    @broker.subscriber(queue, ack_policy=AckPolicy.ACK, **FAST)
    async def handle(body: str) -> None:
        app.exit()
        raise ValueError(body)

    async def publish() -> None:
        async with aws.broker() as other:
            await other.publish("x", queue)

    await asyncio.gather(app.run(), publish())
    assert await aws.counts(queue) == (0, 0)


async def test_binary_text_and_nothing_arrive_as_they_were_sent(aws: Aws) -> None:
    queue = await aws.queue(fifo=True)
    broker = aws.broker()
    subscriber = broker.subscriber(queue, **FAST)
    bodies = [b"\xff\x00", "text \u20ac", None, {"a": [1, 2]}]
    async with broker:
        await broker.start()
        await broker.publish_batch(*bodies, queue=queue, group_id="g")
        found = []
        for _ in bodies:
            message = await subscriber.get_one(timeout=2)
            assert message is not None
            found.append(await message.decode())
            await message.ack()
    assert found == bodies


async def _publish_before_start(aws: Aws, queue: str, *bodies: int) -> None:
    group = "g" if queue.endswith(".fifo") else None
    async with aws.broker() as other:
        (await other.publish_batch(*bodies, queue=queue, group_id=group)).raise_for_failures()


async def _is_empty(aws: Aws, queue: str) -> bool:
    return await aws.counts(queue) == (0, 0)


async def _has(aws: Aws, queue: str, count: int) -> bool:
    return (await aws.counts(queue))[0] == count


async def _counts_are(aws: Aws, queue: str, counts: tuple[int, int]) -> bool:
    return await aws.counts(queue) == counts
