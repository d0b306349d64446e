"""A scan of the store beside the live events gives what a plain fold gives; so do the counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from projections.devices.counters import changes, counted
from projections.devices.devices import DEVICES
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel.gate import Gate, Held, Key
from projections.kernel.rebuild import by_stream
from tests.properties.test_gate import (
    Batches,
    deliveries,
    device_histories,
    in_order,
    recorded,
)
from tests.support.gated import HistorySource, MemoryRows
from tests.support.streams import histories


@st.composite
def scans(draw: st.DrawFn, events: list[Recorded]) -> Batches:
    """The events in order, cut into pages anywhere; what was stored after the scan is missing."""
    seen = events[: draw(st.integers(0, len(events)))]
    size = draw(st.integers(1, 8))
    pages = [seen[at : at + size] for at in range(0, len(seen), size)]
    return [part for page in pages for part in by_stream(page)]


@given(histories(longest=30), st.data())
def test_scan_and_live_events_commute(history: list[Event], data: st.DataObject) -> None:
    events = recorded(history)
    scanned, live = data.draw(scans(events)), data.draw(deliveries(events))
    rows = MemoryRows(pauses=True)
    gate = Gate(REMOTE_COMMANDS, rows, HistorySource(events))

    async def feed(batches: Batches) -> None:
        for batch in batches:
            await gate.apply(batch)

    async def run() -> None:
        await asyncio.gather(feed(scanned), feed(live))

    asyncio.run(run())
    assert rows.rows == in_order(REMOTE_COMMANDS, history)


class CountedRows(MemoryRows):
    """Counts as the table does: with every write that takes place."""

    def __init__(self) -> None:
        super().__init__(pauses=True)
        self.counters: Counter[str] = Counter()

    async def put(self, key: Key, held: Held[Any], previous: Held[Any] | None) -> bool:
        done = await super().put(key, held, previous)
        if done:
            self.counters.update(changes(previous.row if previous else None, held.row))
        return done


@given(st.data())
def test_counters_equal_a_recount_after_any_shuffle_with_repetitions(data: st.DataObject) -> None:
    history = data.draw(device_histories())
    events = recorded(history)
    mine, theirs = data.draw(deliveries(events)), data.draw(deliveries(events))
    rows = CountedRows()
    gate = Gate(DEVICES, rows, HistorySource(events))

    async def feed(batches: Batches) -> None:
        for batch in batches:
            await gate.apply(batch)

    async def run() -> None:
        await asyncio.gather(feed(mine), feed(theirs))

    asyncio.run(run())
    recount: Counter[str] = Counter()
    for row in rows.rows.values():
        recount.update(counted(row))
    assert +rows.counters == recount
    assert not -rows.counters
