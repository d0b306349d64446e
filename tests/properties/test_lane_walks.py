"""Whatever is asked of a lane, in whatever order, its rules hold."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from domain.devices.lane import (
    CAP,
    CLOSED_KEPT,
    EVENTS_PER_DECISION,
    KEYS_KEPT,
    LANE,
    LATE_KEPT,
    LATE_RESULT,
    Lane,
    LaneClosed,
    LaneOpened,
)
from domain.devices.remote_command import (
    OPEN,
    RESULTS,
    STATUS_AFTER,
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandEvent,
    RemoteCommandExpired,
    RemoteCommandSent,
    RemoteCommandSuperseded,
    RemoteCommandTimedOut,
    status_after,
)
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from tests.support.given import through_codec
from tests.support.streams import (
    MOVES,
    START,
    LaneStep,
    accepted,
    at,
    canceled,
    closed,
    failed,
    histories,
    opened,
    progressed,
    received,
    rejected,
    sent,
    succeeded,
    swept,
    walk,
    walks,
)

RESULT_EVENTS = tuple(kind for kind, status in STATUS_AFTER.items() if status in RESULTS)


def by_command(history: list[Event]) -> dict[int, list[RemoteCommandEvent]]:
    commands: dict[int, list[RemoteCommandEvent]] = defaultdict(list)
    for event in history:
        if isinstance(event, RemoteCommandEvent):
            commands[event.number].append(event)
    return commands


@given(walks())
def test_no_walk_leaves_the_table_or_the_bounds(steps: list[LaneStep]) -> None:
    lane = LANE.initial("lane-walk")
    for step in steps:
        try:
            events = step(lane)
        except HomecastError:
            continue
        assert len(events) <= EVENTS_PER_DECISION
        for event in events:
            assert event.originator_version == lane.version + 1
            lane = LANE.fold(lane, event)
        assert_bounded(lane)


def assert_bounded(lane: Lane) -> None:
    assert len(lane.open) <= CAP
    assert len(lane.keys) <= KEYS_KEPT
    assert len(lane.timed_out) <= LATE_KEPT
    assert len(lane.closed) <= CLOSED_KEPT
    assert all(command.status in OPEN for command in lane.open.values())
    assert all(status not in OPEN for status in lane.closed.values())
    assert not set(lane.open) & set(lane.closed)
    assert set(lane.queue()) <= set(lane.open)


@settings(max_examples=8)
@given(st.data())
def test_a_crowded_lane_keeps_to_its_cap_too(data: st.DataObject) -> None:
    crowd: list[LaneStep] = [opened(), *(accepted(ttl=600) for _ in range(CAP - 3))]
    moves = data.draw(st.lists(MOVES, min_size=10, max_size=40))
    seconds = data.draw(st.sampled_from([1, 40, 400]))
    lane, history = walk([*crowd, *(move(n * seconds) for n, move in enumerate(moves))])
    assert_bounded(lane)
    assert len(history) == lane.version


@given(histories())
def test_every_command_is_explained_by_its_own_history(history: list[Event]) -> None:
    for number, events in by_command(history).items():
        assert [event.step for event in events] == list(range(1, len(events) + 1))
        assert events[0].originator_version == number
        assert isinstance(events[0], RemoteCommandAccepted)
        status: CommandStatus | None = None
        for event in events:
            status = status_after(status, event)
            assert_justified(event, events, history)


def assert_justified(
    event: RemoteCommandEvent, events: list[RemoteCommandEvent], history: list[Event]
) -> None:
    """The rule that allowed the event held when it was decided."""
    acceptance = events[0]
    assert isinstance(acceptance, RemoteCommandAccepted)
    sendings = [one for one in events if isinstance(one, RemoteCommandSent)]
    if isinstance(event, RemoteCommandSent):
        assert event.timestamp < (acceptance.expires_at if event.attempt == 1 else event.deadline)
        assert event.deadline == sendings[0].deadline
        assert sendings.index(event) == event.attempt - 1
        assert event.session == max(one.session for one in sendings[: event.attempt])
    elif isinstance(event, RemoteCommandExpired):
        assert event.timestamp >= acceptance.expires_at
        assert not sendings
    elif isinstance(event, RemoteCommandTimedOut):
        assert event.timestamp >= sendings[0].deadline
    elif isinstance(event, RemoteCommandCanceled):
        assert not sendings
    elif isinstance(event, RemoteCommandSuperseded):
        by = history[event.by_number - 1]
        assert isinstance(by, RemoteCommandAccepted)
        assert by.collapse_key == acceptance.collapse_key is not None
    elif isinstance(event, RESULT_EVENTS):
        assert_result_justified(event, events, history)


def assert_result_justified(
    event: RemoteCommandEvent, events: list[RemoteCommandEvent], history: list[Event]
) -> None:
    before = events[event.step - 2]
    late = isinstance(before, RemoteCommandTimedOut)
    assert getattr(event, "late", None) == late
    if late:
        assert event.timestamp - before.timestamp < LATE_RESULT
    span = history[event.number : event.originator_version]
    assert not any(isinstance(one, LaneClosed) for one in span), "answered after its lane closed"


@given(histories())
def test_a_command_belongs_to_the_account_that_had_the_lane(history: list[Event]) -> None:
    account = None
    for event in history:
        if isinstance(event, LaneOpened):
            account = event.account_id
        elif isinstance(event, LaneClosed):
            account = None
        elif isinstance(event, RemoteCommandAccepted):
            assert account is not None
        elif isinstance(event, RemoteCommandSent):
            opening = max(
                one.originator_version
                for one in history[: event.originator_version]
                if isinstance(one, LaneOpened)
            )
            assert event.number > opening


@given(histories())
def test_encoding_and_decoding_is_identity(history: list[Event]) -> None:
    decoded = [through_codec(event) for event in history]
    assert decoded == history


@given(walks())
def test_a_snapshot_anywhere_changes_nothing(steps: list[LaneStep]) -> None:
    half = len(steps) // 2
    whole, _ = walk(steps)
    lane, _ = walk(steps[:half])
    lane = Lane.model_validate_json(lane.model_dump_json())
    for step in steps[half:]:
        try:
            events = step(lane)
        except HomecastError:
            continue
        for event in events:
            lane = LANE.fold(lane, event)
    assert lane == whole
    assert list(lane.keys) == list(whole.keys), "the order decides what is forgotten first"


@given(walks())
def test_an_idle_lane_ends_empty_when_the_clock_has_passed_everything(
    steps: list[LaneStep],
) -> None:
    far = 100 * 90_000 + timedelta(days=30).total_seconds()
    lane, _ = walk([*steps, swept(second=far), swept(second=far)])
    assert not lane.open
    assert lane.next_due() is None


@given(walks(longest=30), st.sampled_from([0, 1, 100_000_000]))
def test_deciding_again_gives_no_second_event(steps: list[LaneStep], later: float) -> None:
    """All but an acceptance without a key, which asks for a new command each time."""
    lane, _ = walk(steps)
    for decide in decisions(lane, at(90_000 * 5 + later)):
        after = lane
        with suppress(HomecastError):
            for event in decide(lane):
                after = LANE.fold(after, event)
        if after.version > lane.version:
            assert decide(after) == []


def decisions(lane: Lane, now: datetime) -> list[LaneStep]:
    """Everything that may be asked at this time, about every command that is known."""
    second = (now - START).total_seconds()
    about = (sent, received, progressed, succeeded, failed, rejected, canceled)
    known = {*lane.open, *lane.timed_out, *lane.closed, lane.version + 1}
    ends = [opened(second=second), closed(second=second), swept(second=second)]
    return [
        *ends,
        accepted(second=second, key="new"),
        *(step(number, second=second) for step in about for number in known),
    ]


@given(histories())
def test_a_session_that_lost_never_takes_a_command_again(history: list[Event]) -> None:
    newest = ""
    for event in history:
        if isinstance(event, RemoteCommandSent):
            assert event.session >= newest
            newest = event.session


def test_the_walks_do_reach_every_event() -> None:
    """Else the properties above would hold of nothing."""
    seen: set[type[Event]] = set()

    @settings(max_examples=200, database=None, derandomize=True, phases=[Phase.generate])
    @given(histories())
    def look(history: list[Event]) -> None:
        seen.update(type(event) for event in history)

    look()
    assert seen >= {LaneOpened, LaneClosed, *STATUS_AFTER}
