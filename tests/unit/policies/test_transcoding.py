"""Somebody asks what is due after each event, and again and again while something is under way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from commands.kernel.policy import Schedule, Timeout
from commands.media.transcoding import (
    LONGEST_LOOK,
    LOOK,
    LOOK_AFTER,
    RETRY,
    TRANSCODING,
    ContinueCreative,
    EndJob,
    LookAtJob,
)
from domain.kernel.event import Event
from domain.media.creative import PAUSES
from tests.support.given_policy import given_policy
from tests.support.media import (
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
    stored,
    submitted,
)

ID = "abcdefghijklmnopqrstuvwx23"
GO_ON = ContinueCreative(creative_id=ID)


def history(*steps: Step) -> list[Event]:
    """As of after the policy's start."""
    return stored(f"creative-{ID}", *steps)


def name(kind: str, event: Event) -> str:
    """Of the time-outs that follow this event."""
    return f"{kind}-{event.originator_version}"


def timeout(named: str, second: float) -> Timeout:
    return Timeout("transcoding", f"creative-{ID}", named, at(second), "c")


@pytest.mark.parametrize(
    "steps",
    [
        [discovered()],
        [discovered(), fetched()],
        [*UNTIL["QUARANTINED"], released()],
        [*UNTIL["CANCELED"], requested()],
    ],
)
def test_what_may_be_due_is_asked_for_at_once_and_again_later(steps: list[Step]) -> None:
    *before, last = history(*steps)
    look = Schedule(name(LOOK, last), last.timestamp + LOOK_AFTER)
    given_policy(TRANSCODING, *before).when(last).then(commands=[GO_ON], timeouts=[look])


def test_a_job_is_looked_at_until_it_has_ended() -> None:
    *before, last = history(discovered(), fetched(), submitted())
    look = Schedule(name(LOOK, last), last.timestamp + LOOK_AFTER)
    given_policy(TRANSCODING, *before).when(last).then(timeouts=[look])
    under_way = history(*UNTIL["PROGRESSING"])
    looks = [LookAtJob(creative_id=ID), GO_ON]
    for second, pause in ((63, LOOK_AFTER), (123, timedelta(seconds=120)), (9_999, LONGEST_LOOK)):
        again = Schedule(name(LOOK, last), at(second) + pause)
        given_policy(TRANSCODING, *under_way).when(timeout(name(LOOK, last), second)).then(
            commands=looks, timeouts=[again]
        )


@pytest.mark.parametrize("status", ["LINKED", "COMPLETE", "QUARANTINED", "CANCELED"])
def test_nothing_is_looked_at_for_ever(status: str) -> None:
    ended = history(*UNTIL[status])
    for event in ended:
        given_policy(TRANSCODING, *ended).when(timeout(name(LOOK, event), 999)).then()


def test_a_failure_is_tried_again_when_its_pause_is_over() -> None:
    *before, last = history(*UNTIL["FAILED"])
    due = last.timestamp + PAUSES[0]
    given_policy(TRANSCODING, *before).when(last).then(timeouts=[Schedule(name(RETRY, last), due)])
    second = (due - at()).total_seconds()
    look = Schedule(name(LOOK, last), due + LOOK_AFTER)
    given_policy(TRANSCODING, *before, last).when(timeout(name(RETRY, last), second)).then(
        commands=[GO_ON], timeouts=[look]
    )


@pytest.mark.parametrize("end", [quarantined(), canceled()])
def test_a_job_that_nobody_wants_any_more_is_ended_at_its_transcoder(end: Step) -> None:
    *before, last = history(*UNTIL["PROGRESSING"], end)
    ended = [EndJob(creative_id=ID, job_id="j1")]
    given_policy(TRANSCODING, *before).when(last).then(commands=ended)


def test_what_is_ready_or_only_moves_on_asks_for_nothing() -> None:
    for steps in ([*UNTIL["SUBMITTED"], progressed()], [*UNTIL["SUBMITTED"], completed()]):
        *before, last = history(*steps)
        given_policy(TRANSCODING, *before).when(last).then()
    *before, failure, aside = history(discovered(), failed("fetch", retryable=False))
    given_policy(TRANSCODING, *before).when(failure).then()
    given_policy(TRANSCODING, *before, failure).when(aside).then()


def test_a_ready_film_that_is_released_is_not_looked_at_for_ever() -> None:
    *before, last = history(*UNTIL["COMPLETE"], quarantined(), released())
    given_policy(TRANSCODING, *before).when(last).then()
    for event in (*before, last):
        looked = timeout(name(LOOK, event), 999)
        given_policy(TRANSCODING, *before, last).when(looked).then()


def test_what_an_earlier_step_was_waited_for_by_adds_no_second_row_of_looks() -> None:
    *before, last = history(*UNTIL["PROGRESSING"])
    for event in before[:-1]:
        given_policy(TRANSCODING, *before, last).when(timeout(name(LOOK, event), 999)).then()
    *before, failure, again = history(*UNTIL["FAILED"], requested())
    given_policy(TRANSCODING, *before, failure, again).when(
        timeout(name(RETRY, failure), 99)
    ).then()
