"""Calls that settle up to ten messages at once, each entry with its own fate."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from .clients import Answer
from .connection import error_code
from .received import ReceivedMessage
from .settings import MAX_BATCH_ENTRIES, Backoff

T = TypeVar("T")

BatchCall = Callable[[list[dict[str, Any]]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a batch call with what is asked for besides its receipt handle."""

    message: ReceivedMessage
    options: Mapping[str, Any] = field(default_factory=dict)

    def request(self, entry_id: str) -> dict[str, Any]:
        return {"Id": entry_id, "ReceiptHandle": self.message.receipt_handle, **self.options}


@dataclass(frozen=True, slots=True)
class FailedEntry:
    entry: Entry
    code: str
    final: bool
    """A retry is of no use: the receipt handle has expired, say."""


def in_tens(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), MAX_BATCH_ENTRIES):
        yield items[start : start + MAX_BATCH_ENTRIES]


async def call_once(call: BatchCall, entries: Sequence[Entry]) -> list[FailedEntry]:
    """One call for at most ten entries; an error of the whole call fails every entry."""
    try:
        answer = await call([entry.request(str(i)) for i, entry in enumerate(entries)])
    except (ClientError, BotoCoreError, OSError) as error:
        return [FailedEntry(entry, error_code(error), final=False) for entry in entries]
    return [
        FailedEntry(
            entries[int(failed["Id"])],
            str(failed.get("Code", "")),
            final=bool(failed.get("SenderFault")),
        )
        for failed in answer.get("Failed") or ()
    ]


async def call_with_retries(
    call: BatchCall,
    entries: Sequence[Entry],
    *,
    attempts: int,
    backoff: Backoff,
) -> list[FailedEntry]:
    """Tens of entries, those that failed again up to ``attempts`` times; what is left failed."""
    given_up: list[FailedEntry] = []
    for chunk in in_tens(entries):
        pending: Sequence[Entry] = chunk
        for attempt in range(1, attempts + 1):
            failed = await call_once(call, pending)
            last = attempt == attempts
            given_up += [one for one in failed if one.final or last]
            pending = [one.entry for one in failed if not one.final]
            if last or not pending:
                break
            await asyncio.sleep(backoff.delay(attempt))
    return given_up
