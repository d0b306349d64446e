"""A creative's rules: every cell of its table, and reports in whatever order they come."""

from __future__ import annotations

import itertools

import pytest

from domain.kernel.event import Event
from domain.kernel.machine import IllegalMoveError
from domain.media import creative as creatives
from domain.media.creative import (
    CREATIVE,
    MACHINE,
    MOST_ATTEMPTS,
    PAUSES,
    Creative,
    CreativeDiscovered,
    CreativeFetched,
    CreativeLinked,
    CreativeQuarantined,
    CreativeReleased,
    CreativeStatus,
    JobProgressed,
    JobSubmitted,
    NextStep,
    NothingToTry,
    NotInFlight,
    NotQuarantined,
    Stage,
    TranscodingCanceled,
    TranscodingCompleted,
    TranscodingFailed,
    TranscodingRequested,
    is_ready,
    next_step,
)
from tests.support import media
from tests.support.events import CREATIVE as EXAMPLES
from tests.support.given import given, happened
from tests.support.media import (
    NEWER,
    UNTIL,
    Step,
    at,
    canceled,
    completed,
    discovered,
    failed,
    fetched,
    progressed,
    quarantined,
    released,
    requested,
    submitted,
)

FIELDS = dict(EXAMPLES)
TARGETS: dict[type[Event], CreativeStatus] = {
    CreativeDiscovered: CreativeStatus.DISCOVERED,
    CreativeFetched: CreativeStatus.FETCHED,
    CreativeLinked: CreativeStatus.LINKED,
    JobSubmitted: CreativeStatus.SUBMITTED,
    JobProgressed: CreativeStatus.PROGRESSING,
    TranscodingCompleted: CreativeStatus.COMPLETE,
    TranscodingFailed: CreativeStatus.FAILED,
    TranscodingCanceled: CreativeStatus.CANCELED,
    CreativeQuarantined: CreativeStatus.QUARANTINED,
    CreativeReleased: CreativeStatus.RELEASED,
}


def state_of(status: str) -> Creative:
    return given(CREATIVE, *UNTIL[status]).state


@pytest.mark.parametrize("status", list(UNTIL))
def test_each_status_is_reached_by_its_steps(status: str) -> None:
    assert (state_of(status).status or "–") == status


@pytest.mark.parametrize("kind", list(TARGETS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("status", list(UNTIL))
def test_an_event_moves_a_creative_only_along_the_table(status: str, kind: type[Event]) -> None:
    state = state_of(status)
    event = kind(
        originator_id=state.stream,
        originator_version=state.version + 1,
        timestamp=at(99),
        **FIELDS[kind],
    )
    stays = state.status == TARGETS[kind] == CreativeStatus.PROGRESSING
    if stays or MACHINE.allows(state.status, TARGETS[kind]):
        assert CREATIVE.fold(state, event).status == TARGETS[kind]
    else:
        with pytest.raises(IllegalMoveError):
            CREATIVE.fold(state, event)


DECISIONS: list[Step] = [
    discovered(50),
    fetched(50),
    submitted("j9", 50),
    progressed(second=50),
    completed(second=50),
    failed(second=50),
    failed("fetch", 50, retryable=False),
    quarantined(50),
]


@pytest.mark.parametrize("decision", DECISIONS, ids=range(len(DECISIONS)))
@pytest.mark.parametrize("status", list(UNTIL))
def test_no_decision_moves_a_creative_where_the_table_forbids_it(
    status: str, decision: Step
) -> None:
    given(CREATIVE, *UNTIL[status]).after(decision)


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("–", None),
        ("DISCOVERED", NextStep.FETCH),
        ("FETCHED", NextStep.SUBMIT),
        ("LINKED", None),
        ("SUBMITTED", None),
        ("PROGRESSING", None),
        ("COMPLETE", None),
        ("FAILED", None),
        ("QUARANTINED", None),
        ("RELEASED", NextStep.SUBMIT),
        ("CANCELED", None),
    ],
)
def test_what_is_due_is_told_by_the_status(status: str, step: NextStep | None) -> None:
    assert next_step(state_of(status), now=at(5)) == step


def test_who_comes_second_stores_nothing() -> None:
    given(CREATIVE).when(discovered()).then(happened(CreativeDiscovered, broker="acme"))
    given(CREATIVE, discovered()).when(discovered(9)).then()


def test_content_of_another_creative_links_to_it() -> None:
    state = (
        given(CREATIVE, discovered())
        .when(fetched(owner="other"))
        .then(CreativeFetched, happened(CreativeLinked, creative_id="other"))
    )
    assert state.linked_to == "other"
    assert not is_ready(state)


def test_reports_in_any_order_and_number_never_move_a_job_backwards() -> None:
    steps = (
        progressed(Stage.PROBING),
        progressed(Stage.TRANSCODING),
        progressed(Stage.UPLOADING),
        completed(),
    )
    for order in itertools.permutations(steps):
        begun = given(CREATIVE, discovered(), fetched(), submitted())
        seen = []
        for step in (*order, *order):
            begun = begun.after(step)
            seen.append(begun.state.status)
        assert begun.state.status == CreativeStatus.COMPLETE
        first = seen.index(CreativeStatus.COMPLETE)
        assert set(seen[first:]) == {CreativeStatus.COMPLETE}


def test_reports_of_another_job_mean_nothing() -> None:
    begun = given(CREATIVE, discovered(), fetched(), submitted("j1"))
    for step in (progressed(job="j0"), completed("j0")):
        begun.when(step).then()


