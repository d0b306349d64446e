"""Deletes in tens, visibility heartbeat, hand-back: what the queue is told, and when."""

import asyncio
import re
import time
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from adapters.faststream_aws import Backoff, ConsumerSettings, Heartbeat, SQSQueue
from adapters.faststream_aws.channel import QueueChannel
from adapters.faststream_aws.connection import AwsConnection
from tests.unit.faststream_aws.fakes import FakeSqs, message, service_error
from tests.unit.faststream_aws.waiting import until

QUICK = Backoff(first=0.001, maximum=0.002)


class Notes(list[str]):
    def __call__(self, level: int, text: str) -> None:
        self.append(text)


def channel_on(sqs: FakeSqs, notes: Notes | None = None, **settings: Any) -> QueueChannel:
    return QueueChannel(
        AwsConnection(sqs.factory),
        SQSQueue("q"),
        ConsumerSettings(**{"call_backoff": QUICK, **settings}),
        notes if notes is not None else Notes(),
    )


async def test_deletes_are_sent_in_tens() -> None:
    sqs = FakeSqs([[message(f"m{n}") for n in range(23)]])
    channel = channel_on(sqs, delete_linger=0.01)
    messages = await channel.receive(10, 0)
    for one in messages:
        channel.delete([one])
    await asyncio.sleep(0)
    await until(lambda: len(sqs.deleted) == 23)
    assert [len(call) for call in sqs.deletes] == [10, 10, 3]
    await channel.close()


async def test_entry_ids_are_valid_whatever_the_receipt_handle() -> None:
    sqs = FakeSqs([[message(f"handle/+={n}" * 20) for n in range(3)]])
    channel = channel_on(sqs)
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert len(sqs.delete_ids) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) for name in sqs.delete_ids)


async def test_few_deletes_wait_for_company_no_longer_than_the_linger() -> None:
    sqs = FakeSqs([[message("a"), message("b")]])
    channel = channel_on(sqs, delete_linger=0.05)
    begun = time.monotonic()
    channel.delete(await channel.receive(10, 0))
    await until(lambda: sqs.deletes)
    assert 0.04 < time.monotonic() - begun < 1
    assert sqs.deletes == [["a", "b"]]
    await channel.close()


async def test_only_entries_that_failed_are_deleted_again() -> None:
    def fault(name: str, attempt: int) -> dict[str, Any] | None:
        return (
            {"Code": "InternalError", "SenderFault": False} if name == "b" and attempt < 3 else None
        )

    sqs = FakeSqs([[message("a"), message("b"), message("c")]], fail_delete=fault)
    channel = channel_on(sqs)
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert sqs.deletes == [["a", "b", "c"], ["b"], ["b"]]


async def test_an_entry_at_fault_itself_is_not_deleted_again() -> None:
    sqs = FakeSqs(
        [[message("a"), message("b")]],
        fail_delete=lambda name, _: (
            {"Code": "ReceiptHandleIsInvalid", "SenderFault": True} if name == "a" else None
        ),
    )
    notes = Notes()
    channel = channel_on(sqs, notes)
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert sqs.deletes == [["a", "b"]]
    assert "ReceiptHandleIsInvalid" in notes[0]


async def test_a_delete_call_that_fails_as_a_whole_is_repeated() -> None:
    sqs = FakeSqs(
        [[message("a")]],
        delete_errors=[
            service_error("ServiceUnavailable"),
            EndpointConnectionError(endpoint_url=""),
        ],
    )
    channel = channel_on(sqs)
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert sqs.deletes == [["a"]] * 3


async def test_deletes_are_given_up_after_so_many_attempts() -> None:
    sqs = FakeSqs([[message("a")]], delete_errors=[OSError()] * 9)
    notes = Notes()
    channel = channel_on(sqs, notes, call_attempts=3)
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert len(sqs.deletes) == 3
    assert notes == ["1 handled messages not deleted: OSError"]


