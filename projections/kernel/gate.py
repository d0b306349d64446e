"""The gate: what makes redelivery and disorder harmless to a read model.

One row belongs to one stream, or to one part of a stream that numbers its own events, and carries
the number of the last event applied. Lower or equal is a duplicate and dropped, the next one is
applied under a condition, a higher one is a gap that is filled from the store first. Events of a
newer store generation begin the row anew.

What fails and will fail again (a pure function, an event that cannot be read, a row too large to
be stored) parks the row: it is written up to there, with a mark, and its later events are passed
over. Everything else is raised, for another try.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import Busy, StoreUnavailable, TooLarge
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from projections.kernel.failures import Failure, Mark
from projections.kernel.sequence import Found, read_around, sort_out

Key = tuple[Any, ...]
UNPLACED = "event"
"""First part of the key under which an event is noted that cannot tell its row."""
ATTEMPTS = 6
PAUSE = 0.01


class GatedRow(BaseModel):
    """``applied``: number of the last event; ``stream_version``: its place in the stream."""

    model_config = ConfigDict(frozen=True)

    applied: int
    stream_version: int
    generation: int = 1


Row = TypeVar("Row", bound=GatedRow)


@dataclass(frozen=True)
class Held(Generic[Row]):
    """What is kept under a key: the row, how far it has come, and the mark while it is parked.

    ``row`` None: none of its events could be folded, or its first one was skipped. ``generation``
    is that of the event that failed, where that is newer than the row.
    """

    row: Row | None = None
    applied: int = 0
    stream_version: int = 0
    generation: int = 1
    mark: Mark | None = None

    @classmethod
    def of(cls, row: Row, mark: Mark | None = None) -> Held[Row]:
        return cls(row, row.applied, row.stream_version, row.generation, mark)


class Place(NamedTuple):
    """How far a row is: generation first, then the number within it."""

    generation: int
    number: int


@dataclass(frozen=True)
class Standing:
    """What it takes to compare a row with its stream."""

    place: Place
    parked: bool = False


class Rows(Protocol[Row]):
    """Where the rows of one read model are kept."""

    async def get(self, key: Key) -> Held[Row] | None:
        """Strongly consistent."""

    async def put(self, key: Key, held: Held[Row], previous: Held[Row] | None) -> bool:
        """Write if what is stored is still ``previous``, its mark too; False when it is not.

        Raises ``TooLarge``.
        """


class Source(Protocol):
    """The event store, as far as a gap needs it."""

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None
    ) -> list[Recorded]: ...


class Parking(Protocol):
    async def note(self, failure: Failure) -> Mark:
        """Keep what is to be known about a row that cannot go on; before it is marked."""


@dataclass(frozen=True)
class Projection(Generic[Row]):
    """A read model as pure functions.

    ``key_of``: the row an event belongs to, None for an event of no row. ``number_of``: the
    event's number within that row's own sequence, from 1. ``before_first``: the stream version
    right before the row's first event. ``fold``: the row after the event. ``version``: raised when
    fold or row change their shape, so that a rebuild is asked for. ``kept``: how long rows stay
    after their last event, None: for ever.
    """

    name: str
    category: str
    key_of: Callable[[Event], Key | None]
    number_of: Callable[[Event], int]
    before_first: Callable[[Key], int]
    fold: Callable[[Row | None, Event], Row]
    version: int = 1
    kept: timedelta | None = None

    def step(self, row: Row | None, recorded: Recorded) -> Row:
        """One event further; for who needs to know more of it than the event itself."""
        return self.fold(row, recorded.event)


class Gate(Generic[Row]):
    """``parking`` None: nothing is parked, a failure is raised as it is."""

    def __init__(
        self,
        projection: Projection[Row],
        rows: Rows[Row],
        source: Source,
        parking: Parking | None = None,
    ) -> None:
        self.projection = projection
        self.rows = rows
        self.source = source
        self._parking = parking

    async def apply(self, recorded: Sequence[Recorded]) -> list[Row]:
        """Bring the rows up to these events, in any order and repetition; one write a row.

        Returns the rows that changed. Raises ``Busy`` when a row was too contended.
        """
        parts = await self._by_key(recorded)
        rows = await asyncio.gather(*(self._apply(key, part) for key, part in parts.items()))
        return [row for row in rows if row is not None]

    async def _by_key(self, recorded: Sequence[Recorded]) -> dict[Key, list[Recorded]]:
        parts: dict[Key, list[Recorded]] = {}
        for one in recorded:
            try:
                key = self.projection.key_of(one.event)
            except Exception as error:  # noqa: BLE001 - a pure function: it will fail again
                await self._note(Failure.at(unplaced(one), one, 0, error))
                continue
            if key is not None:
                parts.setdefault(key, []).append(one)
        return parts

    async def _note(self, failure: Failure) -> Mark:
        if self._parking is None:
            raise failure.error
        return await self._parking.note(failure)

    async def _apply(self, key: Key, part: list[Recorded]) -> Row | None:
        fresh = 1 in sort_out(self.projection, key, part).by_number
        generation = max(one.generation for one in part)
        for attempt in range(ATTEMPTS):
            # A part that begins at its first event most often belongs to a new row: try that
            # without reading; the condition of the write finds out.
            looked = attempt > 0 or not fresh
            stored = await self.rows.get(key) if looked else None
            held = stored if stored and stored.generation >= generation else Held[Row]()
            if held.mark:
                return None
            ready, failure = await self._ready(key, held, part)
            changed, failed = fold_on(self.projection, key, held, ready)
            failure = failed or failure
            if changed is held and failure is None:
                return None
            if failure and not looked:
                continue  # only what was seen is parked
            try:
                if await self._put(key, changed, failure, stored):
                    return None if changed is held else changed.row
            except TooLarge as error:
                if looked:
                    return await self._less(key, stored, held, ready, part, error)
            if attempt:
                await asyncio.sleep(random.uniform(0, PAUSE * 2**attempt))  # noqa: S311
        raise Busy(f"row {key} of {self.projection.name} is contended")

    async def _put(
        self, key: Key, held: Held[Row], failure: Failure | None, stored: Held[Row] | None
    ) -> bool:
        if failure is None:
            return await self.rows.put(key, held, stored)
        generation = max(held.generation, failure.generation)
        marked = replace(held, mark=await self._note(failure), generation=generation)
        return await self._put_marked(key, marked, stored)

    async def _put_marked(self, key: Key, held: Held[Row], stored: Held[Row] | None) -> bool:
        """The mark finds room in any case; a row that had to go is folded anew by a retry."""
        try:
            return await self.rows.put(key, held, stored)
        except TooLarge:
            emptied = Held[Row](generation=held.generation, mark=held.mark)
            return await self.rows.put(key, emptied, stored)

    async def _less(
        self,
        key: Key,
        stored: Held[Row] | None,
        held: Held[Row],
        ready: list[Recorded],
        part: list[Recorded],
        error: TooLarge,
    ) -> Row | None:
        """Bring a row that would be too large as far as it goes, half of the events at a time."""
        if len(ready) > 1:
            before = await self._apply(key, ready[: len(ready) // 2])
            return await self._apply(key, part) or before
        failure = Failure.at(key, ready[0], held.applied + 1, error)
        if not await self._put(key, held, failure, stored):
            raise Busy(f"row {key} of {self.projection.name} is contended")
        return None

    async def _ready(
        self, key: Key, held: Held[Row], part: list[Recorded]
    ) -> tuple[list[Recorded], Failure | None]:
        """The events that come next, without gap or repetition; none of an older generation.

        The failure is that of the event after them, if it cannot be placed.
        """
        generation = max([one.generation for one in part] + [held.generation])
        known = [
            one
            for one in part
            if one.generation == generation and one.event.originator_version > held.stream_version
        ]
        found = sort_out(self.projection, key, known)
        ready = found.following(held.applied)
        if not found.barriers and found.last <= held.applied + len(ready):
            return ready, None
        wanted, found = found.last, await self._read(key, held, known)
        ready = found.following(held.applied)
        version = ready[-1].event.originator_version if ready else held.stream_version
        if wanted <= held.applied + len(ready) and not found.barrier(version, own=True):
            return ready, None
        return ready, self._barred(key, known[0], held.applied + len(ready) + 1, found, version)

    def _barred(self, key: Key, one: Recorded, number: int, found: Found, version: int) -> Failure:
        barrier = found.barrier(version)
        if barrier is None:
            raise StoreUnavailable(f"the store does not hold what row {key} misses")
        stream, generation = one.event.originator_id, one.generation
        return Failure(
            key, stream, barrier.version, number, generation, barrier.error, barrier.recorded
        )

    async def _read(self, key: Key, held: Held[Row], known: list[Recorded]) -> Found:
        """Of any generation: what a restored store keeps of those before is still true."""
        after = max(held.stream_version, self.projection.before_first(key))
        last = max(known, key=lambda one: one.event.originator_version).event
        events, unreadable = await read_around(
            self.source, last.originator_id, after=after, up_to=last.originator_version
        )
        return sort_out(self.projection, key, events, unreadable)


def unplaced(one: Recorded) -> Key:
    return (UNPLACED, one.event.originator_id, one.event.originator_version)


def fold_on(
    projection: Projection[Row], key: Key, held: Held[Row], ready: Sequence[Recorded]
) -> tuple[Held[Row], Failure | None]:
    """The row after these events, or up to the one that fails."""
    row, applied, failure = held.row, held.applied, None
    for one in ready:
        try:
            folded = projection.step(row, one)
        except Exception as error:  # noqa: BLE001 - a pure function: it will fail again
            failure = Failure.at(key, one, applied + 1, error)
            break
        applied += 1
        row = folded.model_copy(
            update={
                "applied": applied,
                "stream_version": one.event.originator_version,
                "generation": one.generation,
            }
        )
    if row is None or row is held.row:
        return held, failure
    return Held.of(row), failure
