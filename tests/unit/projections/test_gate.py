"""The gate, case by case: what it reads, writes and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from domain.devices.lane import LANE
from domain.kernel.errors import Busy, StoreUnavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel import gate as gates
from projections.kernel.gate import ATTEMPTS, Gate, Key
from tests.support.gated import HistorySource, MemoryRows
from tests.support.given import CONTEXT, STREAM_ID, given
from tests.support.streams import accepted, opened, received, sent, succeeded

KEY: Key = (STREAM_ID, 2)
HISTORY = given(LANE, opened(), accepted(), sent(), received(), succeeded(second=5)).history


def recorded(*versions: int, generation: int = 1) -> list[Recorded]:
    events: list[Event] = [HISTORY[version - 1] for version in versions]
    return [Recorded(event, CONTEXT, "commit", generation) for event in events]


EVERYTHING = recorded(1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "PAUSE", 0)


def gate_over(rows: MemoryRows, source: HistorySource | None = None) -> Gate[Any]:
    return Gate(REMOTE_COMMANDS, rows, source or HistorySource(EVERYTHING))


async def test_events_of_no_row_are_passed_over() -> None:
    rows = MemoryRows()
    assert await gate_over(rows).apply(recorded(1)) == []
    assert (rows.reads, rows.puts) == (0, 0)


async def test_a_new_row_costs_one_write_and_no_read() -> None:
    rows, source = MemoryRows(), HistorySource(EVERYTHING)
    (row,) = await gate_over(rows, source).apply(recorded(2, 3, 4, 5))
    assert (row.status, row.applied, row.stream_version) == ("SUCCEEDED", 4, 5)
    assert (rows.reads, rows.puts, source.reads) == (0, 1, 0)


async def test_the_next_event_costs_one_read_and_one_write() -> None:
    rows, source = MemoryRows(), HistorySource(EVERYTHING)
    gate = gate_over(rows, source)
    await gate.apply(recorded(2))
    await gate.apply(recorded(3))
    assert (rows.reads, rows.puts, source.reads) == (1, 2, 0)


async def test_a_repeated_event_changes_nothing() -> None:
    rows = MemoryRows()
    gate = gate_over(rows)
    await gate.apply(recorded(2, 3))
    assert await gate.apply(recorded(3)) == []
    assert await gate.apply(recorded(2, 3)) == []
    assert rows.rows[KEY].applied == 2


async def test_a_gap_is_filled_from_the_store() -> None:
    rows, source = MemoryRows(), HistorySource(EVERYTHING)
    await gate_over(rows, source).apply(recorded(5))
    assert rows.rows[KEY].status == "SUCCEEDED"
    assert [entry["step"] for entry in rows.rows[KEY].history] == [1, 2, 3, 4]
    assert source.reads == 1


async def test_a_gap_reads_only_what_the_row_misses() -> None:
    asked: list[tuple[int, int | None]] = []

    class Watching(HistorySource):
        async def read(
            self, stream: str, *, after: int = 0, up_to: int | None = None
        ) -> list[Recorded]:
            asked.append((after, up_to))
            return await super().read(stream, after=after, up_to=up_to)

    rows = MemoryRows()
    gate = gate_over(rows, Watching(EVERYTHING))
    await gate.apply(recorded(5))
    await gate.apply(recorded(2))
    del rows.held[KEY]
    await gate.apply(recorded(2, 3))
    await gate.apply(recorded(5))
    assert asked == [(1, 5), (3, 5)]


@pytest.mark.parametrize("held", [[], [2], [2, 3], [1, 2, 4]])
async def test_a_gap_that_the_store_cannot_fill_is_told_not_dropped(held: list[int]) -> None:
    rows = MemoryRows()
    gate = gate_over(rows, HistorySource(recorded(*held)))
    with pytest.raises(StoreUnavailable):
        await gate.apply(recorded(5))
    assert not rows.rows


async def test_a_row_that_is_always_overtaken_ends_as_busy() -> None:
    class Contended(MemoryRows):
        async def put(self, key: Key, held: Any, previous: Any | None) -> bool:
            self.puts += 1
            return False

    rows = Contended()
    with pytest.raises(Busy):
        await gate_over(rows).apply(recorded(2))
    assert rows.puts == ATTEMPTS


async def test_an_event_of_a_newer_generation_begins_the_row_anew() -> None:
    rows = MemoryRows()
    await gate_over(rows).apply(recorded(2, 3, 4, 5))
    source = HistorySource([*recorded(1, 2), *recorded(3, generation=2)])
    await gate_over(rows, source).apply(recorded(3, generation=2))
    row = rows.rows[KEY]
    assert (row.status, row.applied, row.generation) == ("SENT", 2, 2)


async def test_an_event_of_an_older_generation_is_dropped() -> None:
    rows = MemoryRows()
    await gate_over(rows).apply(recorded(2, 3, generation=2))
    assert await gate_over(rows).apply(recorded(4, 5)) == []
    assert rows.rows[KEY].applied == 2


async def test_in_a_batch_of_two_generations_only_the_newer_counts() -> None:
    rows = MemoryRows()
    source = HistorySource([*recorded(1, 2), *recorded(3, generation=2)])
    await gate_over(rows, source).apply([*recorded(4, 5), *recorded(3, generation=2)])
    assert (rows.rows[KEY].applied, rows.rows[KEY].generation) == (2, 2)


async def test_rows_of_one_batch_are_written_once_each() -> None:
    history = given(LANE, opened(), accepted(), accepted(), sent(2), sent(3)).history
    events = [Recorded(event, CONTEXT, "commit") for event in history]
    rows = MemoryRows()
    changed = await gate_over(rows, HistorySource(events)).apply(events)
    assert {row.number for row in changed} == {2, 3}
    assert rows.puts == 2
