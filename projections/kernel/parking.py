"""The registry of parked rows: what stopped each, what was done about it, and by whom.

A row is parked by a mark in its own item; the registry tells the rest. It is written first, so that
no mark is without its entry; an entry whose mark was never written is mended by redelivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import Busy, NotFound
from projections.kernel.failures import Failure, Mark, said_by
from projections.kernel.gate import Key

KEPT = timedelta(days=90)
"""An entry after its row went on; one whose row was dropped stays, for the row still stands."""
ACTIONS_MAX = 50
ATTEMPTS = 6


class ParkedRowNotFound(NotFound):
    """No row of this read model was parked under this key."""

    code = "parked_row_not_found"


class Status(StrEnum):
    PARKED = "PARKED"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"
    DROPPED = "DROPPED"


STOPPED = frozenset({Status.PARKED, Status.DROPPED})


class Action(BaseModel):
    """``who``: ``token:<id>`` or ``cli:<user>``. ``outcome`` is empty while it is under way."""

    model_config = ConfigDict(frozen=True)

    who: str
    what: str
    at: datetime
    outcome: str = ""


class Entry(BaseModel):
    """``event``: the CloudEvent as it was published, personal data sealed; None if unreadable.

    ``row``: ``key`` in one piece. ``attempts``: how often it failed. ``actions``: the newest ones.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    row: str
    key: tuple[str | int, ...]
    stream: str
    version: int
    number: int
    event_id: str
    error: str
    message: str
    attempts: int
    trace: str | None = None
    correlation_id: str | None = None
    event: dict[str, Any] | None = None
    first_at: datetime
    last_at: datetime
    status: Status = Status.PARKED
    actions: tuple[Action, ...] = ()
    revision: int = 1

    def changed(self, **fields: Any) -> Entry:
        return self.model_copy(update={**fields, "revision": self.revision + 1})

    def expires_at(self) -> datetime | None:
        return None if self.status in STOPPED else self.last_at + KEPT


class Registry(Protocol):
    """Raises ``StoreUnavailable``."""

    async def get(self, model: str, row: str) -> Entry | None:
        """Strongly consistent."""

    async def put(self, entry: Entry) -> bool:
        """Write if it is the next revision of what is stored; False when it is not."""

    async def list(
        self, model: str, *, limit: int, after: str = "", everything: bool = False
    ) -> list[Entry]:
        """By row, beyond the row ``after``; those PARKED, or ``everything``. May lag a moment."""

    async def count(self, model: str) -> int:
        """Those PARKED. May lag a moment."""


class Published(Protocol):
    async def published(self, stream: str, version: int) -> Mapping[str, Any] | None:
        """The event as it was published; None when even that cannot be made of what is stored."""


class Clock(Protocol):
    def now(self) -> datetime: ...


def printable(key: Key) -> str:
    return ".".join(map(str, key))


class ParkingLot:
    """Port ``Parking`` of one read model's gates, whichever slot they keep."""

    def __init__(
        self, model: str, *, registry: Registry, published: Published, clock: Clock
    ) -> None:
        self._model = model
        self._registry = registry
        self._published = published
        self._clock = clock

    async def note(self, failure: Failure) -> Mark:
        mark = mark_of(failure, self._clock.now())
        event = await self._published.published(failure.stream, failure.version)
        for _ in range(ATTEMPTS):
            known = await self._registry.get(self._model, printable(failure.key))
            if await self._registry.put(self._entry(failure, mark, known, event)):
                return mark
        raise Busy(f"the entry of parked row {printable(failure.key)} is contended")

    def _entry(
        self,
        failure: Failure,
        mark: Mark,
        known: Entry | None,
        event: Mapping[str, Any] | None,
    ) -> Entry:
        parked = known if known and known.status in STOPPED else None
        context = failure.recorded.context if failure.recorded else None
        told = event or {}
        return Entry(
            model=self._model,
            row=printable(failure.key),
            key=failure.key,
            stream=mark.stream,
            version=mark.version,
            number=mark.number,
            event_id=mark.event,
            error=mark.error,
            message=mark.message,
            attempts=parked.attempts + 1 if parked else 1,
            trace=context.trace if context else told.get("awstraceheader"),
            correlation_id=context.correlation_id if context else told.get("correlationid"),
            event=dict(event) if event else None,
            first_at=parked.first_at if parked else mark.at,
            last_at=mark.at,
            actions=known.actions if known else (),
            revision=known.revision + 1 if known else 1,
        )


def mark_of(failure: Failure, at: datetime) -> Mark:
    return Mark(
        event=failure.event,
        stream=failure.stream,
        version=failure.version,
        number=failure.number,
        error=type(failure.error).__name__,
        message=said_by(failure.error),
        at=at,
    )
