"""What operators need of dead letters, for the API and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.kernel.errors import NotFound
from projections.kernel.parked_rows import ParkedRows
from projections.kernel.parking import Entry


class DeadLettersNotFound(NotFound):
    """No such queue of dead letters, or no such letter in it."""

    code = "dead_letters_not_found"


@dataclass(frozen=True)
class Waiting:
    """``in_flight``: received by somebody a moment ago. About right, as SQS says."""

    queue: str
    waiting: int
    in_flight: int


@dataclass(frozen=True)
class Letter:
    """``error``: why it was put aside, if a worker did so; otherwise it was received too often, or
    could not be delivered at all. ``body``: as it was published, what is personal sealed."""

    id: str
    body: str
    error: str | None
    group: str | None
    received: int
    sent_at: datetime


@dataclass(frozen=True)
class Redriven:
    """``task``: of the service, which goes on by itself; ``moved`` is then how many there were."""

    moved: int
    task: str | None = None


class DeadLetters(Protocol):
    """By the name of the queue that they come from. Raises ``StoreUnavailable`` when SQS is away,
    ``DeadLettersNotFound``."""

    async def waiting(self) -> list[Waiting]: ...

    async def peek(self, queue: str, *, limit: int) -> Sequence[Letter]:
        """The first ones; they are back in a moment. Of a FIFO group only what comes at once."""

    async def redrive(
        self, queue: str, *, who: str, limit: int | None, per_second: int
    ) -> Redriven:
        """Back to the queue that they come from. An interrupted redrive loses none."""

    async def drop(self, queue: str, letter: str, *, who: str) -> None:
        """Delete one for good."""


class Operations(Protocol):
    @property
    def parked(self) -> ParkedRows: ...
    @property
    def dead_letters(self) -> DeadLetters: ...


def parked_json(entry: Entry) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude={"key", "revision"})
