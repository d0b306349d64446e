"""Dead letters of SQS queues: counted, looked at, sent back, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from adapters.inbound.operations.ports import DeadLettersNotFound, Letter, Redriven, Waiting
from adapters.outbound.dynamodb.client import error_code
from domain.kernel.errors import StoreUnavailable

log = structlog.get_logger("homecast.dead_letters")

BATCH = 10
LOOK_SECONDS = 20
"""For which letters that are looked at are hidden from others, should this process die."""
MOVE_SECONDS = 60
LOOKS = 3
"""A short poll asks some of the servers only, so that an empty answer says little."""
ERROR = "error"
"""Message attribute: why a worker put the message aside."""
BACK_ALREADY = frozenset({"MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"})
NO_MOVE_TASKS = frozenset({"InvalidAction", "UnsupportedOperation", "NotImplemented", "501"})
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """URLs of a queue and of its dead letters."""

    queue: str
    dead_letters: str

    @property
    def fifo(self) -> bool:
        return self.queue.endswith(".fifo")


class SqsDeadLetters:
    """Port ``DeadLetters``. ``pairs`` by the name of the queue. Each act opens its own client: they
    are rare, and whoever may be asked for them need not wait for one at its start."""

    def __init__(
        self, connect: Callable[[], AbstractAsyncContextManager[Any]], pairs: Mapping[str, Pair]
    ) -> None:
        self._connect = connect
        self._pairs = pairs

    async def waiting(self) -> list[Waiting]:
        async with self._calls() as calls:
            return await calls.waiting()

    async def peek(self, queue: str, *, limit: int) -> Sequence[Letter]:
        async with self._calls() as calls:
            return await calls.peek(queue, limit=limit)

    async def redrive(
        self, queue: str, *, who: str, limit: int | None, per_second: int
    ) -> Redriven:
        async with self._calls() as calls:
            return await calls.redrive(queue, who=who, limit=limit, per_second=per_second)

    async def drop(self, queue: str, letter: str, *, who: str) -> None:
        async with self._calls() as calls:
            await calls.drop(queue, letter, who=who)

    @asynccontextmanager
    async def _calls(self) -> AsyncIterator[Calls]:
        with sqs_errors():
            async with self._connect() as client:
                yield Calls(client, self._pairs)


class Calls:
    """The same with a client that is open."""

    def __init__(self, client: Any, pairs: Mapping[str, Pair]) -> None:
        self._client = client
        self._pairs = pairs

    async def waiting(self) -> list[Waiting]:
        return [await self._waiting(name, pair) for name, pair in self._pairs.items()]

    async def peek(self, queue: str, *, limit: int) -> Sequence[Letter]:
        async with self._held(self._pair(queue), LOOK_SECONDS) as held:
            while len(held.all) < limit and await held.more(limit - len(held.all)):
                continue
            return [_letter(one) for one in held.all]

    async def redrive(
        self, queue: str, *, who: str, limit: int | None, per_second: int
    ) -> Redriven:
        pair = self._pair(queue)
        there = (await self._waiting(queue, pair)).waiting
        log.info("redrive_begun", queue=queue, who=who, waiting=there)
        task = None if limit else await self._start_task(pair, per_second)
        # What fails again comes back here, and must not go round for ever.
        moved = there if task else await self._move(pair, limit or there, per_second)
        log.info("redriven", queue=queue, who=who, moved=moved, task=task)
        return Redriven(moved, task)

    async def drop(self, queue: str, letter: str, *, who: str) -> None:
        seen: set[str] = set()
        async with self._held(self._pair(queue), LOOK_SECONDS) as held:
            while batch := await held.more(BATCH):
                ids = {message["MessageId"] for message in batch}
                if ids <= seen:  # they have come back, so all have been looked at
                    break
                seen |= ids
                for message in batch:
                    if message["MessageId"] == letter:
                        await held.delete(message)
                        log.warning("dead_letter_dropped", queue=queue, letter=letter, who=who)
                        return
        raise DeadLettersNotFound("no such letter was found")

    def _pair(self, queue: str) -> Pair:
        if queue not in self._pairs:
            raise DeadLettersNotFound("no such queue", queues=sorted(self._pairs))
        return self._pairs[queue]

    async def _waiting(self, name: str, pair: Pair) -> Waiting:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = await self._attributes(pair.dead_letters, names)
        return Waiting(name, *(int(found[one]) for one in names))

    async def _attributes(self, url: str, names: Sequence[str]) -> dict[str, str]:
        answer = await self._client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        found: dict[str, str] = answer["Attributes"]
        return found

    @asynccontextmanager
    async def _held(self, pair: Pair, seconds: int) -> AsyncIterator[Held]:
        """What is received meanwhile, and given back at the end unless it was deleted."""
        held = Held(self._client, pair.dead_letters, seconds)
        try:
            yield held
        finally:
            await held.give_back()

    async def _move(self, pair: Pair, limit: int, per_second: int) -> int:
        moved = 0
        async with self._held(pair, MOVE_SECONDS) as held:
            while moved < limit and (batch := await held.more(min(BATCH, limit - moved))):
                for message in batch:
                    await self._client.send_message(**_resent(pair, message))
                    await held.delete(message)
                    moved += 1
                    await asyncio.sleep(1 / per_second)
        return moved

    async def _start_task(self, pair: Pair, per_second: int) -> str | None:
        """None where the service has no such tasks."""
        try:
            answer = await self._client.start_message_move_task(
                SourceArn=await self._arn(pair.dead_letters),
                DestinationArn=await self._arn(pair.queue),
                MaxNumberOfMessagesPerSecond=per_second,
            )
        except ClientError as error:
            if error_code(error).rsplit(".", 1)[-1] in NO_MOVE_TASKS:
                return None
            raise
        return str(answer["TaskHandle"])

    async def _arn(self, url: str) -> str:
        return (await self._attributes(url, ["QueueArn"]))["QueueArn"]


class Held:
    """Letters that were received from a queue and are still there, hidden for some seconds."""

    def __init__(self, client: Any, url: str, seconds: int) -> None:
        self._client = client
        self._url = url
        self._seconds = seconds
        self.all: list[Message] = []

    async def more(self, most: int) -> list[Message]:
        """The next ones; nothing when nothing more comes."""
        for _ in range(LOOKS):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(most, BATCH),
                VisibilityTimeout=self._seconds,
                WaitTimeSeconds=0,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            if messages := answer.get("Messages"):
                self.all += messages
                return list(messages)
        return []

    async def delete(self, message: Message) -> None:
        await self._client.delete_message(
            QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
        )
        self.all.remove(message)

    async def give_back(self) -> None:
        """Those whose time is over are back by themselves."""
        for message in self.all:
            try:
                await self._client.change_message_visibility(
                    QueueUrl=self._url,
                    ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=0,
                )
            except ClientError as error:
                if error_code(error).rsplit(".", 1)[-1] not in BACK_ALREADY:
                    raise


def _resent(pair: Pair, message: Message) -> dict[str, Any]:
    """A deduplication id of the letter's own: sent twice by an interrupted redrive, it comes once,
    and the one that it had as a message would be forgotten or still known by chance."""
    kept = {
        name: {field: value for field, value in one.items() if value}
        for name, one in message.get("MessageAttributes", {}).items()
        if name != ERROR
    }
    sent = {
        "QueueUrl": pair.queue,
        "MessageBody": message["Body"],
        "MessageAttributes": kept,
    }
    if pair.fifo:
        sent["MessageGroupId"] = message["Attributes"]["MessageGroupId"]
        sent["MessageDeduplicationId"] = f"redrive-{message['MessageId']}"
    return sent


def _letter(message: Message) -> Letter:
    system = message["Attributes"]
    error = message.get("MessageAttributes", {}).get(ERROR, {}).get("StringValue")
    return Letter(
        id=message["MessageId"],
        body=message["Body"],
        error=error,
        group=system.get("MessageGroupId"),
        received=int(system["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1000, UTC),
    )


@contextmanager
def sqs_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise StoreUnavailable(f"SQS: {error_code(error)}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"SQS: {type(error).__name__}") from error
