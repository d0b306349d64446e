"""Whatever is asked of a creative, in any order: the policy knows when something is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from commands.kernel.policy import Action, Policy, Schedule, Timeout
from commands.media.transcoding import TRANSCODING, Following, named
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from domain.media.creative import (
    CREATIVE,
    MOST_ATTEMPTS,
    PAUSES,
    Creative,
    CreativeLinked,
    CreativeReleased,
    Stage,
    TranscodingFailed,
    next_step,
)
from projections.media.creatives import CREATIVES
from tests.properties.test_gate import deliver, deliveries, in_order, recorded
from tests.support.media import (
    LADDER,
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

Asked = Callable[[Creative, float], Step]
LONGEST_PAUSE = max(PAUSES)
ladders = st.sampled_from([LADDER, NEWER])
places = st.integers(0, 3)
STEPS: st.SearchStrategy[Literal["fetch", "transcoding"]] = st.sampled_from(
    ("fetch", "transcoding")
)


def job_of(state: Creative, place: int) -> str:
    """Mostly the last one; now and then one before it."""
    return f"j{max(state.jobs - place // 3, 0)}"


ASKED: st.SearchStrategy[Asked] = st.one_of(
    st.just(lambda _, s: discovered(s)),
    st.sampled_from([None, None, "other"]).map(lambda who: lambda _, s: fetched(s, owner=who)),
    *([ladders.map(lambda one: lambda state, s: submitted(f"j{state.jobs + 1}", s, one))] * 3),
    st.tuples(st.sampled_from(Stage), places).map(
        lambda told: lambda state, s: progressed(told[0], job_of(state, told[1]), s)
    ),
    st.tuples(ladders, places).map(
        lambda told: lambda state, s: completed(job_of(state, told[1]), s, told[0])
    ),
    *(
        [
            st.tuples(STEPS, st.booleans()).map(
                lambda how: lambda _, s: failed(how[0], s, retryable=how[1])
            )
        ]
        * 2
    ),
    st.just(lambda _, s: canceled(s)),
    ladders.map(lambda one: lambda _, s: requested(one, s)),
    st.just(lambda _, s: quarantined(s)),
    st.just(lambda _, s: released(s)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """All events of some creative, from some status on. Refusals lead nowhere; what the table does
    not allow would raise."""
    state, events, clock = CREATIVE.initial("creative-walk"), list[Event](), 10.0

    def go(step: Step) -> None:
        nonlocal state
        for event in step(state):
            state = CREATIVE.fold(state, event)
            events.append(event)

    for step in draw(st.sampled_from(list(UNTIL.values()))):
        go(step)
    pauses = st.sampled_from([0.0, 1.0, 20.0, 700.0])
    for asked, pause in draw(st.lists(st.tuples(ASKED, pauses), max_size=30)):
        clock += pause
        with suppress(HomecastError):
            go(asked(state, clock))
    return events


def under_way(state: Creative) -> bool:
    later = (state.since or at()) + LONGEST_PAUSE
    return state.in_flight or next_step(state, now=later) is not None


def is_busy_while_something_is_under_way(policy: Policy[Following], history: list[Event]) -> bool:
    state, following = CREATIVE.initial("creative-walk"), Following()
    for event in history:
        state, following = CREATIVE.fold(state, event), policy.fold(following, event)
        if following.busy != under_way(state):
            return False
    return True


def waits_for_one_time_out(policy: Policy[Following], history: list[Event]) -> bool:
    """While something is under way, and else for none: the others end the moment they come."""
    following, waiting = Following(), set[str]()
    for event in history:
        following = policy.fold(following, event)
        waiting |= scheduled(policy.react(following, event))
        heard = [one for one in waiting if scheduled(rung(policy, following, one))]
        if len(heard) != following.busy:
            return False
    return True


def scheduled(actions: Iterable[Action]) -> set[str]:
    return {one.name for one in actions if isinstance(one, Schedule)}


def rung(policy: Policy[Following], following: Following, name: str) -> Sequence[Action]:
    return policy.on_timeout(
        following, Timeout("transcoding", "creative-walk", name, at(99_999), "c")
    )


@given(histories())
def test_the_policy_is_busy_exactly_while_something_is_under_way(history: list[Event]) -> None:
    assert is_busy_while_something_is_under_way(TRANSCODING, history)


@given(histories())
def test_one_time_out_is_waited_for_while_something_is_under_way_and_else_none(
    history: list[Event],
) -> None:
    assert waits_for_one_time_out(TRANSCODING, history)


def busy_after(kind: type[Event], busy: bool) -> Policy[Following]:
    def fold(following: Following, event: Event) -> Following:
        after = TRANSCODING.fold(following, event)
        return after.model_copy(update={"busy": busy} if isinstance(event, kind) else {})

    return replace(TRANSCODING, fold=fold)


def hearing_everything(following: Following, timeout: Timeout) -> Sequence[Action]:
    kind = timeout.name.partition("-")[0]
    return TRANSCODING.on_timeout(following, replace(timeout, name=named(kind, following)))


@pytest.mark.parametrize(
    ("holds", "planted"),
    [
        (is_busy_while_something_is_under_way, busy_after(CreativeReleased, busy=True)),
        (is_busy_while_something_is_under_way, busy_after(TranscodingFailed, busy=False)),
        (is_busy_while_something_is_under_way, busy_after(CreativeLinked, busy=True)),
        (waits_for_one_time_out, replace(TRANSCODING, on_timeout=hearing_everything)),
        (waits_for_one_time_out, replace(TRANSCODING, react=lambda _, __: ())),
    ],
)
def test_a_policy_that_looks_for_ever_too_seldom_or_too_often_is_found_out(
    holds: Callable[[Policy[Following], list[Event]], bool], planted: Policy[Following]
) -> None:
    found = settings(
        max_examples=500, phases=[Phase.generate], derandomize=True, database=None, deadline=None
    )
    find(histories(), lambda history: not holds(planted, history), settings=found)


@given(histories())
def test_attempts_are_bounded_numbered_once_and_a_ready_film_stays_ready(
    history: list[Event],
) -> None:
    state, numbers = CREATIVE.initial("creative-walk"), list[int]()
    for event in history:
        before, state = state, CREATIVE.fold(state, event)
        if before.rendition is not None:
            assert state.rendition is not None
        if state.jobs > before.jobs and state.in_flight:
            numbers.append(state.jobs)
        assert state.attempts <= MOST_ATTEMPTS
    assert numbers == sorted(set(numbers))


@given(histories(), st.data())
def test_the_row_of_a_creative_is_the_fold_of_its_stream_however_it_is_delivered(
    history: list[Event], data: st.DataObject
) -> None:
    events = recorded(history)
    rows = deliver(CREATIVES, data.draw(deliveries(events)), events)
    assert rows.rows == in_order(CREATIVES, history)
