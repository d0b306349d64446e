"""In-memory ports of the gate: rows under its condition, and a store to fill gaps from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from domain.kernel.recorded import Recorded
from projections.kernel.gate import Key


class MemoryRows:
    """``pauses``: lets others run at every call, so that rivals interleave.

    Rows are compared by what the stored condition compares: number applied and generation.
    """

    def __init__(self, *, pauses: bool = False) -> None:
        self.rows: dict[Key, Any] = {}
        self.reads = self.puts = 0
        self._pauses = pauses

    async def get(self, key: Key) -> Any | None:
        self.reads += 1
        if self._pauses:
            await asyncio.sleep(0)
        return self.rows.get(key)

    async def put(self, row: Any, previous: Any | None) -> bool:
        self.puts += 1
        if self._pauses:
            await asyncio.sleep(0)
        key = (row.device_id, row.number) if hasattr(row, "number") else (row.device_id,)
        if _place(self.rows.get(key)) != _place(previous):
            return False
        self.rows[key] = row
        return True


def _place(row: Any | None) -> tuple[int, int] | None:
    return None if row is None else (row.generation, row.applied)


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
