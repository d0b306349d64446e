"""What a caller gives to a publish call, and what it gets back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import BatchPublishFailed

ORDER_KEPT = "NotSentToKeepOrder"
"""Code of an entry held back because an earlier one of its group was not published."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message with its own options; they win over those of the publish call.

    ``headers`` become message attributes: str → String, int, float and Decimal → Number,
    bytes → Binary, list and tuple → String.Array.
    """

    body: Any
    group_id: str | None = None
    deduplication_id: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str | None = None
    delay_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """Accepted by the service. ``sequence_number`` is given for FIFO only."""

    index: int
    message_id: str
    sequence_number: str | None = None


@dataclass(frozen=True, slots=True)
class NotPublished:
    """Not accepted, or not known to be. ``sender_fault`` means a retry is of no use."""

    index: int
    code: str
    reason: str = ""
    sender_fault: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One entry for each message, in the order they were given."""

    entries: tuple[Published | NotPublished, ...]

    def __iter__(self) -> Iterator[Published | NotPublished]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def ok(self) -> bool:
        return not self.failed

    @property
    def succeeded(self) -> tuple[Published, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, Published))

    @property
    def failed(self) -> tuple[NotPublished, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, NotPublished))

    def raise_for_failures(self) -> None:
        """Raise ``BatchPublishFailed`` unless every message was accepted."""
        if failed := self.failed:
            raise BatchPublishFailed(failed)
