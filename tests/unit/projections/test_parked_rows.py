"""What an operator does about parked rows: retry, skip, drop, and what is written down of it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.kernel.errors import Busy, StoreUnavailable
from domain.kernel.recorded import Recorded
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel import gate as gates
from projections.kernel.gate import Gate, Held, Key, Projection
from projections.kernel.parked_rows import NotParked, ParkedRows
from projections.kernel.parking import ACTIONS_MAX, Entry, ParkedRowNotFound, Status
from tests.support.gated import HistorySource, MemoryRegistry, MemoryRows, parked_rows, parking_lot
from tests.unit.projections.test_parking import (
    EVERYTHING,
    HISTORY,
    KEY,
    ROW,
    Unreadable,
    poisoned,
    recorded,
)

WHO = "cli:anna"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "PAUSE", 0)


class Desk:
    """Parked rows, projectors whose code can be mended, and an operator."""

    def __init__(self, *, source: HistorySource | None = None) -> None:
        self.rows, self.idle, self.registry = MemoryRows(), MemoryRows(), MemoryRegistry()
        self.source = source or HistorySource(EVERYTHING)

    def gate(self, projection: Projection[Any], rows: MemoryRows | None = None) -> Gate[Any]:
        return Gate(projection, rows or self.rows, self.source, parking_lot(self.registry))

    def operator(self, projection: Projection[Any] = REMOTE_COMMANDS) -> ParkedRows:
        idle = self.gate(projection, self.idle)
        return parked_rows(self.registry, (self.gate(projection), idle))

    @property
    def row(self) -> Any:
        return self.rows.rows.get(KEY)

    @property
    def entry(self) -> Entry:
        return self.registry.entries["remote_commands", ROW]


async def parked_at(*versions: int, function: str = "fold") -> Desk:
    """All events were delivered; later ones of the row were passed over."""
    desk = Desk()
    broken = desk.gate(poisoned(function, *versions))
    for one in EVERYTHING[1:]:
        await broken.apply([one])
    assert set(desk.rows.parked) == {KEY}
    return desk


@pytest.mark.parametrize("function", ["fold", "key_of", "number_of"])
@pytest.mark.parametrize("version", [2, 3, 4])
async def test_a_retry_with_mended_code_gives_the_row_of_in_order_delivery(
    version: int, function: str
) -> None:
    desk, orderly = await parked_at(version, function=function), Desk()
    await orderly.gate(REMOTE_COMMANDS).apply(EVERYTHING)
    entry = await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert desk.rows.rows == orderly.rows.rows
    assert not desk.rows.parked
    assert (entry.status, entry.expires_at() is None) == (Status.RETRIED, False)
    assert [(one.who, one.what, one.outcome) for one in entry.actions] == [(WHO, "retry", "done")]
    async for left in desk.operator().every():  # an event that could not tell its row
        await desk.operator().retry(left.model, left.row, who=WHO)
    assert await desk.operator().counts() == {"remote_commands": 0}
    assert desk.rows.rows == orderly.rows.rows


async def test_a_retry_that_fails_again_keeps_the_row_parked_and_counts() -> None:
    desk = await parked_at(3)
    before = desk.row
    entry = await desk.operator(poisoned("fold", 3)).retry("remote_commands", ROW, who=WHO)
    assert (entry.status, entry.attempts) == (Status.PARKED, 2)
    assert entry.actions[-1].outcome == "parked again"
    assert desk.row == before
    assert desk.rows.parked[KEY].version == 3
    assert entry.first_at < entry.last_at


async def test_a_retry_may_get_further_and_be_parked_by_a_later_event() -> None:
    desk = await parked_at(3, 5)
    entry = await desk.operator(poisoned("fold", 5)).retry("remote_commands", ROW, who=WHO)
    assert (entry.version, entry.status) == (5, Status.PARKED)
    assert desk.row.applied == 3


async def test_a_row_that_a_projector_parks_before_the_retry_is_noted_stays_parked() -> None:
    desk = Desk(source=HistorySource(recorded(1, 2, 3)))
    await desk.gate(poisoned("fold", 3)).apply(recorded(2, 3))
    operator, show = desk.operator(), desk.operator().show
    shown = 0

    async def overtaken(model: str, row: str) -> Entry:
        nonlocal shown
        shown += 1
        if shown == 3:  # the retry has ended well, and says so next
            desk.source.events += recorded(4)
            await desk.gate(poisoned("fold", 4)).apply(recorded(4))
        return await show(model, row)

    operator.show = overtaken  # type: ignore[method-assign]
    entry = await operator.retry("remote_commands", ROW, who=WHO)
    assert desk.rows.parked[KEY].version == 4
    assert (entry.status, entry.version) == (Status.PARKED, 4)
    assert entry.actions[-1].outcome == "parked again"
    entry = await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert (entry.status, desk.row.applied) == (Status.RETRIED, 3)


async def test_a_skip_goes_on_without_the_event() -> None:
    desk = await parked_at(4)
    entry = await desk.operator(poisoned("fold", 4)).skip("remote_commands", ROW, who=WHO)
    assert (entry.status, entry.actions[-1].what) == (Status.SKIPPED, "skip")
    assert (desk.row.status, desk.row.applied, desk.row.stream_version) == ("SUCCEEDED", 4, 5)
    assert [one["step"] for one in desk.row.history] == [1, 2, 4]
    again = desk.gate(poisoned("fold", 4))
    assert await again.apply(recorded(4)) == [], "a repetition by now"
    assert not desk.rows.parked


async def test_a_skipped_event_may_leave_a_later_one_in_the_lurch() -> None:
    desk = await parked_at(2)
    entry = await desk.operator(poisoned("fold", 2)).skip("remote_commands", ROW, who=WHO)
    assert (entry.status, entry.version, entry.error) == (Status.PARKED, 3, "AssertionError")
    assert entry.actions[-1].outcome == "parked again"
    held = desk.rows.held[KEY]
    assert (held.row, held.applied, held.stream_version) == (None, 1, 2)


async def test_a_skip_passes_over_what_cannot_be_read() -> None:
    desk = Desk(source=Unreadable(EVERYTHING, 4))
    await desk.gate(REMOTE_COMMANDS).apply(recorded(5))
    entry = await desk.operator().skip("remote_commands", ROW, who=WHO)
    assert entry.status is Status.SKIPPED
    assert (desk.row.status, desk.row.applied) == ("SUCCEEDED", 4)


async def test_a_dropped_row_stands_until_it_is_retried() -> None:
    desk = await parked_at(4)
    operator, before = desk.operator(), desk.row
    entry = await operator.drop("remote_commands", ROW, who=WHO)
    assert (entry.status, entry.expires_at()) == (Status.DROPPED, None)
    assert desk.rows.parked[KEY].dropped
    assert await operator.list() == ([], None)
    assert await desk.gate(REMOTE_COMMANDS).apply(EVERYTHING[1:5]) == []
    assert desk.row == before
    with pytest.raises(NotParked):
        await operator.drop("remote_commands", ROW, who=WHO)
    entry = await operator.retry("remote_commands", ROW, who="token:T")
    assert (entry.status, desk.row.status) == (Status.RETRIED, "SUCCEEDED")
    assert [one.what for one in entry.actions] == ["drop", "retry"]


async def test_what_goes_on_is_neither_retried_nor_skipped_nor_dropped() -> None:
    desk = await parked_at(4)
    operator = desk.operator()
    await operator.retry("remote_commands", ROW, who=WHO)
    for act in (operator.retry, operator.skip, operator.drop):
        with pytest.raises(NotParked):
            await act("remote_commands", ROW, who=WHO)
        with pytest.raises(ParkedRowNotFound):
            await act("remote_commands", "nothing.1", who=WHO)
        with pytest.raises(ParkedRowNotFound):
            await act("nothing", ROW, who=WHO)


async def test_an_event_without_a_row_is_placed_by_a_retry() -> None:
    desk = Desk()
    await desk.gate(poisoned("key_of", 2)).apply(recorded(2))
    [entry], _ = await desk.operator().list()
    still = await desk.operator(poisoned("key_of", 2)).retry(entry.model, entry.row, who=WHO)
    assert (still.status, still.attempts) == (Status.PARKED, 2)
    done = await desk.operator().retry(entry.model, entry.row, who=WHO)
    assert (done.status, desk.row.applied) == (Status.RETRIED, 1)
    assert not desk.idle.held


async def test_an_event_without_a_row_can_be_let_go() -> None:
    desk = Desk()
    await desk.gate(poisoned("key_of", 2)).apply(recorded(2))
    [entry], _ = await desk.operator().list()
    done = await desk.operator().skip(entry.model, entry.row, who=WHO)
    assert done.status is Status.SKIPPED
    assert not desk.rows.held


async def test_events_that_come_while_the_mark_is_taken_away_are_not_lost() -> None:
    """A projector passes them over because of the mark that it has just read."""
    desk = await parked_at(3)
    mended = desk.gate(REMOTE_COMMANDS)
    last = desk.source.events.pop()
    late = HISTORY[4]
    desk.source.events = [one for one in desk.source.events if one.event is not late]
    put = desk.rows.put

    async def put_after_an_event(key: Key, held: Held[Any], previous: Any) -> bool:
        if previous is not None and previous.mark is not None and held.mark is None:
            desk.source.events += [Recorded(late, last.context, "commit")]
            assert await mended.apply(recorded(5)) == [], "passed over"
        return await put(key, held, previous)

    desk.rows.put = put_after_an_event  # type: ignore[method-assign]
    await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert desk.row.status == "SUCCEEDED"


async def test_a_retry_that_ended_between_is_ended_by_the_next_one() -> None:
    desk = await parked_at(3)
    read = desk.source.read

    async def away(*_: Any, **__: Any) -> list[Recorded]:
        raise StoreUnavailable("away")

    desk.source.read = away  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert not desk.rows.parked
    assert desk.entry.status is Status.PARKED
    assert desk.entry.actions[-1].outcome == "failed: store_unavailable"
    desk.source.read = read  # type: ignore[method-assign]
    entry = await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert (entry.status, desk.row.status) == (Status.RETRIED, "SUCCEEDED")


async def test_a_row_that_others_keep_changing_ends_as_busy() -> None:
    desk = await parked_at(3)

    async def overtaken(*_: Any) -> bool:
        return False

    desk.rows.put = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(Busy):
        await desk.operator().retry("remote_commands", ROW, who=WHO)
    with pytest.raises(Busy):
        await desk.operator().drop("remote_commands", ROW, who=WHO)


async def test_both_slots_go_on_where_both_are_stopped() -> None:
    desk = await parked_at(3)
    await desk.gate(poisoned("fold", 4), desk.idle).apply(recorded(2, 3, 4))
    entry = await desk.operator().retry("remote_commands", ROW, who=WHO)
    assert entry.status is Status.RETRIED
    assert desk.idle.rows[KEY] == desk.row
    assert not desk.idle.parked


async def test_actions_are_kept_within_bounds() -> None:
    desk = await parked_at(3)
    for _ in range(ACTIONS_MAX + 5):
        await desk.operator(poisoned("fold", 3)).retry("remote_commands", ROW, who=WHO)
    assert len(desk.entry.actions) == ACTIONS_MAX
    assert desk.entry.attempts == ACTIONS_MAX + 6


async def test_the_list_is_paged_over_models_and_rows() -> None:
    desk = await parked_at(3)
    for number in range(5):
        entry = desk.entry.model_copy(update={"row": f"b.{number}", "revision": 1})
        assert await desk.registry.put(entry)
    operator, seen, after = desk.operator(), list[str](), ""
    while True:
        page, more = await operator.list(limit=4, after=after)
        seen += [one.row for one in page]
        if more is None:
            break
        after = more
    assert seen == [ROW, "b.0", "b.1", "b.2", "b.3", "b.4"]
    assert [one.row async for one in operator.every("remote_commands")] == seen
    assert await operator.list(model="devices") == ([], None)
