"""What a handler sees of a message, or of a batch."""

from datetime import datetime

from faststream.message import StreamMessage

from .received import ReceivedMessage


class SQSMessage(StreamMessage[ReceivedMessage]):
    """One message. Acknowledging is deleting; that is sent a moment later, with others."""

    @property
    def group_id(self) -> str | None:
        return self.raw_message.group_id

    @property
    def deduplication_id(self) -> str | None:
        return self.raw_message.deduplication_id

    @property
    def sequence_number(self) -> str | None:
        return self.raw_message.sequence_number

    @property
    def receive_count(self) -> int:
        return self.raw_message.receive_count

    @property
    def sent_at(self) -> datetime | None:
        return self.raw_message.sent_at

    @property
    def receipt_handle(self) -> str:
        return self.raw_message.receipt_handle

    @property
    def queue_name(self) -> str:
        return self.raw_message.queue_name

    async def ack(self) -> None:
        if self.committed is None:
            self.raw_message.settler.delete((self.raw_message,))
        await super().ack()

    async def nack(self, delay: float | None = None) -> None:
        """Show it again after ``delay`` seconds, by default longer after each receive."""
        if self.committed is None:
            await self.raw_message.settler.delay((self.raw_message,), delay)
        await super().nack()

    async def reject(self) -> None:
        """Delete it: it is not to come again, not even through a dead-letter queue."""
        if self.committed is None:
            self.raw_message.settler.delete((self.raw_message,))
        await super().reject()


class SQSBatchMessage(StreamMessage[tuple[ReceivedMessage, ...]]):
    """Messages of one group in order (FIFO), or of one receive. Never empty."""

    messages: tuple[SQSMessage, ...] = ()

    @property
    def group_id(self) -> str | None:
        return self.raw_message[0].group_id

    @property
    def queue_name(self) -> str:
        return self.raw_message[0].queue_name

    async def ack(self) -> None:
        if self.committed is None:
            self.raw_message[0].settler.delete(self.raw_message)
        await super().ack()

    async def nack(self, first_failed: int | None = None, delay: float | None = None) -> None:
        """From ``first_failed`` on, or all: the first one is delayed, later ones given back.

        A whole batch of a standard queue is delayed message by message, having no order.
        """
        if self.committed is None:
            await self.raw_message[0].settler.fail_batch(self.raw_message, first_failed, delay)
        await super().nack()

    async def reject(self) -> None:
        """Delete all of them, as ``SQSMessage.reject`` does."""
        if self.committed is None:
            self.raw_message[0].settler.delete(self.raw_message)
        await super().reject()
