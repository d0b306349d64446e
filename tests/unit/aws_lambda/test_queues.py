"""Partial batch responses of FIFO queues: what comes back, and what does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.inbound.aws_lambda.queues import MARGIN, Queues, deliver
from tests.unit.aws_lambda.payloads import sqs_event

QUEUE = "homecast-dev-inbox.fifo"


class Inbox:
    """Takes all but what says ``poison``; ``slow`` groups never end."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.batches: list[list[Any]] = []

    async def receive(self, bodies: Sequence[Any]) -> None:
        self.batches.append(list(bodies))
        names = [one["name"] if isinstance(one, dict) else one for one in bodies]
        if any("slow" in name for name in names):
            await asyncio.Event().wait()
        if any("poison" in name for name in names):
            raise RuntimeError("cannot be applied")
        self.taken += names


class Hidden:
    """Who was told to stay away, and for how long."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str], int]] = []

    async def hide(self, queue: str, receipts: Sequence[str], seconds: int) -> None:
        self.told.append((queue, list(receipts), seconds))


def named(group: str, name: str) -> tuple[str, str]:
    return group, json.dumps({"name": name})


async def failures(inbox: Inbox, *messages: tuple[str, str], seconds: float = 20.0) -> list[str]:
    event = sqs_event(*messages, queue=QUEUE)
    queues = Queues({QUEUE: inbox}, Hidden())
    response = await deliver(queues, event["Records"], seconds=seconds)
    return [one["itemIdentifier"] for one in response["batchItemFailures"]]


async def test_a_groups_messages_arrive_as_one_batch_in_their_order() -> None:
    inbox = Inbox()
    assert await failures(inbox, named("a", "a1"), named("b", "b1"), named("a", "a2")) == []
    assert sorted(inbox.batches, key=str) == [[{"name": "a1"}, {"name": "a2"}], [{"name": "b1"}]]


async def test_after_a_failure_the_rest_of_its_group_comes_back_and_other_groups_are_done() -> None:
    inbox = Inbox()
    failed = await failures(
        inbox,
        named("a", "a1"),
        named("a", "poison"),
        named("b", "b1"),
        named("a", "a3"),
        named("b", "b2"),
    )
    assert failed == ["m2", "m4"]
    assert sorted(inbox.taken) == ["a1", "b1", "b2"]


async def test_a_group_that_takes_too_long_comes_back_before_the_function_ends() -> None:
    inbox = Inbox()
    async with asyncio.timeout(5):
        failed = await failures(
            inbox, named("a", "slow"), named("a", "a2"), named("b", "b1"), seconds=MARGIN + 0.1
        )
    assert failed == ["m1", "m2"]
    assert inbox.taken == ["b1"]


async def test_with_no_time_left_all_of_it_comes_back() -> None:
    inbox = Inbox()
    assert await failures(inbox, named("a", "a1"), named("b", "b1"), seconds=0) == ["m1", "m2"]


async def test_what_is_no_json_reaches_the_inbox_as_text() -> None:
    inbox = Inbox()
    assert await failures(inbox, ("a", "{broken")) == []
    assert inbox.batches == [["{broken"]]


async def test_a_queue_that_nobody_reads_here_fails_as_a_whole() -> None:
    event = sqs_event(named("a", "a1"), queue="unknown.fifo")
    with pytest.raises(LookupError):
        await deliver(Queues({QUEUE: Inbox()}, Hidden()), event["Records"], seconds=20)


@pytest.mark.parametrize(
    ("received", "least", "most"), [("1", 27, 30), ("2", 54, 60), ("6", 810, 900), ("9", 810, 900)]
)
async def test_what_comes_back_stays_away_for_longer_each_time(
    received: str, least: int, most: int
) -> None:
    event = sqs_event(named("a", "a1"), named("a", "poison"), named("a", "a3"), queue=QUEUE)
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = received
        record["receiptHandle"] = f"handle of {record['messageId']}"
    hidden = Hidden()
    await deliver(Queues({QUEUE: Inbox()}, hidden), event["Records"], seconds=20)
    ((queue, receipts, seconds),) = hidden.told
    assert (queue, receipts) == (QUEUE, ["handle of m2", "handle of m3"])
    assert least <= seconds <= most


async def test_what_is_done_is_not_postponed() -> None:
    event, hidden = sqs_event(named("a", "a1"), queue=QUEUE), Hidden()
    await deliver(Queues({QUEUE: Inbox()}, hidden), event["Records"], seconds=20)
    assert hidden.told == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=10))
async def test_nothing_overtakes_a_failed_message_of_its_group(
    sent: list[tuple[str, bool]],
) -> None:
    messages = [
        (group, f"{'poison' if bad else 'good'} {number}")
        for number, (group, bad) in enumerate(sent, start=1)
    ]
    inbox = Inbox()
    with capture_logs():  # tracebacks take longer than all the rest
        failed = await failures(inbox, *(named(*one) for one in messages))
    expected_failed, expected_taken, stopped = [], [], set()
    for number, (group, name) in enumerate(messages, start=1):
        if "poison" in name:
            stopped.add(group)
        if group in stopped:
            expected_failed.append(f"m{number}")
        else:
            expected_taken.append(name)
    assert sorted(failed) == sorted(expected_failed)
    assert sorted(inbox.taken) == sorted(expected_taken)
