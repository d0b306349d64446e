"""Dead letters on the engine: counted, looked at, sent back, dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from adapters.bootstrap import http
from adapters.bootstrap.operations import queues_with_dead_letters
from adapters.bootstrap.process import make_broker
from adapters.faststream_aws import SQSQueue
from adapters.inbound.operations.ports import DeadLettersNotFound, Letter
from adapters.outbound.messaging import dead_letters
from adapters.outbound.messaging.dead_letters import Pair, SqsDeadLetters
from adapters.settings import Settings
from tests.integration.test_pipeline import claim, has_device, projector
from tests.support.platform import Engines, settings_from
from tests.support.waiting import eventually

WHO = "cli:anna"
NAME = "devices"


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@pytest.fixture
async def sqs(shared_engines: Engines) -> AsyncIterator[Any]:
    async with shared_engines.engines.place.client("sqs") as client:
        yield client


@pytest.fixture
def letters(sqs: Any, settings: Settings) -> SqsDeadLetters:
    return SqsDeadLetters(lambda: nullcontext(sqs), queues_with_dead_letters(settings))


async def put(sqs: Any, url: str, *bodies: str, group: str = "device-1") -> None:
    for body in bodies:
        await sqs.send_message(
            QueueUrl=url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=f"{group}-{body}",
            MessageAttributes={
                "error": {"DataType": "String", "StringValue": "unknown event type"},
                "category": {"DataType": "String", "StringValue": "device"},
            },
        )


async def taken(sqs: Any, url: str) -> list[dict[str, Any]]:
    """All that is in a queue."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        if "Messages" not in answer or not answer["Messages"]:
            return found
        found += answer["Messages"]
        for one in answer["Messages"]:
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])


def test_every_queue_with_dead_letters_is_named(settings: Settings) -> None:
    pairs = queues_with_dead_letters(settings)
    assert pairs[NAME] == Pair(settings.devices_queue, settings.devices_dead_letters)
    assert {"remote_commands", "devices_green", "alarms", "outbox"} <= pairs.keys()
    assert not pairs["outbox"].fifo


async def test_letters_are_counted_and_shown_and_stay(
    sqs: Any, settings: Settings, letters: SqsDeadLetters
) -> None:
    await put(sqs, settings.devices_dead_letters, "one", "two")
    await put(sqs, settings.devices_dead_letters, "three", group="device-2")
    for _ in range(2):
        seen = await letters.peek(NAME, limit=10)
        assert sorted(one.body for one in seen) == ["one", "three", "two"]
    assert {one.error for one in seen} == {"unknown event type"}
    assert {one.received for one in seen} == {2}
    assert {one.group for one in seen} == {"device-1", "device-2"}
    assert len(await letters.peek(NAME, limit=1)) == 1
    [counted] = [one for one in await letters.waiting() if one.queue == NAME]
    assert (counted.waiting, counted.in_flight) == (3, 0)


async def test_letters_go_back_in_order_with_their_group_and_without_the_error(
    sqs: Any, settings: Settings, letters: SqsDeadLetters
) -> None:
    await put(sqs, settings.devices_dead_letters, "one", "two", "three")
    with capture_logs() as lines:
        redriven = await letters.redrive(NAME, who=WHO, limit=None, per_second=500)
    assert (redriven.moved, redriven.task) == (3, None)
    back = await taken(sqs, settings.devices_queue)
    assert [one["Body"] for one in back] == ["one", "two", "three"]
    assert {one["Attributes"]["MessageGroupId"] for one in back} == {"device-1"}
    assert {tuple(one["MessageAttributes"]) for one in back} == {("category",)}
    assert not await taken(sqs, settings.devices_dead_letters)
    assert [(one["event"], one["who"]) for one in lines] == [
        ("redrive_begun", WHO),
        ("redriven", WHO),
    ]


async def test_a_redrive_is_bounded(sqs: Any, settings: Settings, letters: SqsDeadLetters) -> None:
    await put(sqs, settings.devices_dead_letters, *"abcde")
    assert (await letters.redrive(NAME, who=WHO, limit=2, per_second=500)).moved == 2
    assert [one["Body"] for one in await taken(sqs, settings.devices_queue)] == ["a", "b"]
    assert [one.body for one in await letters.peek(NAME, limit=9)] == ["c", "d", "e"]


