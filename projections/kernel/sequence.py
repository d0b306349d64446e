"""Which events of a row come next, and which event bars the way.

An event that cannot be read, or whose row cannot be told, bars the way of a row only if that row
misses a number: it may as well belong to another row of the stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from domain.kernel.errors import ContractError
from domain.kernel.recorded import Recorded

if TYPE_CHECKING:
    from projections.kernel.gate import Key, Projection, Source

MOST_BARRIERS = 4
"""Unreadable events looked past within one gap, so that a stream of nothing else costs little."""
CHUNK = 100


@dataclass(frozen=True)
class Barrier:
    """``own``: known to belong to the row, only its number is not."""

    version: int
    error: Exception
    own: bool = False
    recorded: Recorded | None = None


@dataclass
class Found:
    """Events of one row by their number, and those that cannot be placed."""

    by_number: dict[int, Recorded] = field(default_factory=dict)
    barriers: list[Barrier] = field(default_factory=list)

    @property
    def last(self) -> int:
        return max(self.by_number, default=0)

    def following(self, applied: int) -> list[Recorded]:
        """What comes after this number, without gap."""
        ready = []
        while applied + 1 in self.by_number:
            applied += 1
            ready.append(self.by_number[applied])
        return ready

    def barrier(self, beyond: int, *, own: bool = False) -> Barrier | None:
        """The first one beyond this stream version."""
        there = [one for one in self.barriers if one.version > beyond and (one.own or not own)]
        return min(there, key=lambda one: one.version, default=None)


def sort_out(
    projection: Projection[Any],
    key: Key,
    recorded: Iterable[Recorded],
    unreadable: Sequence[Barrier] = (),
) -> Found:
    found = Found(barriers=list(unreadable))
    for one in recorded:
        own = False
        try:
            own = projection.key_of(one.event) == key
            if own:
                found.by_number[projection.number_of(one.event)] = one
        except Exception as error:  # noqa: BLE001 - pure functions: it will fail again
            version = one.event.originator_version
            found.barriers.append(Barrier(version, error, own, one))
    return found


async def read_around(
    source: Source, stream: str, *, after: int, up_to: int
) -> tuple[list[Recorded], list[Barrier]]:
    """All that can be read of a span, found by halving it where it cannot be read as a whole."""
    try:
        return await source.read(stream, after=after, up_to=up_to), []
    except ContractError as error:
        refused = error
    if up_to - after == 1:
        return [], [Barrier(up_to, refused)]
    middle = (after + up_to) // 2
    events, barriers = await read_around(source, stream, after=after, up_to=middle)
    if len(barriers) < MOST_BARRIERS:
        more = await read_around(source, stream, after=middle, up_to=up_to)
        events, barriers = events + more[0], barriers + more[1]
    return events, barriers or _hole(after, events, refused)


def _hole(after: int, events: Sequence[Recorded], error: ContractError) -> list[Barrier]:
    """Each half can be read, the whole cannot: an event between them is missing."""
    there = {one.event.originator_version for one in events}
    missing = next((v for v in range(after + 1, max(there, default=0)) if v not in there), None)
    return [] if missing is None else [Barrier(missing, error)]


async def read_on(
    source: Source, stream: str, *, after: int
) -> AsyncIterator[tuple[list[Recorded], list[Barrier]]]:
    """The rest of a stream, piece by piece."""
    while True:
        events, barriers = await read_around(source, stream, after=after, up_to=after + CHUNK)
        if not events and not barriers:
            return
        yield events, barriers
        after += CHUNK
