"""Errors of this library.

    AwsBrokerError
    ├── MessageRefused           never sent: the same message would be refused again
    │   ├── MessageTooLarge
    │   ├── TooManyAttributes
    │   ├── InvalidAttribute
    │   └── MissingGroupId
    └── BatchPublishFailed       some entries of a batch were not accepted

Errors of the service itself pass through as botocore raises them.
``PartialBatchFailure`` is not one of them: a handler raises it to settle part of its batch.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from faststream.exceptions import FastStreamException, NackMessage

if TYPE_CHECKING:
    from .outgoing import NotPublished


class AwsBrokerError(FastStreamException):
    """Root of the errors raised by this library."""


class MessageRefused(AwsBrokerError):
    """Refused before anything was sent; ``index`` is its place in a batch."""

    def __init__(self, reason: str, *, index: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index = index


class MessageTooLarge(MessageRefused):
    """Body and attributes together exceed the limit of the destination (bytes)."""

    def __init__(self, *, size: int, limit: int, index: int = 0) -> None:
        super().__init__(f"message of {size} bytes exceeds {limit}", index=index)
        self.size = size
        self.limit = limit


class TooManyAttributes(MessageRefused):
    """More than ten: raw delivery discards such a message instead of delivering it."""

    def __init__(self, *, names: Sequence[str], limit: int, index: int = 0) -> None:
        listed = ", ".join(sorted(names))
        super().__init__(f"{len(names)} attributes exceed {limit}: {listed}", index=index)
        self.names = tuple(names)


class InvalidAttribute(MessageRefused):
    """The name or the value is one that the service does not accept."""


class MissingGroupId(MessageRefused):
    """Every message to a FIFO queue or topic belongs to a group."""


class BatchPublishFailed(AwsBrokerError):
    """Raised by ``BatchResult.raise_for_failures``."""

    def __init__(self, failed: Sequence["NotPublished"]) -> None:
        codes = ", ".join(sorted({entry.code for entry in failed}))
        super().__init__(f"{len(failed)} messages were not published: {codes}")
        self.failed = tuple(failed)


class PartialBatchFailure(NackMessage):
    """Raise it in a batch handler: the messages before ``first_failed_index`` are done.

    They are deleted, the failed one is delayed (``delay`` in seconds; by default the
    growing retry delay), the later ones are given back untouched. Honoured under every
    ack policy except MANUAL. An index beyond the batch fails it as a whole.
    """

    def __init__(self, first_failed_index: int, *, delay: float | None = None) -> None:
        if first_failed_index < 0:
            msg = "An index counts from 0"
            raise ValueError(msg)
        super().__init__(first_failed=first_failed_index, delay=delay)
        self.first_failed_index = first_failed_index

    def __str__(self) -> str:
        cause = f": {self.__cause__!r}" if self.__cause__ else ""
        return f"batch failed from message {self.first_failed_index}{cause}"
