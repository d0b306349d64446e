"""The policies that forget an account, as their rules say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from commands.accounts.forgetting import (
    ERASURE,
    FORGETTING_POLICY,
    WAITING_TIME,
    CloseAccount,
    FinishForgetting,
    RevokeTokens,
    StartForgetting,
)
from commands.accounts.homes import EndMemberships
from commands.devices.departures import DEPARTURES, LOOK_AGAIN, ContinueDeparture
from commands.kernel.policy import Cancel, Policy, Schedule, Timeout
from domain.accounts.forgetting import (
    AccountForgotten,
    ForgettingCanceled,
    ForgettingRequested,
    ForgettingStarted,
)
from domain.devices.departure import DepartureAdvanced, DepartureCompleted, DepartureStarted
from domain.kernel.event import Event
from tests.support.given_policy import given_policy

ACCOUNT = "01KA0000000000000000000009"
START = FORGETTING_POLICY.since
DUE = START + timedelta(days=14)
LATER = DUE + timedelta(days=1)


def event(event_type: type[Event], version: int, at: datetime = START, **fields: Any) -> Any:
    category = "departure" if event_type.TOPIC.startswith("devices") else "forgetting"
    return event_type(
        originator_id=f"{category}-{ACCOUNT}",
        originator_version=version,
        timestamp=at,
        account_id=ACCOUNT,
        **fields,
    )


REQUESTED = event(ForgettingRequested, 1, due_at=DUE, by="cli:root")
CANCELED = event(ForgettingCanceled, 2, by="cli:root")
AGAIN = event(ForgettingRequested, 3, due_at=LATER, by="cli:root")
STARTED = event(ForgettingStarted, 2, at=DUE)
FORGOTTEN = event(AccountForgotten, 3, at=DUE)


def timeout(policy: Policy[Any], name: str, due_at: datetime) -> Timeout:
    return Timeout(policy.name, f"forgetting-{ACCOUNT}", name, due_at, "c")


def over(due_at: datetime = DUE) -> Timeout:
    return timeout(FORGETTING_POLICY, WAITING_TIME, due_at)


def test_the_waiting_time_ends_with_the_start() -> None:
    given_policy(FORGETTING_POLICY).when(REQUESTED).then(timeouts=[Schedule(WAITING_TIME, DUE)])
    given_policy(FORGETTING_POLICY, REQUESTED).when(over()).then(
        commands=[StartForgetting(account_id=ACCOUNT)],
        timeouts=[Schedule(WAITING_TIME, DUE + timedelta(minutes=1))],
    )


def test_a_start_that_came_too_early_by_some_clock_is_tried_again_until_it_happens() -> None:
    again = over(DUE + timedelta(minutes=1))
    commands = [StartForgetting(account_id=ACCOUNT)]
    timeouts = [Schedule(WAITING_TIME, DUE + timedelta(minutes=2))]
    given_policy(FORGETTING_POLICY, REQUESTED).when(again).then(
        commands=commands, timeouts=timeouts
    )
    given_policy(FORGETTING_POLICY, REQUESTED, STARTED).when(again).then()


def test_a_canceled_waiting_time_means_nothing_when_it_comes_all_the_same() -> None:
    given_policy(FORGETTING_POLICY, REQUESTED).when(CANCELED).then(
        canceled=[Cancel(WAITING_TIME, DUE)]
    )
    given_policy(FORGETTING_POLICY, REQUESTED, CANCELED).when(over()).then()
    given_policy(FORGETTING_POLICY, REQUESTED, CANCELED, AGAIN).when(over()).then()
    given_policy(FORGETTING_POLICY).when(over()).then()


def test_tokens_are_revoked_and_the_account_is_closed_at_the_start() -> None:
    given_policy(FORGETTING_POLICY, REQUESTED).when(STARTED).then(
        commands=[
            RevokeTokens(account_id=ACCOUNT),
            EndMemberships(account_id=ACCOUNT),
            CloseAccount(account_id=ACCOUNT),
        ]
    )
    given_policy(FORGETTING_POLICY, REQUESTED, STARTED).when(FORGOTTEN).then()


def test_devices_are_released_from_the_start_on_and_looked_for_again() -> None:
    look = [ContinueDeparture(account_id=ACCOUNT)]
    given_policy(DEPARTURES).when(REQUESTED).then()
    given_policy(DEPARTURES, REQUESTED).when(STARTED).then(
        commands=look, timeouts=[Schedule(LOOK_AGAIN, DUE + timedelta(seconds=3))]
    )
    for seconds, following in ((3, 6), (6, 12), (3600, 7200), (7200, 10800)):
        given_policy(DEPARTURES, REQUESTED, STARTED).when(
            timeout(DEPARTURES, LOOK_AGAIN, DUE + timedelta(seconds=seconds))
        ).then(commands=look, timeouts=[Schedule(LOOK_AGAIN, DUE + timedelta(seconds=following))])


def test_the_looks_end_some_hours_after_the_start() -> None:
    last = timeout(DEPARTURES, LOOK_AGAIN, DUE + timedelta(hours=5))
    given_policy(DEPARTURES, REQUESTED, STARTED, FORGOTTEN).when(last).then(
        commands=[ContinueDeparture(account_id=ACCOUNT)]
    )


def test_the_key_is_destroyed_when_no_device_is_left_and_not_before() -> None:
    leaving = event(DepartureStarted, 1)
    naming = event(DepartureAdvanced, 2, device_ids=("a",))
    gone = event(DepartureCompleted, 3)
    given_policy(ERASURE).when(leaving).then()
    given_policy(ERASURE, leaving).when(naming).then()
    given_policy(ERASURE, leaving, naming).when(gone).then(
        commands=[EndMemberships(account_id=ACCOUNT), FinishForgetting(account_id=ACCOUNT)]
    )