async def test_the_first_extension_comes_only_near_expiry() -> None:
    sqs = FakeSqs([[message("a"), message("b")]])
    channel = channel_on(sqs, visibility_timeout=1, heartbeat=Heartbeat(remaining=0.8))
    channel.open()
    begun = time.monotonic()
    messages = await channel.receive(10, 0)
    await until(lambda: sqs.visibility)
    assert 0.15 < time.monotonic() - begun < 1
    assert (sqs.visibility, sqs.visibility_calls) == ([("a", 1), ("b", 1)], 1)
    await until(lambda: sqs.visibility_calls == 2)
    channel.delete(messages)
    await channel.close()


async def test_messages_are_extended_while_they_wait_and_no_more_once_deleted() -> None:
    sqs = FakeSqs([[message("a"), message("b")]])
    channel = channel_on(sqs, visibility_timeout=1, heartbeat=Heartbeat(remaining=0.98))
    channel.open()
    first, _waiting = await channel.receive(10, 0)
    channel.delete([first])
    channel.flush_deletes()
    await until(lambda: sqs.deleted)
    extended = len(sqs.visibility_of("a"))
    await until(lambda: len(sqs.visibility_of("b")) >= 3)
    assert len(sqs.visibility_of("a")) == extended
    await channel.close()


async def test_a_short_handler_costs_no_extension() -> None:
    sqs = FakeSqs([[message("a")]])
    channel = channel_on(sqs)
    channel.open()
    channel.delete(await channel.receive(10, 0))
    await channel.close()
    assert sqs.visibility_calls == 0


async def test_an_extension_on_its_way_never_lands_after_the_delay() -> None:
    sqs = FakeSqs([[message("a")]], visibility_gate=asyncio.Event())
    channel = channel_on(sqs, visibility_timeout=1, heartbeat=Heartbeat(remaining=0.99))
    channel.open()
    messages = await channel.receive(10, 0)
    await until(lambda: sqs.visibility_calls == 1)  # the extension hangs
    delaying = asyncio.create_task(channel.delay(messages, 60))
    await asyncio.sleep(0.02)
    assert sqs.visibility_calls == 1  # the delay waits for it
    assert sqs.visibility_gate is not None
    sqs.visibility_gate.set()
    await delaying
    assert sqs.visibility == [("a", 1), ("a", 60)]
    await channel.close()


async def test_a_message_held_too_long_is_let_go() -> None:
    sqs = FakeSqs([[message("a")]])
    notes = Notes()
    heartbeat = Heartbeat(remaining=0.99, max_age=1.0)
    channel = channel_on(sqs, notes, visibility_timeout=1, heartbeat=heartbeat)
    channel.open()
    await channel.receive(10, 0)
    await until(lambda: notes)
    assert notes == ["1 messages held too long are let go"]
    await channel.close()


async def test_no_heartbeat_when_it_is_switched_off() -> None:
    sqs = FakeSqs([[message("a")]])
    heartbeat = Heartbeat(enabled=False, remaining=0.99)
    channel = channel_on(sqs, visibility_timeout=1, heartbeat=heartbeat)
    channel.open()
    await channel.receive(10, 0)
    await asyncio.sleep(0.05)
    assert sqs.visibility_calls == 0
    await channel.close()


async def test_visibility_changes_are_sent_in_tens() -> None:
    sqs = FakeSqs([[message(f"m{n}") for n in range(12)]])
    channel = channel_on(sqs)
    await channel.hand_back(await channel.receive(10, 0))
    assert sqs.visibility_calls == 2
    assert {seconds for _, seconds in sqs.visibility} == {0}
    await channel.close()


async def test_a_message_is_settled_once_whoever_comes_first() -> None:
    sqs = FakeSqs([[message("a")]])
    channel = channel_on(sqs)
    messages = await channel.receive(10, 0)
    await channel.delay(messages, 5)
    channel.delete(messages)
    await channel.hand_back(messages)
    await channel.close()
    assert (sqs.visibility, sqs.deletes) == ([("a", 5)], [])


@pytest.mark.parametrize(("seconds", "sent"), [(0, 0), (0.2, 1), (3.0, 3), (99_999, 43_199)])
async def test_a_delay_is_sent_in_whole_seconds(seconds: float, sent: int) -> None:
    sqs = FakeSqs([[message("a")]])
    channel = channel_on(sqs)
    await channel.delay(await channel.receive(10, 0), seconds)
    assert sqs.visibility == [("a", sent)]
    await channel.close()
