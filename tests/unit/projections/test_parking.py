"""A row that cannot go on is parked, up to the event that stops it; everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from domain.devices.device import DeviceNotFound
from domain.devices.lane import LANE
from domain.kernel.errors import Busy, ContractError, StoreUnavailable, VersionConflict
from domain.kernel.event import Event
from domain.kernel.machine import IllegalMoveError
from domain.kernel.recorded import Recorded
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow
from projections.kernel import gate as gates
from projections.kernel.failures import said_by
from projections.kernel.gate import Gate, Key, Projection
from projections.kernel.parking import Status
from tests.support.gated import HistorySource, MemoryRegistry, MemoryRows, parking_lot
from tests.support.given import CONTEXT, STREAM_ID, given
from tests.support.streams import accepted, opened, received, sent, succeeded

KEY: Key = (STREAM_ID, 2)
OTHER: Key = (STREAM_ID, 6)
ROW = f"{STREAM_ID}.2"
HISTORY = given(
    LANE, opened(), accepted(), sent(), received(), succeeded(second=5), accepted()
).history
EVERYTHING = [Recorded(event, CONTEXT, "commit") for event in HISTORY]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "PAUSE", 0)


def recorded(*versions: int, generation: int = 1) -> list[Recorded]:
    return [replace(EVERYTHING[version - 1], generation=generation) for version in versions]


class Poison(Exception):
    """A fold that fails."""


def poisoned(function: str, *versions: int, error: Exception | None = None) -> Projection[Any]:
    """Remote commands, with one function failing at events of these versions."""
    real: Callable[..., Any] = getattr(REMOTE_COMMANDS, function)

    def fails(*arguments: Any) -> Any:
        event: Event = arguments[-1]
        if event.originator_version in versions:
            raise error or Poison("0049 151")
        return real(*arguments)

    changed: dict[str, Any] = {function: fails}
    return replace(REMOTE_COMMANDS, **changed)


class Unreadable(HistorySource):
    """Events of these versions cannot be decoded, as in a store of newer code."""

    def __init__(self, events: list[Recorded], *versions: int) -> None:
        super().__init__(events)
        self.versions = set(versions)

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None
    ) -> list[Recorded]:
        found = await super().read(stream, after=after, up_to=up_to)
        if self.versions & {one.event.originator_version for one in found}:
            raise ContractError("unknown event type")
        return found


class Setting:
    def __init__(
        self,
        projection: Projection[Any] = REMOTE_COMMANDS,
        source: HistorySource | None = None,
        rows: MemoryRows | None = None,
    ) -> None:
        self.rows, self.registry = rows or MemoryRows(), MemoryRegistry()
        self.source = source or HistorySource(EVERYTHING)
        self.gate = Gate(projection, self.rows, self.source, parking_lot(self.registry))

    @property
    def entry(self) -> Any:
        return self.registry.entries["remote_commands", ROW]


@pytest.mark.parametrize(
    "error", [Poison("x"), IllegalMoveError("a → b"), AssertionError(), KeyError("x")]
)
async def test_a_fold_that_fails_parks_the_row_up_to_the_event_before(error: Exception) -> None:
    setting = Setting(poisoned("fold", 4, error=error))
    (row,) = await setting.gate.apply(recorded(2, 3, 4, 5))
    assert (row.applied, row.status) == (2, "SENT")
    held = setting.rows.held[KEY]
    assert (held.row, held.applied) == (row, 2)
    assert held.mark is not None
    assert held.mark.event == f"1:{HISTORY[3].originator_id}:4"
    assert (held.mark.number, held.mark.version) == (3, 4)
    assert held.mark.error == type(error).__name__


async def test_the_registry_tells_what_happened() -> None:
    setting = Setting(poisoned("fold", 4))
    await setting.gate.apply(recorded(2, 3, 4, 5))
    entry = setting.entry
    assert (entry.status, entry.attempts, entry.key) == (Status.PARKED, 1, KEY)
    assert (entry.error, entry.version, entry.number) == ("Poison", 4, 3)
    assert entry.correlation_id == CONTEXT.correlation_id
    assert entry.event == {"subject": HISTORY[0].originator_id, "sequence": "4"}
    assert entry.expires_at() is None
    assert "0049" not in entry.model_dump_json(), "what an error says may be personal"


async def test_a_first_event_that_fails_leaves_a_mark_without_a_row() -> None:
    setting = Setting(poisoned("fold", 2))
    assert await setting.gate.apply(recorded(2)) == []
    held = setting.rows.held[KEY]
    assert (held.row, held.applied, held.mark is None) == (None, 0, False)
    assert not setting.rows.rows


async def test_later_events_of_a_parked_row_are_passed_over_and_others_go_on() -> None:
    setting = Setting(poisoned("fold", 3))
    await setting.gate.apply(recorded(2, 3))
    before, puts = dict(setting.rows.held), setting.rows.puts
    assert await setting.gate.apply(recorded(4)) == []
    assert await setting.gate.apply(recorded(2, 3, 4, 5)) == []
    assert (setting.rows.held, setting.rows.puts) == (before, puts)
    assert setting.entry.attempts == 1
    (other,) = await setting.gate.apply(recorded(5, 6))
    assert other.number == 6


async def test_the_registry_is_written_before_the_mark_and_redelivery_mends_a_crash() -> None:
    setting = Setting(poisoned("fold", 3))
    await setting.gate.apply(recorded(2))
    put = setting.rows.put

    async def crashed(*_: Any) -> bool:
        raise StoreUnavailable("the process ended here")

    setting.rows.put = crashed  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        await setting.gate.apply(recorded(3))
    assert setting.entry.status is Status.PARKED
    assert not setting.rows.parked
    setting.rows.put = put  # type: ignore[method-assign]
    await setting.gate.apply(recorded(3))
    assert setting.rows.parked[KEY].version == 3
    assert setting.entry.attempts == 2


@pytest.mark.parametrize("function", ["key_of", "number_of"])
async def test_an_event_that_cannot_be_placed_parks_the_row_that_misses_it(function: str) -> None:
    setting = Setting(poisoned(function, 4))
    await setting.gate.apply(recorded(2, 3, 4))
    await setting.gate.apply(recorded(5))
    assert setting.rows.rows[KEY].applied == 2
    mark = setting.rows.parked[KEY]
    assert (mark.version, mark.number, mark.error) == (4, 3, "Poison")


async def test_an_event_without_a_row_is_noted_under_its_own_name() -> None:
    setting = Setting(poisoned("key_of", 4))
    assert await setting.gate.apply(recorded(4)) == []
    (entry,) = setting.registry.entries.values()
    assert entry.row == f"event.{HISTORY[3].originator_id}.4"
    assert not setting.rows.held


async def test_an_event_without_a_number_that_was_applied_is_a_repetition() -> None:
    setting = Setting()
    await setting.gate.apply(recorded(2, 3, 4, 5))
    broken = Gate(poisoned("number_of", 4), setting.rows, setting.source, setting.gate._parking)
    assert await broken.apply(recorded(4)) == []
    assert not setting.registry.entries


async def test_an_unreadable_event_parks_the_row_that_misses_it() -> None:
    setting = Setting(source=Unreadable(EVERYTHING, 4))
    await setting.gate.apply(recorded(5))
    assert setting.rows.rows[KEY].applied == 2
    mark = setting.rows.parked[KEY]
    assert (mark.version, mark.number, mark.error) == (4, 3, "ContractError")
    assert mark.message.startswith("unknown event type")


async def test_an_unreadable_event_that_no_row_misses_stops_nothing() -> None:
    history = given(LANE, opened(), accepted(), accepted(), sent(2), received(2)).history
    events = [Recorded(event, CONTEXT, "commit") for event in history]
    setting = Setting(source=Unreadable(events, 3))
    (row,) = await setting.gate.apply(events[-1:])
    assert (row.number, row.applied) == (2, 3)
    assert not setting.rows.parked


async def test_a_store_without_readable_events_is_given_up_soon() -> None:
    events = [Recorded(event, CONTEXT, "commit") for event in HISTORY]
    source = Unreadable(events, *range(1, 99))
    far = HISTORY[4].model_copy(update={"originator_version": 5000, "step": 4})
    setting = Setting(source=source)
    source.events = [
        replace(events[3], event=HISTORY[3].model_copy(update={"originator_version": version}))
        for version in range(2, 5000)
    ]
    source.versions = set(range(2, 5000))
    await setting.gate.apply([replace(events[4], event=far)])
    assert setting.rows.parked[KEY].version == 2
    assert source.reads < 50


async def test_a_missing_event_parks_the_row_as_an_unreadable_one_does() -> None:
    class Holed(HistorySource):
        async def read(
            self, stream: str, *, after: int = 0, up_to: int | None = None
        ) -> list[Recorded]:
            found = await super().read(stream, after=after, up_to=up_to)
            versions = [one.event.originator_version for one in found]
            if versions != list(range(after + 1, after + 1 + len(versions))):
                raise ContractError("no version 4")
            return found

    setting = Setting(source=Holed(recorded(1, 2, 3, 5)))
    await setting.gate.apply(recorded(5))
    assert setting.rows.parked[KEY].version == 4


async def test_a_row_that_grows_too_large_is_kept_as_far_as_it_fits() -> None:
    def growing(row: RemoteCommandRow | None, event: Event) -> RemoteCommandRow:
        grown = "x" * 5000 if event.originator_version >= 4 else None
        return REMOTE_COMMANDS.fold(row, event).model_copy(update={"detail": grown})

    setting = Setting(replace(REMOTE_COMMANDS, fold=growing), rows=MemoryRows(largest=4000))
    (row,) = await setting.gate.apply(recorded(2, 3, 4, 5))
    assert (row.applied, setting.rows.rows[KEY]) == (2, row)
    mark = setting.rows.parked[KEY]
    assert (mark.error, mark.version, mark.number) == ("TooLarge", 4, 3)


async def test_a_row_without_room_for_its_mark_goes_so_that_the_mark_can_stay() -> None:
    sizes = [len(one.model_dump_json()) for one in folds()]
    setting = Setting(poisoned("fold", 5), rows=MemoryRows(largest=sizes[2] + 10))
    await setting.gate.apply(recorded(2, 3, 4))
    await setting.gate.apply(recorded(5))
    held = setting.rows.held[KEY]
    assert (held.row, held.applied) == (None, 0)
    assert held.mark is not None
    assert held.mark.version == 5


def folds() -> list[RemoteCommandRow]:
    row, rows = None, []
    for one in recorded(2, 3, 4, 5):
        row = REMOTE_COMMANDS.fold(row, one.event)
        rows.append(row)
    return rows


@pytest.mark.parametrize("fault", [StoreUnavailable, Busy, VersionConflict])
async def test_faults_and_contention_are_raised_and_park_nothing(fault: type[Exception]) -> None:
    class Failing(HistorySource):
        async def read(self, *_: Any, **__: Any) -> list[Recorded]:
            raise fault("away")

    setting = Setting(source=Failing(EVERYTHING))
    with pytest.raises(fault):
        await setting.gate.apply(recorded(5))
    assert not setting.registry.entries
    assert not setting.rows.held


async def test_a_newer_generation_begins_a_parked_row_anew() -> None:
    setting = Setting(poisoned("fold", 3))
    await setting.gate.apply(recorded(2, 3))
    restored = HistorySource([*recorded(2), *recorded(3, generation=2)])
    mended = Gate(REMOTE_COMMANDS, setting.rows, restored)
    (row,) = await mended.apply(recorded(3, generation=2))
    assert (row.applied, row.generation) == (2, 2)
    assert not setting.rows.parked


async def test_an_event_of_a_newer_generation_that_fails_parks_that_generation() -> None:
    restored = [*recorded(1, 2), *recorded(3, 4, generation=2)]
    setting = Setting(poisoned("fold", 3), HistorySource(restored))
    await setting.gate.apply(recorded(2))
    await setting.gate.apply(recorded(3, generation=2))
    attempts = setting.entry.attempts
    await setting.gate.apply(recorded(4, generation=2))
    await setting.gate.apply(recorded(4))
    assert setting.entry.attempts == attempts
    assert setting.rows.held[KEY].generation == 2


async def test_a_mark_that_a_rival_set_meanwhile_is_not_overwritten() -> None:
    setting = Setting()
    await setting.gate.apply(recorded(2))
    broken = Gate(poisoned("fold", 3), setting.rows, setting.source, setting.gate._parking)
    get = setting.rows.get

    async def rival_comes_first(key: Key) -> Any:
        held = await get(key)
        setting.rows.get = get  # type: ignore[method-assign]
        await broken.apply(recorded(3))
        return held

    setting.rows.get = rival_comes_first  # type: ignore[method-assign]
    assert await setting.gate.apply(recorded(3)) == []
    assert setting.rows.parked[KEY].version == 3


async def test_without_a_registry_a_failure_is_raised_as_it_is() -> None:
    gate = Gate(poisoned("fold", 3), MemoryRows(), HistorySource(EVERYTHING))
    with pytest.raises(Poison):
        await gate.apply(recorded(2, 3))


def test_only_messages_that_hold_no_data_are_kept() -> None:
    class Form(BaseModel):
        age: int

    def raised(error: Exception) -> Exception:
        try:
            raise error
        except Exception as same:  # noqa: BLE001 - any
            return same

    with pytest.raises(ValueError, match="Anna") as invalid:
        Form.model_validate({"age": "Anna"})
    assert said_by(invalid.value).startswith("age: int_parsing (")
    for error in (KeyError("Anna"), ValueError("Anna"), Exception("Anna")):
        assert "Anna" not in said_by(raised(error))
        assert said_by(raised(error)).startswith("(raised, test_parking.py:")
    assert said_by(DeviceNotFound("no such device")) == "no such device"
    assert said_by(IllegalMoveError("A → B")) == "A → B"