async def test_an_interrupted_redrive_loses_nothing_and_doubles_nothing(
    sqs: Any, settings: Settings, letters: SqsDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOVE_SECONDS", 0)
    await put(sqs, settings.devices_dead_letters, *"abc")
    delete, deleted = sqs.delete_message, 0

    async def ends_at_the_second(**request: Any) -> Any:
        nonlocal deleted
        deleted += 1
        if deleted == 2:
            raise ConnectionError("the process ended here")
        return await delete(**request)

    monkeypatch.setattr(sqs, "delete_message", ends_at_the_second)
    with pytest.raises(ConnectionError):
        await letters.redrive(NAME, who=WHO, limit=3, per_second=500)
    monkeypatch.setattr(dead_letters, "MOVE_SECONDS", 60)
    await letters.redrive(NAME, who=WHO, limit=3, per_second=500)
    back = await taken(sqs, settings.devices_queue)
    assert sorted(one["Body"] for one in back) == ["a", "b", "c"]
    assert not await taken(sqs, settings.devices_dead_letters)


async def test_one_letter_is_dropped_and_the_others_stay(
    sqs: Any, settings: Settings, letters: SqsDeadLetters
) -> None:
    await put(sqs, settings.devices_dead_letters, *"abc")
    wanted: Letter = next(one for one in await letters.peek(NAME, limit=9) if one.body == "b")
    await letters.drop(NAME, wanted.id, who=WHO)
    assert [one.body for one in await letters.peek(NAME, limit=9)] == ["a", "c"]
    with pytest.raises(DeadLettersNotFound):
        await letters.drop(NAME, wanted.id, who=WHO)
    with pytest.raises(DeadLettersNotFound):
        await letters.peek("nothing", limit=1)


async def test_the_look_for_a_letter_ends_though_letters_come_back_meanwhile(
    sqs: Any, settings: Settings, letters: SqsDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LOOK_SECONDS", 0)
    await put(sqs, settings.devices_dead_letters, *"abc")
    async with asyncio.timeout(20):
        with pytest.raises(DeadLettersNotFound):
            await letters.drop(NAME, "no-such-letter", who=WHO)
    assert [one.body for one in await letters.peek(NAME, limit=3)] == ["a", "b", "c"]


async def test_a_letter_that_is_undecodable_still_says_why_and_returns_after_a_redrive(
    settings: Settings, letters: SqsDeadLetters
) -> None:
    """It fails again at once, though the service would take the same id for a repetition."""

    async def there(received: int) -> list[Letter]:
        found: list[Letter] = []

        async def arrived() -> bool:
            found[:] = await letters.peek(NAME, limit=9)
            return len(found) == received

        await eventually(arrived, within=15)
        return found

    async with make_broker(settings) as broker:
        await broker.publish(
            {"id": "no event"},
            queue=SQSQueue.of(settings.devices_queue),
            group_id="device-1",
            deduplication_id="1",
        )
    async with projector(settings):
        [first] = await there(1)
        assert first.error == "not a CloudEvent of ours"
        assert (await letters.redrive(NAME, who=WHO, limit=None, per_second=500)).moved == 1
        [second] = await there(1)
        assert second.id != first.id
    async with http.api(settings) as api:
        device_id = await claim(api)
        assert not await has_device(api, device_id)


class MoveTasks:
    """A service that moves letters itself, as AWS does; the engine cannot."""

    def __init__(self, *, code: str | None = None) -> None:
        self.code = code
        self.asked: list[dict[str, Any]] = []

    async def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Any) -> Any:  # noqa: N803
        known = {"QueueArn": f"arn:{QueueUrl}", "ApproximateNumberOfMessages": "7"}
        return {"Attributes": {name: known.get(name, "0") for name in AttributeNames}}

    async def receive_message(self, **_: Any) -> Any:
        return {}

    async def start_message_move_task(self, **request: Any) -> Any:
        self.asked.append(request)
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "StartMessageMoveTask")
        return {"TaskHandle": "T1"}


@pytest.mark.parametrize(
    ("code", "moved", "task"),
    [(None, 7, "T1"), ("AWS.SimpleQueueService.UnsupportedOperation", 0, None)],
)
async def test_the_service_moves_all_of_them_where_it_can(
    code: str | None, moved: int, task: str | None
) -> None:
    service = MoveTasks(code=code)
    letters = SqsDeadLetters(lambda: nullcontext(service), {"q": Pair("q.fifo", "q-dead.fifo")})
    redriven = await letters.redrive("q", who=WHO, limit=None, per_second=20)
    assert (redriven.moved, redriven.task) == (moved, task)
    assert service.asked == [
        {
            "SourceArn": "arn:q-dead.fifo",
            "DestinationArn": "arn:q.fifo",
            "MaxNumberOfMessagesPerSecond": 20,
        }
    ]