def test_failures_are_tried_again_after_growing_pauses_and_then_put_aside() -> None:
    begun, second = given(CREATIVE, discovered(), fetched()), 10.0
    for attempt in range(1, MOST_ATTEMPTS + 1):
        begun = begun.after(submitted(f"j{attempt}", second))
        begun = begun.after(failed(second=second + 1))
        if attempt < MOST_ATTEMPTS:
            due = at(second + 1) + PAUSES[attempt - 1]
            assert begun.state.retry_at == due
            assert next_step(begun.state, now=at(second + 2)) is None
            assert next_step(begun.state, now=due) == NextStep.SUBMIT
            second = (due - media.START).total_seconds()
    assert begun.state.status == CreativeStatus.QUARANTINED


def test_what_no_attempt_can_help_is_put_aside_at_once() -> None:
    given(CREATIVE, discovered()).when(failed("fetch", retryable=False)).then(
        happened(TranscodingFailed, retry_at=None, during="fetch"),
        happened(CreativeQuarantined, reason="broken", by="platform"),
    )


def test_a_failure_of_what_has_moved_on_means_nothing() -> None:
    given(CREATIVE, *UNTIL["COMPLETE"]).when(failed()).then()
    given(CREATIVE, *UNTIL["FETCHED"]).when(failed("fetch")).then()


def test_a_job_that_was_given_up_too_early_completes_all_the_same() -> None:
    given(CREATIVE, *UNTIL["FAILED"]).when(completed(second=9)).then(TranscodingCompleted)


def test_a_canceled_job_stays_canceled_whatever_it_reports() -> None:
    given(CREATIVE, *UNTIL["CANCELED"]).when(completed(second=9)).then()
    given(CREATIVE, *UNTIL["CANCELED"]).when(progressed(second=9)).then()


def test_only_a_job_under_way_can_be_canceled() -> None:
    given(CREATIVE, *UNTIL["PROGRESSING"]).when(canceled()).then(TranscodingCanceled)
    for status in ("DISCOVERED", "FETCHED", "COMPLETE", "QUARANTINED"):
        given(CREATIVE, *UNTIL[status]).when(canceled()).then_raises(NotInFlight)


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_an_operator_has_it_tried_again(status: str) -> None:
    state = given(CREATIVE, *UNTIL[status]).when(requested()).then(TranscodingRequested)
    assert next_step(state, now=at(7)) == NextStep.SUBMIT


def test_a_newer_ladder_is_rendered_beside_what_is_shown() -> None:
    whole = given(CREATIVE, *UNTIL["COMPLETE"])
    whole.when(requested()).then_raises(NothingToTry)
    begun = whole.after(requested(NEWER), submitted("j2", 7, NEWER))
    assert begun.state.status == CreativeStatus.SUBMITTED
    assert is_ready(begun.state)
    broken = begun.after(failed(second=8, retryable=False))
    assert broken.state.status == CreativeStatus.FAILED
    assert is_ready(broken.state), "what was shown is shown on"
    done = begun.after(completed("j2", 9, NEWER))
    assert done.state.rendition is not None
    assert done.state.rendition.ladder == NEWER


def test_a_quarantine_hides_a_rendition_and_a_release_shows_it_again() -> None:
    hidden = given(CREATIVE, *UNTIL["COMPLETE"]).after(quarantined())
    assert not is_ready(hidden.state)
    shown = hidden.after(released())
    assert is_ready(shown.state)
    assert next_step(shown.state, now=at(9)) is None
    given(CREATIVE, *UNTIL["COMPLETE"]).when(released()).then_raises(NotQuarantined)


def test_a_released_film_that_was_never_fetched_is_fetched() -> None:
    begun = given(CREATIVE, discovered(), quarantined(), released())
    assert next_step(begun.state, now=at(9)) == NextStep.FETCH


def test_decisions_on_what_was_never_seen_store_nothing() -> None:
    for step in (fetched(), submitted(), progressed(), completed(), quarantined()):
        given(CREATIVE).when(step).then()
    assert not creatives.is_ready(CREATIVE.initial("creative-x"))


def test_a_late_report_of_the_old_ladder_does_not_end_the_wish_for_a_newer_one() -> None:
    waiting = given(CREATIVE, *UNTIL["COMPLETE"], requested(NEWER))
    refused = waiting.after(failed(second=8, retryable=False))
    refused.when(completed(second=9)).then()


def test_a_released_film_can_be_rendered_by_a_newer_ladder() -> None:
    shown = given(CREATIVE, *UNTIL["COMPLETE"], quarantined(), released())
    shown.when(requested(second=9)).then_raises(NothingToTry)
    state = shown.when(requested(NEWER, 9)).then(TranscodingRequested)
    assert next_step(state, now=at(9)) == NextStep.SUBMIT


def test_a_wish_that_nothing_has_begun_for_is_not_canceled_in_silence() -> None:
    begun = given(CREATIVE, *UNTIL["CANCELED"], requested())
    begun.when(canceled(7)).then_raises(NotInFlight)
    begun.after(submitted("j2", 8)).when(canceled(9)).then(TranscodingCanceled)


def test_a_release_passes_a_number_over() -> None:
    """The job of the number before may have been ended without a record."""
    begun = given(CREATIVE, *UNTIL["SUBMITTED"], failed(), quarantined(), released())
    begun.when(submitted("j9", 9)).then(happened(JobSubmitted, attempt=3))
