"""The lane's rules, told as given, when, then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.devices.lane import (
    CAP,
    CLOSED_KEPT,
    EVENTS_PER_DECISION,
    KEYS_KEPT,
    LANE,
    LATE_KEPT,
    CommandNotFound,
    LaneClosed,
    LaneFull,
    LaneIsClosed,
    LaneOpened,
    StaleSession,
)
from domain.devices.remote_command import (
    CommandStatus,
    RemoteCommandAccepted,
    RemoteCommandCanceled,
    RemoteCommandExpired,
    RemoteCommandFailed,
    RemoteCommandSent,
    RemoteCommandSucceeded,
    RemoteCommandSuperseded,
    RemoteCommandTimedOut,
)
from domain.kernel.errors import IdempotencyKeyReused
from tests.support.given import Step, given, happened
from tests.support.streams import (
    NEW,
    NEWER,
    OLD,
    OTHER,
    OWNER,
    LaneStep,
    accepted,
    at,
    closed,
    failed,
    opened,
    progressed,
    received,
    rejected,
    sent,
    succeeded,
    swept,
)

DAY = 24 * 3600
WEEK = 7 * DAY


def full(count: int = CAP, *, ttl: int = WEEK, collapse: str | None = None) -> list[LaneStep]:
    return [opened(), *(accepted(ttl=ttl, collapse=collapse) for _ in range(count))]


# --- accepting ------------------------------------------------------------------------------------


def test_a_commands_number_is_the_lane_version_of_its_first_event() -> None:
    expected = happened(
        RemoteCommandAccepted, number=3, step=1, originator_version=3, expires_at=at(61)
    )
    state = given(LANE, opened(), accepted()).when(accepted(second=1)).then(expected, repeats=True)
    assert state.queue() == [2, 3]


def test_a_lane_that_was_never_opened_takes_no_command() -> None:
    given(LANE).when(accepted()).then_raises(LaneIsClosed)


def test_a_closed_lane_takes_no_command() -> None:
    given(LANE, opened(), closed()).when(accepted(second=1)).then_raises(LaneIsClosed)


def test_the_hundred_and_first_open_command_is_refused() -> None:
    given(LANE, *full()).when(accepted(second=1)).then_raises(LaneFull, retry_after=1)


def test_the_hundredth_is_taken() -> None:
    case = given(LANE, *full(CAP - 1)).when(accepted(second=1))
    assert len(case.given.after(accepted(second=1)).state.open) == CAP


def test_an_ended_command_makes_room() -> None:
    state = given(LANE, *full(), sent(2), succeeded(2), accepted(second=5)).state
    assert len(state.open) == CAP


def test_at_the_cap_what_is_overdue_makes_room() -> None:
    history = [opened(), accepted(ttl=1), accepted(timeout=1), sent(3), *full(CAP - 2)[1:]]
    case = given(LANE, *history)
    assert len(case.state.open) == CAP
    events = case.after(accepted(second=10)).history[len(case.history) :]
    assert [type(event) for event in events] == [
        RemoteCommandAccepted,
        RemoteCommandExpired,
        RemoteCommandTimedOut,
    ]
    assert len(case.after(accepted(second=10)).state.open) == CAP - 1


def test_below_the_cap_what_is_overdue_is_left_to_the_clock() -> None:
    case = given(LANE, opened(), accepted(ttl=1)).when(accepted(second=10))
    case.then(RemoteCommandAccepted, repeats=True)


def test_one_decision_stays_within_a_transaction() -> None:
    case = given(LANE, *full(ttl=1))
    events = case.after(accepted(second=10)).history[len(case.history) :]
    assert len(events) == EVENTS_PER_DECISION
    assert len(case.after(accepted(second=10)).state.open) == CAP - EVENTS_PER_DECISION + 2


def test_at_the_cap_superseding_still_works() -> None:
    case = given(LANE, *full(CAP - 1), accepted(collapse="c", ttl=WEEK))
    state = case.when(accepted(collapse="c", ttl=WEEK, second=1)).then(
        happened(RemoteCommandAccepted, number=102),
        happened(RemoteCommandSuperseded, number=101, by_number=102, step=2),
        repeats=True,
    )
    assert len(state.open) == CAP


# --- collapsing -----------------------------------------------------------------------------------


def test_a_newer_command_supersedes_the_unsent_one_with_its_collapse_key() -> None:
    history = [opened(), accepted(collapse="c"), accepted(collapse="d"), accepted()]
    state = (
        given(LANE, *history)
        .when(accepted(collapse="c", second=1))
        .then(
            happened(RemoteCommandAccepted, number=5, collapse_key="c"),
            happened(RemoteCommandSuperseded, number=2, by_number=5),
            repeats=True,
        )
    )
    assert state.queue() == [3, 4, 5]


def test_what_was_sent_is_not_superseded() -> None:
    case = given(LANE, opened(), accepted(collapse="c"), sent(2))
    case.when(accepted(collapse="c", second=2)).then(RemoteCommandAccepted, repeats=True)


def test_what_had_expired_is_told_as_expired_not_as_superseded() -> None:
    case = given(LANE, opened(), accepted(collapse="c", ttl=1))
    case.when(accepted(collapse="c", second=2)).then(
        RemoteCommandAccepted, happened(RemoteCommandExpired, number=2), repeats=True
    )


# --- idempotency keys -----------------------------------------------------------------------------


def test_a_repeated_key_with_the_same_body_accepts_nothing_new() -> None:
    given(LANE, opened()).when(accepted(key="k")).then(
        happened(RemoteCommandAccepted, idempotency_key="k", body_hash="b")
    )


def test_a_repeated_key_with_another_body_is_refused() -> None:
    case = given(LANE, opened(), accepted(key="k", body="one"))
    case.when(accepted(key="k", body="two", second=1)).then_raises(IdempotencyKeyReused)


@pytest.mark.parametrize(
    "later", [[sent(2), succeeded(2)], [swept(second=60)], [closed()], full(CAP - 1)[1:]]
)
def test_a_key_is_recognised_before_any_other_check(later: list[Step]) -> None:
    case = given(LANE, opened(), accepted(key="k"), *later)
    case.when(accepted(key="k", second=70)).then()


def test_a_key_is_forgotten_after_a_day() -> None:
    case = given(LANE, opened(), accepted(key="k"))
    case.when(accepted(key="k", second=DAY - 1)).then()
    case.when(accepted(key="k", body="two", second=DAY)).then(RemoteCommandAccepted)


def test_a_refusal_is_not_remembered() -> None:
    case = given(LANE, *full())
    case.when(accepted(key="k", second=1)).then_raises(LaneFull)
    freed = case.after(sent(2), succeeded(2))
    freed.when(accepted(key="k", body="other", second=5)).then(RemoteCommandAccepted)


def test_the_next_owner_inherits_no_keys() -> None:
    case = given(LANE, opened(), accepted(key="k"), closed(), opened(OTHER, second=1))
    case.when(accepted(key="k", second=2, account=OTHER)).then(
        happened(RemoteCommandAccepted, account_id=OTHER)
    )


def ended(key: str, second: float) -> list[Step]:
    """Accepted with a key and then expired, so that the lane does not fill up."""
    return [accepted(key=key, second=second, ttl=1), swept(second=second + 1)]


def test_the_newest_keys_are_kept_and_a_key_used_anew_counts_as_new() -> None:
    case = given(LANE, opened(), *ended("k", 0), *ended("next", 2))
    case = case.after(*ended("k", DAY + 10))
    for n in range(KEYS_KEPT - 1):
        case = case.after(*ended(f"k{n}", DAY + 20 + 2 * n))
    assert len(case.state.keys) == KEYS_KEPT
    assert "next" not in case.state.keys
    case.when(accepted(key="k", second=DAY + 3000)).then()


# --- sending --------------------------------------------------------------------------------------


def test_sending_tells_session_attempt_and_deadline() -> None:
    state = (
        given(LANE, opened(), accepted(timeout=30))
        .when(sent(second=5))
        .then(happened(RemoteCommandSent, session=NEW, attempt=1, deadline=at(35), step=2))
    )
    assert state.next_due() == at(35)


def test_sending_again_to_a_newer_session_keeps_the_deadline() -> None:
    case = given(LANE, opened(), accepted(), sent(second=5)).when(sent(session=NEWER, second=20))
    case.then(happened(RemoteCommandSent, session=NEWER, attempt=2, deadline=at(35), step=3))


def test_a_third_session_gets_the_third_attempt() -> None:
    case = given(LANE, opened(), accepted(), sent(session=OLD), sent(session=NEW))
    case.when(sent(session=NEWER, second=9)).then(happened(RemoteCommandSent, attempt=3))


def test_sending_again_does_not_undo_progress() -> None:
    state = (
        given(LANE, opened(), accepted(), sent(), progressed())
        .when(sent(session=NEWER, second=9))
        .then(RemoteCommandSent)
    )
    assert state.open[2].status == CommandStatus.IN_PROGRESS


def test_an_old_session_takes_nothing_once_a_newer_one_has() -> None:
    case = given(LANE, opened(), accepted(), accepted(), sent(2, NEW))
    case.when(sent(3, OLD, second=2)).then_raises(StaleSession)


def test_an_old_session_takes_nothing_even_when_all_has_ended() -> None:
    case = given(LANE, opened(), accepted(), sent(2, NEW), succeeded(2), accepted(second=5))
    case.when(sent(5, OLD, second=6)).then_raises(StaleSession)


def test_nothing_expired_is_ever_sent() -> None:
    case = given(LANE, opened(), accepted(ttl=10))
    case.when(sent(second=9.999)).then(RemoteCommandSent)
    case.when(sent(second=10)).then(happened(RemoteCommandExpired, number=2))


def test_nothing_overdue_is_sent_again() -> None:
    case = given(LANE, opened(), accepted(timeout=30), sent(second=5))
    case.when(sent(session=NEWER, second=35)).then(happened(RemoteCommandTimedOut, number=2))


# --- the clock ------------------------------------------------------------------------------------


def test_a_command_expires_at_its_ttl_and_not_before() -> None:
    case = given(LANE, opened(), accepted(ttl=60))
    case.when(swept(second=59.999)).then()
    case.when(swept(second=60)).then(happened(RemoteCommandExpired, number=2))


def test_a_command_times_out_at_its_deadline_and_frees_its_slot() -> None:
    case = given(LANE, opened(), accepted(timeout=30), sent(second=5))
    case.when(swept(second=34.999)).then()
    state = case.when(swept(second=35)).then(happened(RemoteCommandTimedOut, number=2))
    assert not state.open


def test_a_delivered_command_times_out_too() -> None:
    case = given(LANE, opened(), accepted(timeout=30), sent(second=5), received(second=6))
    case.when(swept(second=35)).then(RemoteCommandTimedOut)


def test_a_sweep_ends_as_much_as_one_transaction_holds_and_the_next_the_rest() -> None:
    case = given(LANE, *full(ttl=1))
    first = case.after(swept(second=5))
    assert len(first.state.open) == CAP - EVENTS_PER_DECISION
    assert not first.after(swept(second=5)).state.open


# --- late results ---------------------------------------------------------------------------------

TIMED_OUT = [opened(), accepted(timeout=30), sent(second=5), swept(second=35)]


@pytest.mark.parametrize("result", [succeeded, failed, rejected])
def test_one_late_result_within_a_day_is_marked_late(result: Callable[..., LaneStep]) -> None:
    in_time = result(second=35 + DAY - 1)
    events = given(LANE, *TIMED_OUT).after(in_time)
    assert getattr(events.history[-1], "late", False)
    given(LANE, *TIMED_OUT).when(result(second=35 + DAY)).then()


def test_a_second_late_result_changes_nothing() -> None:
    case = given(LANE, *TIMED_OUT, succeeded(second=40))
    assert case.state.closed[2] == CommandStatus.SUCCEEDED
    case.when(failed(second=41)).then()


def test_a_result_in_time_is_not_marked_late() -> None:
    given(LANE, opened(), accepted(), sent()).when(failed()).then(
        happened(RemoteCommandFailed, late=False)
    )


def test_a_late_receipt_or_progress_changes_nothing() -> None:
    given(LANE, *TIMED_OUT).when(received(second=40)).then()
    given(LANE, *TIMED_OUT).when(progressed(second=40)).then()


def test_results_may_come_in_any_order() -> None:
    case = given(LANE, opened(), accepted(), accepted(), sent(2), sent(3, second=2))
    state = case.when(succeeded(3, second=3)).then(happened(RemoteCommandSucceeded, number=3))
    assert state.queue() == [2]


# --- closing and opening --------------------------------------------------------------------------


def test_opening_twice_changes_nothing() -> None:
    given(LANE).when(opened()).then(
        happened(LaneOpened, account_id=OWNER, device_version=1, originator_version=1)
    )


def test_closing_cancels_what_was_not_sent_and_tells_why() -> None:
    case = given(LANE, opened(), accepted(), accepted(), sent(2))
    state = case.when(closed("lost", second=2)).then(
        happened(LaneClosed, reason="lost"),
        happened(RemoteCommandCanceled, number=3, by="token:t", reason="lost"),
    )
    assert state.queue() == []


def test_the_next_owner_finds_nothing_queued() -> None:
    case = given(LANE, opened(), accepted(), accepted(), sent(2), closed(second=2))
    state = case.when(opened(OTHER, second=3, device_version=3)).then(
        happened(LaneOpened, account_id=OTHER, device_version=3)
    )
    assert state.queue() == []


def test_what_one_closing_could_not_hold_is_canceled_by_the_next_opening() -> None:
    case = given(LANE, *full(), closed(second=1))
    left = CAP - EVENTS_PER_DECISION + 1
    assert len(case.state.open) == left
    state = case.when(opened(OTHER, second=2)).then(
        LaneOpened, *[happened(RemoteCommandCanceled, by="platform")] * left
    )
    assert not state.open


def test_what_one_closing_could_not_hold_is_canceled_by_a_sweep() -> None:
    case = given(LANE, *full(), closed(second=1))
    left = CAP - EVENTS_PER_DECISION + 1
    case.when(swept(second=2)).then(*[happened(RemoteCommandCanceled, by="platform")] * left)


@pytest.mark.parametrize("report", [received, progressed, succeeded, failed, rejected])
def test_a_closed_lane_hears_no_device(report: Callable[..., LaneStep]) -> None:
    case = given(LANE, opened(), accepted(), sent(), closed(second=2))
    case.when(report(second=3)).then_raises(CommandNotFound)
    case.when(sent(session=NEWER, second=3)).then()


@pytest.mark.parametrize("report", [received, progressed, succeeded, failed, rejected])
def test_an_earlier_owners_command_is_never_answered(report: Callable[..., LaneStep]) -> None:
    case = given(LANE, opened(), accepted(), sent(), closed(second=2), opened(OTHER, second=3))
    case.when(report(second=4)).then()
    case.when(sent(session=NEWER, second=4)).then()


def test_an_earlier_owners_timed_out_command_gets_no_late_result() -> None:
    case = given(LANE, *TIMED_OUT, closed(second=36), opened(OTHER, second=37))
    case.when(succeeded(second=40)).then()


def test_an_earlier_owners_sent_command_still_times_out() -> None:
    case = given(LANE, opened(), accepted(), sent(), closed(second=2), opened(OTHER, second=3))
    case.when(swept(second=3600)).then(happened(RemoteCommandTimedOut, number=2))


# --- bounds ---------------------------------------------------------------------------------------


def test_no_collection_of_a_lane_grows_without_bound() -> None:
    case = given(LANE, opened())
    for n in range(LATE_KEPT + 10):
        steps = [accepted(key=f"k{n}", second=n), sent(case.state.version + 1, second=n)]
        case = case.after(*steps, swept(second=n + 3600))
    state = case.state
    assert len(state.timed_out) == LATE_KEPT
    assert len(state.keys) == KEYS_KEPT
    assert len(state.closed) == CLOSED_KEPT
    assert not state.open
    assert len(state.model_dump_json()) < 64 * 1024
