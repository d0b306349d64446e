"""Forgetting an account, and its departure from the devices context: every cell of both tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from domain.accounts import forgetting
from domain.accounts.forgetting import (
    FORGETTING,
    AccountForgotten,
    Forgetting,
    ForgettingCanceled,
    ForgettingHasStarted,
    ForgettingRequested,
    ForgettingStarted,
)
from domain.devices import departure
from domain.devices.departure import (
    DEPARTURE,
    MOST_AT_ONCE,
    Departure,
    DepartureAdvanced,
    DepartureCompleted,
    DepartureStarted,
)
from domain.kernel.event import Event
from tests.support.given import given, happened
from tests.support.streams import at

ACCOUNT = "01KA0000000000000000000009"
DUE = 1000.0


def asked(*, due: float = DUE, second: float = 0) -> Callable[[Forgetting], list[Event]]:
    return lambda state: forgetting.request(
        state, account_id=ACCOUNT, due_at=at(due), by="cli:root", at=at(second)
    )


def called_off(*, second: float = 1) -> Callable[[Forgetting], list[Event]]:
    return lambda state: forgetting.cancel(state, account_id=ACCOUNT, by="cli:root", at=at(second))


def started(*, second: float = DUE) -> Callable[[Forgetting], list[Event]]:
    return lambda state: forgetting.start(state, account_id=ACCOUNT, at=at(second))


def finished(*, second: float = DUE + 1) -> Callable[[Forgetting], list[Event]]:
    return lambda state: forgetting.finish(state, account_id=ACCOUNT, at=at(second))


def test_the_whole_way() -> None:
    given(FORGETTING).when(asked()).then(
        happened(ForgettingRequested, due_at=at(DUE), account_id=ACCOUNT, by="cli:root")
    )
    given(FORGETTING, asked()).when(started()).then(happened(ForgettingStarted, account_id=ACCOUNT))
    given(FORGETTING, asked(), started()).when(finished()).then(
        happened(AccountForgotten, account_id=ACCOUNT)
    )


def test_it_starts_when_the_waiting_time_is_over_and_not_before() -> None:
    given(FORGETTING, asked()).when(started(second=DUE - 0.001)).then()


def test_a_canceled_one_never_starts_and_can_be_asked_for_anew() -> None:
    given(FORGETTING, asked()).when(called_off()).then(ForgettingCanceled)
    given(FORGETTING, asked(), called_off()).when(started()).then()
    state = given(FORGETTING, asked(), called_off()).when(asked(due=5000)).then(ForgettingRequested)
    assert state.due_at == at(5000)


def test_asking_again_leaves_the_first_time_as_it_is() -> None:
    for steps in ((asked(),), (asked(), started()), (asked(), started(), finished())):
        given(FORGETTING, *steps).when(asked(due=1)).then()


def test_once_started_there_is_no_way_back() -> None:
    for steps in ((asked(), started()), (asked(), started(), finished())):
        given(FORGETTING, *steps).when(called_off()).then_raises(ForgettingHasStarted)


@pytest.mark.parametrize("steps", [(), (asked(),), (asked(), called_off())])
def test_nothing_is_finished_that_did_not_start(
    steps: tuple[Callable[[Forgetting], list[Event]], ...],
) -> None:
    given(FORGETTING, *steps).when(finished()).then()


def test_nothing_asked_for_is_nothing_to_cancel_or_start() -> None:
    given(FORGETTING).when(called_off()).then()
    given(FORGETTING).when(started()).then()


# --- departure ------------------------------------------------------------------------------------


def left() -> Callable[[Departure], list[Event]]:
    return lambda state: departure.start(state, account_id=ACCOUNT, at=at(0))


def gave_up(*device_ids: str) -> Callable[[Departure], list[Event]]:
    return lambda state: departure.advance(
        state, account_id=ACCOUNT, device_ids=device_ids, at=at(1)
    )


def was_gone(state: Departure) -> list[Event]:
    return departure.complete(state, account_id=ACCOUNT, at=at(2))


def test_a_departure_names_each_device_once() -> None:
    given(DEPARTURE).when(left()).then(DepartureStarted)
    given(DEPARTURE, left()).when(gave_up("b", "a")).then(
        happened(DepartureAdvanced, device_ids=("a", "b"))
    )
    given(DEPARTURE, left(), gave_up("a")).when(gave_up("a", "b")).then(
        happened(DepartureAdvanced, device_ids=("b",))
    )
    given(DEPARTURE, left(), gave_up("a")).when(was_gone).then(DepartureCompleted)


def test_a_late_find_is_named_after_the_end_too() -> None:
    given(DEPARTURE, left(), was_gone).when(gave_up("a")).then(DepartureAdvanced)


def test_before_its_start_there_is_no_departure() -> None:
    given(DEPARTURE).when(gave_up("a")).then()
    given(DEPARTURE).when(was_gone).then()


def test_many_devices_are_named_in_several_events() -> None:
    ids = [f"{number:026}" for number in range(2 * MOST_AT_ONCE + 1)]
    step = gave_up(*ids)
    ends = [given(DEPARTURE, left(), *(step,) * times).state for times in range(4)]
    sizes = [len(after.device_ids) - len(before.device_ids) for before, after in pairwise(ends)]
    assert sizes == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert step(ends[-1]) == []


def test_the_waiting_time_is_told_in_the_state() -> None:
    state = given(FORGETTING, asked()).state
    assert (state.due_at, state.since) == (at(DUE), at(0))
    assert given(FORGETTING, asked(), started()).state.since == at(0) + timedelta(seconds=DUE)
