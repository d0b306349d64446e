"""Receiving, concurrency and order, against an SQS whose answers the test decides."""

import asyncio
import logging
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from faststream import AckPolicy
from faststream.exceptions import (
    AckMessage,
    IncorrectState,
    NackMessage,
    RejectMessage,
    SkipMessage,
    StopConsume,
)

from adapters.faststream_aws import (
    Backoff,
    PartialBatchFailure,
    SQSBatchMessage,
    SQSBroker,
    SQSMessage,
)
from adapters.faststream_aws.message import SQSMessage as MessageClass
from tests.unit.faststream_aws.fakes import FakeSqs, broker_on, message, service_error
from tests.unit.faststream_aws.waiting import until

SHORT: dict[str, Any] = {"wait_time_seconds": 0, "poll_interval": 0.001}


class Recorder:
    """A handler's memory, with gates to hold calls."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.done: list[Any] = []
        self.gate = asyncio.Event()

    async def hold(self, body: Any) -> None:
        self.started.append(body)
        await self.gate.wait()
        self.done.append(body)


async def started(broker: SQSBroker) -> SQSBroker:
    await broker.start()
    return broker


async def test_a_handled_message_is_deleted() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs)
    seen = []

    @broker.subscriber("q", **SHORT)
    async def handle(body: str) -> None:
        seen.append(body)

    async with await started(broker):
        await until(lambda: sqs.deleted)
    assert (seen, sqs.deleted, sqs.closed) == (["a"], ["a"], True)


async def test_the_url_is_looked_up_once_and_not_at_all_when_given() -> None:
    named, given = FakeSqs(), FakeSqs()
    by_name, by_url = broker_on(named), broker_on(given)
    by_name.subscriber("q", **SHORT)(AsyncMock(__name__="handle"))
    by_url.subscriber("https://queues/q", **SHORT)(AsyncMock(__name__="handle"))
    async with await started(by_name), await started(by_url):
        await until(lambda: len(named.receives) > 3 and len(given.receives) > 3)
    assert (named.url_lookups, given.url_lookups) == (1, 0)
    assert {call["QueueUrl"] for call in named.receives + given.receives} == {"https://queues/q"}


@pytest.mark.parametrize(
    ("policy", "error", "deleted", "delayed"),
    [
        (AckPolicy.NACK_ON_ERROR, None, True, False),
        (AckPolicy.NACK_ON_ERROR, ValueError(), False, True),
        (AckPolicy.REJECT_ON_ERROR, ValueError(), True, False),
        (AckPolicy.ACK, ValueError(), True, False),
        (AckPolicy.ACK_FIRST, ValueError(), True, False),
        (AckPolicy.MANUAL, None, False, False),
        (AckPolicy.NACK_ON_ERROR, AckMessage(), True, False),
        (AckPolicy.ACK, NackMessage(delay=7), False, True),
        (AckPolicy.ACK, RejectMessage(), True, False),
        (AckPolicy.ACK, SkipMessage(), False, False),
    ],
)
async def test_the_ack_policy_decides_how_a_message_is_settled(
    policy: AckPolicy, error: Exception | None, deleted: bool, delayed: bool
) -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs)
    calls: list[str] = []

    @broker.subscriber("q", ack_policy=policy, **SHORT)
    async def handle(body: str) -> None:
        calls.append(body)
        if error:
            raise error

    async with await started(broker):
        await until(lambda: calls)
    assert (sqs.deleted == ["a"]) is deleted
    assert bool(sqs.visibility) is delayed
    if isinstance(error, NackMessage):
        assert sqs.visibility == [("a", 7)]


async def test_the_policy_of_the_broker_holds_for_subscribers_without_one() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs, ack_policy=AckPolicy.REJECT_ON_ERROR)

    @broker.subscriber("q", **SHORT)
    async def handle(body: str) -> None:
        raise ValueError

    async with await started(broker):
        await until(lambda: sqs.deleted)
    assert not sqs.visibility


async def test_a_failed_message_waits_longer_after_each_receive() -> None:
    sqs = FakeSqs([[message(f"m{count}", receive_count=count) for count in (1, 2, 3, 9)]])
    broker = broker_on(sqs)
    delay = Backoff(first=2, factor=3, maximum=40, jitter=0)

    @broker.subscriber("q", retry_delay=delay, **SHORT)
    async def handle(body: str) -> None:
        raise ValueError

    async with await started(broker):
        await until(lambda: len(sqs.visibility) == 4)
    assert dict(sqs.visibility) == {"m1": 2, "m2": 6, "m3": 18, "m9": 40}


async def test_a_message_settled_by_hand_is_settled_once() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs)

    @broker.subscriber("q", ack_policy=AckPolicy.MANUAL, **SHORT)
    async def handle(msg: SQSMessage) -> None:
        await msg.nack(delay=3)
        await msg.ack()
        await msg.reject()

    async with await started(broker):
        await until(lambda: sqs.visibility)
    assert (sqs.visibility, sqs.deleted) == ([("a", 3)], [])


async def test_cancelling_a_handler_calls_none_of_ack_nack_and_reject() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs, graceful_timeout=0.01)
    recorder = Recorder()
    broker.subscriber("q", **SHORT)(recorder.hold)
    with (
        patch.object(MessageClass, "ack", AsyncMock()) as ack,
        patch.object(MessageClass, "nack", AsyncMock()) as nack,
        patch.object(MessageClass, "reject", AsyncMock()) as reject,
    ):
        async with await started(broker):
            await until(lambda: recorder.started)
    assert [call.called for call in (ack, nack, reject)] == [False] * 3
    assert sqs.visibility == [("a", 0)]


async def test_a_cancellation_inside_a_handler_delays_its_message_and_nothing_else() -> None:
    sqs = FakeSqs([[message("a"), message("b")]])
    broker = broker_on(sqs)

    @broker.subscriber("q", retry_delay=Backoff(first=5, jitter=0), **SHORT)
    async def handle(body: str) -> None:
        if body == "a":
            raise asyncio.CancelledError

    async with await started(broker):
        await until(lambda: sqs.deleted and sqs.visibility)
    assert (sqs.deleted, sqs.visibility) == (["b"], [("a", 5)])


async def test_stop_consume_stops_the_subscriber_from_inside() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs)

    @broker.subscriber("q", **SHORT)
    async def handle(body: str) -> None:
        raise StopConsume

    async with await started(broker):
        await until(lambda: sqs.visibility)
        await until(lambda: sqs.polls_under_way == 0)
        receives = len(sqs.receives)
        await asyncio.sleep(0)
        assert len(sqs.receives) == receives


async def test_handlers_that_stop_the_subscriber_at_once_do_not_wait_for_each_other() -> None:
    sqs = FakeSqs([[message("a"), message("b"), message("c")]])
    broker = broker_on(sqs, graceful_timeout=30)
    ready = asyncio.Barrier(3)

    @broker.subscriber("q", **SHORT)
    async def handle(body: str) -> None:
        await ready.wait()
        if body != "c":
            raise StopConsume

    async with await started(broker):
        await until(lambda: len(sqs.visibility) == 2)
        await asyncio.wait_for(broker.stop(), 5)
    assert sqs.deleted == ["c"]


async def test_get_one_needs_a_started_subscriber() -> None:
    with pytest.raises(IncorrectState):
        await broker_on(FakeSqs()).subscriber("q").get_one()


async def test_no_more_is_received_than_can_be_held() -> None:
    sqs = FakeSqs([[message(f"m{n}") for n in range(2)], [message("m2")]])
    broker = broker_on(sqs)
    recorder = Recorder()
    broker.subscriber("q", max_concurrency=2, prefetch=1, **SHORT)(recorder.hold)
    async with await started(broker):
        await until(lambda: len(recorder.started) == 2 and not sqs.polls_under_way)
        asked = [call["MaxNumberOfMessages"] for call in sqs.receives]
        sqs.give(message("m3"))
        recorder.gate.set()
        await until(lambda: len(recorder.done) == 4)
    assert asked == [3, 1]


async def test_at_most_max_concurrency_handlers_run() -> None:
    sqs = FakeSqs([[message(f"m{n}") for n in range(10)]])
    broker = broker_on(sqs)
    running = most = 0
    done: list[str] = []

    @broker.subscriber("q", max_concurrency=3, **SHORT)
    async def handle(body: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(body)

    async with await started(broker):
        await until(lambda: len(done) == 10)
    assert most == 3


async def test_groups_run_side_by_side_and_each_in_order() -> None:
    batch = [message(f"{group}{n}", group=group) for n in range(3) for group in "ab"]
    sqs = FakeSqs([batch])
    broker = broker_on(sqs)
    recorder = Recorder()
    broker.subscriber("q.fifo", **SHORT)(recorder.hold)
    async with await started(broker):
        await until(lambda: len(recorder.started) == 2)
        assert recorder.started == ["a0", "b0"]
        recorder.gate.set()
        await until(lambda: len(recorder.done) == 6)
    assert [body for body in recorder.done if body[0] == "a"] == ["a0", "a1", "a2"]
    assert [body for body in recorder.done if body[0] == "b"] == ["b0", "b1", "b2"]


async def test_after_a_failure_the_rest_of_the_group_is_given_back_after_it() -> None:
    sqs = FakeSqs([[message(name, group=name[0]) for name in ("a0", "a1", "b0", "a2", "b1")]])
    broker = broker_on(sqs)
    seen: list[str] = []

    @broker.subscriber("q.fifo", retry_delay=Backoff(first=4, jitter=0), **SHORT)
    async def handle(body: str) -> None:
        seen.append(body)
        if body == "a0":
            raise ValueError

    async with await started(broker):
        await until(lambda: len(sqs.deleted) == 2 and len(sqs.visibility) == 3)
    assert sqs.visibility == [("a0", 4), ("a1", 0), ("a2", 0)]
    assert sorted(seen) == ["a0", "b0", "b1"]


async def test_a_rejected_message_does_not_stop_its_group() -> None:
    sqs = FakeSqs([[message("a0", group="a"), message("a1", group="a")]])
    broker = broker_on(sqs)

    @broker.subscriber("q.fifo", ack_policy=AckPolicy.REJECT_ON_ERROR, **SHORT)
    async def handle(body: str) -> None:
        if body == "a0":
            raise ValueError

    async with await started(broker):
        await until(lambda: len(sqs.deleted) == 2)
    assert not sqs.visibility


async def test_a_batch_of_a_fifo_queue_is_one_group_in_order() -> None:
    sqs = FakeSqs([[message(name, group=name[0]) for name in ("a0", "b0", "a1", "a2")]])
    broker = broker_on(sqs)
    calls: list[tuple[str | None, list[str], list[str]]] = []

    @broker.subscriber("q.fifo", batch=True, **SHORT)
    async def handle(bodies: list[str], msg: SQSBatchMessage) -> None:
        calls.append((msg.group_id, bodies, [one.message_id for one in msg.messages]))

    async with await started(broker):
        await until(lambda: len(sqs.deleted) == 4)
    assert calls == [
        ("a", ["a0", "a1", "a2"], ["id-a0", "id-a1", "id-a2"]),
        ("b", ["b0"], ["id-b0"]),
    ]


async def test_batches_of_different_groups_run_at_the_same_time() -> None:
    sqs = FakeSqs([[message(name, group=name[0]) for name in ("a0", "b0", "a1")]])
    broker = broker_on(sqs)
    recorder = Recorder()

    @broker.subscriber("q.fifo", batch=True, **SHORT)
    async def handle(bodies: list[str]) -> None:
        await recorder.hold(bodies)

    async with await started(broker):
        await until(lambda: len(recorder.started) == 2)
        recorder.gate.set()
    assert recorder.started == [["a0", "a1"], ["b0"]]


async def test_a_batch_of_a_standard_queue_is_what_one_receive_returned() -> None:
    sqs = FakeSqs([[message("m0"), message("m1")], [message("m2")]])
    broker = broker_on(sqs)
    calls: list[list[str]] = []

    @broker.subscriber("q", batch=True, **SHORT)
    async def handle(bodies: list[str]) -> None:
        calls.append(bodies)

    async with await started(broker):
        await until(lambda: len(sqs.deleted) == 3)
    assert calls == [["m0", "m1"], ["m2"]]


@pytest.mark.parametrize(
    ("queue", "error", "deleted", "visibility"),
    [
        ("q.fifo", PartialBatchFailure(2), ["a0", "a1"], [("a2", 4), ("a3", 0)]),
        ("q.fifo", PartialBatchFailure(1, delay=9), ["a0"], [("a1", 9), ("a2", 0), ("a3", 0)]),
        ("q.fifo", PartialBatchFailure(4), [], [("a0", 4), ("a1", 0), ("a2", 0), ("a3", 0)]),
        ("q.fifo", ValueError(), [], [("a0", 4), ("a1", 0), ("a2", 0), ("a3", 0)]),
        ("q", PartialBatchFailure(2), ["a0", "a1"], [("a2", 4), ("a3", 0)]),
        ("q", ValueError(), [], [("a0", 4), ("a1", 4), ("a2", 4), ("a3", 4)]),
    ],
)
async def test_a_failing_batch_is_settled_up_to_the_first_failure(
    queue: str, error: Exception, deleted: list[str], visibility: list[tuple[str, int]]
) -> None:
    sqs = FakeSqs([[message(f"a{n}", group="a") for n in range(4)]])
    broker = broker_on(sqs)

    @broker.subscriber(queue, batch=True, retry_delay=Backoff(first=4, jitter=0), **SHORT)
    async def handle(bodies: list[str]) -> None:
        raise error

    async with await started(broker):
        await until(lambda: len(sqs.visibility) == len(visibility))
    assert (sqs.deleted, sqs.visibility) == (deleted, visibility)


async def test_the_cause_of_a_partial_failure_is_named() -> None:
    error = PartialBatchFailure(3)
    error.__cause__ = KeyError("x")
    assert str(error) == "batch failed from message 3: KeyError('x')"


async def test_an_undecodable_message_fails_alone() -> None:
    sqs = FakeSqs([[message("a", body="no number"), message("b", body="3")]])
    broker = broker_on(sqs)
    seen: list[int] = []

    @broker.subscriber("q", **SHORT)
    async def handle(body: int) -> None:
        seen.append(body)

    async with await started(broker):
        await until(lambda: sqs.deleted and sqs.visibility)
    assert (seen, sqs.deleted) == ([3], ["b"])


async def test_stopping_lets_the_poll_under_way_finish_and_gives_its_messages_back() -> None:
    sqs = FakeSqs([[message("late")]], poll_gate=asyncio.Event())
    broker = broker_on(sqs)
    handler = Recorder()
    broker.subscriber("q", **SHORT)(handler.hold)
    await broker.start()
    await until(lambda: sqs.polls_under_way)
    stopping = asyncio.create_task(broker.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    assert sqs.poll_gate is not None
    sqs.poll_gate.set()
    await asyncio.wait_for(stopping, 2)
    assert (handler.started, sqs.visibility, len(sqs.receives)) == ([], [("late", 0)], 1)


async def test_a_poll_that_takes_too_long_is_cancelled_at_stop() -> None:
    sqs = FakeSqs(poll_gate=asyncio.Event())
    broker = broker_on(sqs)
    broker.subscriber("q", poll_drain_timeout=0.01)(Recorder().hold)
    await broker.start()
    await until(lambda: sqs.polls_under_way)
    await asyncio.wait_for(broker.stop(), 2)
    assert sqs.polls_under_way == 0


async def test_stopping_waits_for_handlers_and_gives_back_what_was_not_started() -> None:
    sqs = FakeSqs([[message(f"m{n}") for n in range(3)]])
    broker = broker_on(sqs)
    recorder = Recorder()
    broker.subscriber("q", max_concurrency=1, **SHORT)(recorder.hold)
    await broker.start()
    await until(lambda: recorder.started)
    stopping = asyncio.create_task(broker.stop())
    await until(lambda: len(sqs.visibility) == 2)
    assert not stopping.done()
    recorder.gate.set()
    await asyncio.wait_for(stopping, 2)
    assert recorder.done == ["m0"]
    assert (sqs.visibility, sqs.deleted) == ([("m1", 0), ("m2", 0)], ["m0"])


async def test_a_subscriber_may_be_started_again() -> None:
    sqs = FakeSqs([[message("a")]])
    broker = broker_on(sqs)
    broker.subscriber("q", **SHORT)(AsyncMock(__name__="handle"))
    async with await started(broker):
        await until(lambda: sqs.deleted == ["a"])
    sqs.give(message("b"))
    async with await started(broker):
        await until(lambda: sqs.deleted == ["a", "b"])


async def test_a_failing_poll_is_logged_once_and_tried_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[Any] = [service_error("AWS.SimpleQueueService.NonExistentQueue")] * 4
    sqs = FakeSqs([*faults, OSError("reset"), [message("a")]])
    logger = logging.getLogger("test.sqs")
    broker = broker_on(sqs, logger=logger)
    backoff = Backoff(first=0.001, maximum=0.01, jitter=0)
    broker.subscriber("q", poll_backoff=backoff, **SHORT)(AsyncMock(__name__="handle"))
    with (
        caplog.at_level(logging.INFO, logger.name),
        patch.object(
            Backoff, "delay", autospec=True, side_effect=lambda _self, attempt: attempt / 1000
        ) as delay,
    ):
        async with await started(broker):
            await until(lambda: sqs.deleted)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert ["NonExistentQueue" in errors[0], "reset" in errors[1], len(errors)] == [True, True, 2]
    assert sum("Receiving again" in record.message for record in caplog.records) == 1
    assert [call.args[1] for call in delay.call_args_list] == [1, 2, 3, 4, 5]
    assert sqs.url_lookups == 5  # anew after each refusal of the service


async def test_fifo_receives_can_be_repeated_by_the_driver() -> None:
    sqs = FakeSqs()
    broker = broker_on(sqs)
    broker.subscriber("q.fifo", **SHORT)(AsyncMock(__name__="handle"))
    async with await started(broker):
        await until(lambda: len(sqs.receives) > 2)
    ids = [call["ReceiveRequestAttemptId"] for call in sqs.receives]
    assert len(set(ids)) == len(ids)
