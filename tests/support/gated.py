"""In-memory ports of the gate: rows under its condition, and a store to fill gaps from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.kernel.errors import TooLarge
from domain.kernel.recorded import Recorded
from projections.kernel.failures import Mark
from projections.kernel.gate import Gate, Held, Key
from projections.kernel.parked_rows import ParkedRows
from projections.kernel.parking import Entry, ParkingLot, Status
from projections.kernel.slots import ModelState, Pointer, Slot, Slotted


class MemoryRows:
    """``pauses``: lets others run at every call, so that rivals interleave. ``largest``: bytes of
    a row and its mark that are stored.

    What is held is compared by what the stored condition compares: number applied, generation
    and mark.
    """

    def __init__(self, *, pauses: bool = False, largest: int | None = None) -> None:
        self.held: dict[Key, Held[Any]] = {}
        self.reads = self.puts = 0
        self._pauses = pauses
        self._largest = largest

    @property
    def rows(self) -> dict[Key, Any]:
        """What readers see."""
        return {key: held.row for key, held in self.held.items() if held.row is not None}

    @property
    def parked(self) -> dict[Key, Mark]:
        return {key: held.mark for key, held in self.held.items() if held.mark is not None}

    async def get(self, key: Key) -> Held[Any] | None:
        self.reads += 1
        if self._pauses:
            await asyncio.sleep(0)
        return self.held.get(key)

    async def put(self, key: Key, held: Held[Any], previous: Held[Any] | None) -> bool:
        self.puts += 1
        if self._pauses:
            await asyncio.sleep(0)
        if self._largest is not None and _size(held) > self._largest:
            raise TooLarge("too large")
        if _place(self.held.get(key)) != _place(previous):
            return False
        self.held[key] = held
        return True


def _place(held: Held[Any] | None) -> tuple[int, int, datetime | None] | None:
    if held is None:
        return None
    return held.generation, held.applied, held.mark.at if held.mark else None


def _size(held: Held[Any]) -> int:
    return sum(len(one.model_dump_json()) for one in (held.row, held.mark) if one is not None)


class HistorySource:
    """A store that holds just these events, of one stream or several."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.events = list(events)
        self.reads = 0

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None
    ) -> list[Recorded]:
        self.reads += 1
        return [
            one
            for one in self.events
            if one.event.originator_id == stream
            and after < one.event.originator_version
            and (up_to is None or one.event.originator_version <= up_to)
        ]


class MemoryRegistry:
    """The registry of parked rows, under its condition."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}

    async def get(self, model: str, row: str) -> Entry | None:
        return self.entries.get((model, row))

    async def put(self, entry: Entry) -> bool:
        key = (entry.model, entry.row)
        known = self.entries.get(key)
        if entry.revision != (known.revision if known else 0) + 1:
            return False
        self.entries[key] = entry
        return True

    async def list(
        self, model: str, *, limit: int, after: str = "", everything: bool = False
    ) -> list[Entry]:
        found = [
            one
            for (of, row), one in sorted(self.entries.items())
            if of == model and row > after and (everything or one.status is Status.PARKED)
        ]
        return found[:limit]

    async def count(self, model: str) -> int:
        return len(await self.list(model, limit=len(self.entries)))


class Ticking:
    """A clock that never tells the same time twice."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


TICKING = Ticking()


class Subjects:
    """Of the published event, no more than where it stands."""

    async def published(self, stream: str, version: int) -> dict[str, Any] | None:
        return {"subject": stream, "sequence": str(version)}


async def only_blue() -> dict[str, ModelState]:
    return {}


def parked_rows(registry: MemoryRegistry, *gates: tuple[Gate[Any], Gate[Any]]) -> ParkedRows:
    """``gates``: of each model the live one (blue) and the idle one."""
    models = {
        live.projection.name: Slotted(
            live.projection.name, {Slot.BLUE: live, Slot.GREEN: idle}, Pointer(only_blue)
        )
        for live, idle in gates
    }
    return ParkedRows(models, registry=registry, clock=TICKING)


def parking_lot(registry: MemoryRegistry, model: str = "remote_commands") -> ParkingLot:
    return ParkingLot(model, registry=registry, published=Subjects(), clock=TICKING)
