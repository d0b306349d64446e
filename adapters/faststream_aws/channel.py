"""One queue as its consumer sees it: receive messages, settle messages."""

import logging
import math
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from .batch_calls import BatchCall, Entry, call_with_retries
from .clients import Answer
from .connection import AwsConnection
from .deletes import DeleteBatcher, Log
from .destinations import SQSQueue
from .heartbeat import VisibilityHeartbeat
from .received import Outcome, ReceivedMessage
from .settings import MAX_VISIBILITY, ConsumerSettings


class QueueChannel:
    """The ``Settler`` of a real queue. Never makes the queue."""

    def __init__(
        self,
        connection: AwsConnection,
        queue: SQSQueue,
        settings: ConsumerSettings,
        log: Log,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._settings = settings
        self._log = log
        self._set_visibility = self._batch_call("change_message_visibility_batch")
        self._heartbeat = VisibilityHeartbeat(self._set_visibility, settings, log=log)
        self._deletes = DeleteBatcher(
            self._batch_call("delete_message_batch"),
            settings,
            on_settled=self._heartbeat.forget,
            log=log,
        )

    def open(self) -> None:
        self._heartbeat.start()

    async def close(self, drain_timeout: float = 5.0) -> None:
        """Send the deletes still gathered, then stop extending."""
        await self._deletes.drain(drain_timeout)
        await self._heartbeat.stop()

    async def receive(
        self,
        count: int,
        wait_seconds: int,
        *,
        keep_invisible: bool = True,
    ) -> list[ReceivedMessage]:
        """Up to ``count`` messages; with ``keep_invisible`` the heartbeat starts here."""
        client = await self._connection.sqs()
        options: dict[str, Any] = {}
        if self._settings.fifo:
            # The driver's own retry of a lost answer then gets the same messages again.
            options["ReceiveRequestAttemptId"] = str(uuid4())
        try:
            answer = await client.receive_message(
                QueueUrl=await self._connection.queue_url(self._queue),
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self._settings.visibility_timeout,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                **options,
            )
        except ClientError:
            self._connection.forget_url(self._queue)
            raise
        return self._received(answer, keep_invisible=keep_invisible)

    def flush_deletes(self) -> None:
        self._deletes.flush()

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        self._deletes.add(_settle(messages, Outcome.DELETED))

    async def delay(self, messages: Sequence[ReceivedMessage], seconds: float | None) -> None:
        await self._show_again(
            [(one, self._retry_delay(one, seconds)) for one in _settle(messages, Outcome.DELAYED)]
        )

    async def hand_back(self, messages: Sequence[ReceivedMessage]) -> None:
        await self._show_again([(one, 0) for one in _settle(messages, Outcome.HANDED_BACK)])

    async def fail_batch(
        self,
        messages: Sequence[ReceivedMessage],
        first_failed: int | None,
        seconds: float | None,
    ) -> None:
        """The delay comes first: while it lasts, FIFO keeps the later ones of the group back."""
        if first_failed is None and not self._settings.fifo:
            await self.delay(messages, seconds)
            return
        failed = first_failed_of(messages, first_failed)
        self.delete(messages[:failed])
        await self.delay(messages[failed : failed + 1], seconds)
        await self.hand_back(messages[failed + 1 :])

    async def let_go(self, messages: Sequence[ReceivedMessage]) -> None:
        """Stop extending messages nobody settled; they come again when their time is over."""
        for message in messages:
            await self._heartbeat.release(message)

    def _received(self, answer: Answer, *, keep_invisible: bool) -> list[ReceivedMessage]:
        messages = [
            ReceivedMessage(raw, queue_name=self._queue.short_name, settler=self)
            for raw in answer.get("Messages") or ()
        ]
        if keep_invisible:
            self._heartbeat.track(messages)
        return messages

    def _retry_delay(self, message: ReceivedMessage, seconds: float | None) -> int:
        """Whole seconds, as the service takes them; a given number is not rounded to zero."""
        if seconds is None:
            seconds = self._settings.retry_delay.delay(message.receive_count)
        return min(MAX_VISIBILITY - 1, max(0, math.ceil(seconds)))

    async def _show_again(self, delays: Sequence[tuple[ReceivedMessage, int]]) -> None:
        if not delays:
            return
        for message, _ in delays:
            await self._heartbeat.release(message)
        failed = await call_with_retries(
            self._set_visibility,
            [Entry(message, {"VisibilityTimeout": seconds}) for message, seconds in delays],
            attempts=self._settings.call_attempts,
            backoff=self._settings.call_backoff,
        )
        if failed:
            codes = ", ".join(sorted({one.code for one in failed}))
            self._log(logging.WARNING, f"{len(failed)} messages wait for their timeout: {codes}")

    def _batch_call(self, method: str) -> BatchCall:
        async def call(entries: list[dict[str, Any]]) -> Answer:
            client = await self._connection.sqs()
            url = await self._connection.queue_url(self._queue)
            answer: Answer = await getattr(client, method)(QueueUrl=url, Entries=entries)
            return answer

        return call


def first_failed_of(messages: Sequence[ReceivedMessage], index: int | None) -> int:
    """An index beyond the batch is a mistake, so nothing of it counts as done."""
    return index if index is not None and index < len(messages) else 0


def _settle(messages: Sequence[ReceivedMessage], outcome: Outcome) -> list[ReceivedMessage]:
    unsettled = [one for one in messages if one.outcome is None]
    for message in unsettled:
        message.outcome = outcome
    return unsettled
