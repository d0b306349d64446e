"""What an operator may do about a parked row, safe beside projectors that work on the same row.

Taking the mark away is one conditional write; after it the store is read for all that was passed
over meanwhile, and applied through the gate, which parks the row again if it has to. A crash
between leaves a row that merely lags; the registry still lists it, and another retry ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain.kernel.errors import Busy
from domain.kernel.recorded import Recorded
from projections.kernel.failures import Mark
from projections.kernel.gate import Gate, Held, Key, Projection, Row
from projections.kernel.sequence import read_around, read_on

ATTEMPTS = 6


async def resume(gate: Gate[Row], key: Key, stream: str, *, skip: str = "") -> bool:
    """Whether the row goes on. ``skip``: id of the event to pass over, if it is what bars the way.

    A row that is not there has nothing to go on with.
    """
    held = await _unmarked(gate, key, skip)
    if held is None:
        return True
    after = max(held.stream_version, gate.projection.before_first(key))
    async for events, _ in read_on(gate.source, stream, after=after):
        await gate.apply(_of_row(gate.projection, key, events))
    now = await gate.rows.get(key)
    return now is None or now.mark is None


async def _unmarked(gate: Gate[Row], key: Key, skip: str) -> Held[Row] | None:
    for _ in range(ATTEMPTS):
        held = await gate.rows.get(key)
        if held is None or held.mark is None:
            return held
        freed = _beyond(held, held.mark) if held.mark.event == skip else replace(held, mark=None)
        if await gate.rows.put(key, freed, held):
            return freed
    raise Busy(f"row {key} of {gate.projection.name} is contended")


def _beyond(held: Held[Row], mark: Mark) -> Held[Row]:
    applied, version = held.applied + 1, mark.version
    if held.row is None:
        return Held(None, applied, version, held.generation)
    moved_on = {"applied": applied, "stream_version": version, "generation": held.generation}
    return Held.of(held.row.model_copy(update=moved_on))


def _of_row(projection: Projection[Row], key: Key, recorded: Sequence[Recorded]) -> list[Recorded]:
    """Without events that cannot be placed: the gate finds those in a gap."""
    mine = []
    for one in recorded:
        try:
            if projection.key_of(one.event) == key:
                mine.append(one)
        except Exception:  # noqa: BLE001, S112 - a pure function: it will fail again
            continue
    return mine


async def place(gate: Gate[Row], stream: str, version: int) -> bool:
    """Apply an event that could not tell its row; whether it can by now."""
    events, unreadable = await read_around(gate.source, stream, after=version - 1, up_to=version)
    await gate.apply(events)
    try:
        for one in events:
            gate.projection.key_of(one.event)
    except Exception:  # noqa: BLE001 - as above
        return False
    return not unreadable


async def drop(gate: Gate[Row], key: Key, at: datetime) -> None:
    """The row stays as it is, until a rebuild or a retry."""
    for _ in range(ATTEMPTS):
        held = await gate.rows.get(key)
        if held is None or held.mark is None or held.mark.dropped:
            return
        mark = held.mark.model_copy(update={"dropped": True, "at": at})
        if await gate.rows.put(key, replace(held, mark=mark), held):
            return
    raise Busy(f"row {key} of {gate.projection.name} is contended")
