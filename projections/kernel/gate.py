"""The gate: what makes redelivery and disorder harmless to a read model.

One row belongs to one stream, or to one part of a stream that numbers its own events, and carries
the number of the last event applied. Lower or equal is a duplicate and dropped, the next one is
applied under a condition, a higher one is a gap that is filled from the store first. Events of a
newer store generation begin the row anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import Busy, StoreUnavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded

Key = tuple[Any, ...]
ATTEMPTS = 6
PAUSE = 0.01


class GatedRow(BaseModel):
    """``applied``: number of the last event; ``stream_version``: its place in the stream."""

    model_config = ConfigDict(frozen=True)

    applied: int
    stream_version: int
    generation: int = 1


Row = TypeVar("Row", bound=GatedRow)


class Rows(Protocol[Row]):
    """Where the rows of one read model are kept."""

    async def get(self, key: Key) -> Row | None: ...

    async def put(self, row: Row, previous: Row | None) -> bool:
        """Write if the stored row is still ``previous``; False when somebody was faster."""


class Source(Protocol):
    """The event store, as far as a gap needs it."""

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None
    ) -> list[Recorded]: ...


@dataclass(frozen=True)
class Projection(Generic[Row]):
    """A read model as pure functions.

    ``key_of``: the row an event belongs to, None for an event of no row. ``number_of``: the
    event's number within that row's own sequence, from 1. ``before_first``: the stream version
    right before the row's first event. ``fold``: the row after the event. ``version``: raised when
    fold or row change their shape, so that a rebuild is asked for.
    """

    name: str
    category: str
    key_of: Callable[[Event], Key | None]
    number_of: Callable[[Event], int]
    before_first: Callable[[Key], int]
    fold: Callable[[Row | None, Event], Row]
    version: int = 1

    def step(self, row: Row | None, recorded: Recorded) -> Row:
        """One event further; for who needs to know more of it than the event itself."""
        return self.fold(row, recorded.event)


class Gate(Generic[Row]):
    def __init__(self, projection: Projection[Row], rows: Rows[Row], source: Source) -> None:
        self._projection = projection
        self._rows = rows
        self._source = source

    async def apply(self, recorded: Sequence[Recorded]) -> list[Row]:
        """Bring the rows up to these events, in any order and repetition; one write a row.

        Returns the rows that changed. Raises ``Busy`` when a row was too contended.
        """
        parts: dict[Key, list[Recorded]] = {}
        for one in recorded:
            key = self._projection.key_of(one.event)
            if key is not None:
                parts.setdefault(key, []).append(one)
        rows = await asyncio.gather(*(self._apply(key, part) for key, part in parts.items()))
        return [row for row in rows if row is not None]

    async def _apply(self, key: Key, part: list[Recorded]) -> Row | None:
        fresh = min(self._projection.number_of(one.event) for one in part) == 1
        generation = max(one.generation for one in part)
        for attempt in range(ATTEMPTS):
            # A part that begins at its first event most often belongs to a new row: try that
            # without reading; the condition of the write finds out.
            stored = None if fresh and attempt == 0 else await self._rows.get(key)
            row = stored if stored and stored.generation >= generation else None
            ready = await self._ready(key, row, part)
            if not ready:
                return None
            changed = self._fold(row, ready)
            if await self._rows.put(changed, stored):
                return changed
            if attempt:
                await asyncio.sleep(random.uniform(0, PAUSE * 2**attempt))  # noqa: S311
        raise Busy(f"row {key} of {self._projection.name} is contended")

    async def _ready(self, key: Key, row: Row | None, part: list[Recorded]) -> list[Recorded]:
        """The events that come next, without gap or repetition; none of an older generation."""
        generation = max([one.generation for one in part] + ([row.generation] if row else []))
        known = [one for one in part if one.generation == generation]
        ready = self._next(row, known)
        wanted = max((self._number(one) for one in known), default=0)
        if wanted <= self._applied(row, ready):
            return ready
        ready = self._next(row, await self._read(key, row, known))
        if self._applied(row, ready) < wanted:
            raise StoreUnavailable(f"the store does not hold what row {key} misses")
        return ready

    def _number(self, one: Recorded) -> int:
        return self._projection.number_of(one.event)

    def _applied(self, row: Row | None, ready: list[Recorded]) -> int:
        if ready:
            return self._number(ready[-1])
        return row.applied if row else 0

    def _next(self, row: Row | None, known: list[Recorded]) -> list[Recorded]:
        by_number = {self._number(one): one for one in known}
        wanted = self._applied(row, []) + 1
        ready = []
        while wanted in by_number:
            ready.append(by_number[wanted])
            wanted += 1
        return ready

    async def _read(self, key: Key, row: Row | None, known: list[Recorded]) -> list[Recorded]:
        """Of any generation: what a restored store keeps of those before is still true."""
        after = row.stream_version if row else self._projection.before_first(key)
        last = max(known, key=lambda one: one.event.originator_version)
        stream, up_to = last.event.originator_id, last.event.originator_version
        events = await self._source.read(stream, after=after, up_to=up_to)
        return [one for one in events if self._projection.key_of(one.event) == key]

    def _fold(self, row: Row | None, ready: list[Recorded]) -> Row:
        for one in ready:
            row = self._projection.step(row, one).model_copy(
                update={
                    "applied": self._projection.number_of(one.event),
                    "stream_version": one.event.originator_version,
                    "generation": one.generation,
                }
            )
        assert row is not None
        return row
