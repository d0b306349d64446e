"""A received message, as handed to FastStream, together with the way to settle it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol


class Outcome(Enum):
    """How a message was settled. One settled message is never settled again."""

    DELETED = "deleted"
    DELAYED = "delayed"
    HANDED_BACK = "handed back"


class Settler(Protocol):
    """Settles messages of one queue; those already settled are passed over."""

    def delete(self, messages: Sequence["ReceivedMessage"]) -> None:
        """Done with them. Deletes are gathered and sent a moment later."""

    async def delay(self, messages: Sequence["ReceivedMessage"], seconds: float | None) -> None:
        """Show them again after ``seconds``; None grows with each message's receive count."""

    async def hand_back(self, messages: Sequence["ReceivedMessage"]) -> None:
        """Show them again at once: they were not worked on."""

    async def fail_batch(
        self,
        messages: Sequence["ReceivedMessage"],
        first_failed: int | None,
        seconds: float | None,
    ) -> None:
        """Settle a batch that failed from ``first_failed`` on, or as a whole with None."""


class ReceivedMessage:
    """``raw`` is the message as ReceiveMessage gives it; times are UTC."""

    __slots__ = ("outcome", "queue_name", "raw", "settler")

    def __init__(self, raw: Mapping[str, Any], *, queue_name: str, settler: Settler) -> None:
        self.raw = raw
        self.queue_name = queue_name
        self.settler = settler
        self.outcome: Outcome | None = None

    def __repr__(self) -> str:
        return f"ReceivedMessage({self.message_id}, {self.queue_name}, {self.outcome})"

    @property
    def body(self) -> str:
        return str(self.raw.get("Body", ""))

    @property
    def message_id(self) -> str:
        return str(self.raw.get("MessageId", ""))

    @property
    def receipt_handle(self) -> str:
        return str(self.raw["ReceiptHandle"])

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Message attributes in the service's form: ``{name: {DataType, StringValue}}``."""
        found: Mapping[str, Any] = self.raw.get("MessageAttributes") or {}
        return found

    @property
    def system(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.raw.get("Attributes") or {}
        return found

    @property
    def group_id(self) -> str | None:
        return self.system.get("MessageGroupId")

    @property
    def deduplication_id(self) -> str | None:
        return self.system.get("MessageDeduplicationId")

    @property
    def sequence_number(self) -> str | None:
        return self.system.get("SequenceNumber")

    @property
    def receive_count(self) -> int:
        """1 at the first delivery; approximate, as the service says."""
        return int(self.system.get("ApproximateReceiveCount", 1))

    @property
    def sent_at(self) -> datetime | None:
        stamp = self.system.get("SentTimestamp")
        return datetime.fromtimestamp(int(stamp) / 1000, UTC) if stamp else None
