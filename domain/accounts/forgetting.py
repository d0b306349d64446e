"""Forgetting an account: asked for, waited with, carried out, recorded.

Stream ``forgetting-{account id}``. The waiting time lets a mistake be canceled; once started there
is no way back. What is to be done in between is the business of policies.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, assert_never, cast

from pydantic import Field

from domain.kernel.errors import Conflict
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move, moves


class ForgettingStatus(StrEnum):
    REQUESTED = "REQUESTED"
    CANCELED = "CANCELED"
    STARTED = "STARTED"
    FORGOTTEN = "FORGOTTEN"


R, C, S, F = (
    ForgettingStatus.REQUESTED,
    ForgettingStatus.CANCELED,
    ForgettingStatus.STARTED,
    ForgettingStatus.FORGOTTEN,
)
MACHINE = Machine(
    (
        *moves((None, C), (R,), "operator", "the account is to be forgotten after a waiting time"),
        Move(R, C, "operator", "before the waiting time is over"),
        Move(R, S, "clock", "the waiting time is over: tokens revoked, devices released"),
        Move(S, F, "platform", "no device is left: the data key is destroyed"),
    )
)


class ForgettingHasStarted(Conflict):
    """Devices are being released: it cannot be canceled any more."""

    code = "forgetting_has_started"
    retryable = False


class ForgettingRequested(Event):
    TOPIC: ClassVar[str] = "accounts.forgetting_requested"
    account_id: str
    due_at: datetime = Field(description="When the waiting time is over")
    by: str


class ForgettingCanceled(Event):
    TOPIC: ClassVar[str] = "accounts.forgetting_canceled"
    account_id: str
    by: str


class ForgettingStarted(Event):
    """Nothing of the account may begin from here on; whoever holds something of it lets it go."""

    TOPIC: ClassVar[str] = "accounts.forgetting_started"
    account_id: str


class AccountForgotten(Event):
    """The data key is destroyed: personal data of the account is unreadable wherever it is."""

    TOPIC: ClassVar[str] = "accounts.account_forgotten"
    account_id: str


ForgettingEvent = ForgettingRequested | ForgettingCanceled | ForgettingStarted | AccountForgotten
register(ForgettingRequested, ForgettingCanceled, ForgettingStarted, AccountForgotten)


class Forgetting(State):
    status: ForgettingStatus | None = None
    due_at: datetime | None = None
    since: datetime | None = None
    """When the status was entered."""


def fold(state: Forgetting, event: Event) -> Forgetting:
    known = cast("ForgettingEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version, "since": event.timestamp}
    match known:
        case ForgettingRequested():
            changed |= {"status": MACHINE.enter(state.status, R), "due_at": known.due_at}
        case ForgettingCanceled():
            changed |= {"status": MACHINE.enter(state.status, C), "due_at": None}
        case ForgettingStarted():
            changed |= {"status": MACHINE.enter(state.status, S)}
        case AccountForgotten():
            changed |= {"status": MACHINE.enter(state.status, F)}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


FORGETTING = Aggregate("forgetting", Forgetting, fold, snapshot_every=100)


def request(
    state: Forgetting, *, account_id: str, due_at: datetime, by: str, at: datetime
) -> list[Event]:
    """Asked for again, the first request stands: cancel it to have another time."""
    if state.status in (R, S, F):
        return []
    return [next_event(ForgettingRequested, state, at, account_id=account_id, due_at=due_at, by=by)]


def cancel(state: Forgetting, *, account_id: str, by: str, at: datetime) -> list[Event]:
    if state.status in (S, F):
        raise ForgettingHasStarted("the account is being forgotten; there is no way back")
    if state.status != R:
        return []
    return [next_event(ForgettingCanceled, state, at, account_id=account_id, by=by)]


def start(state: Forgetting, *, account_id: str, at: datetime) -> list[Event]:
    """Once the waiting time is over, and not before."""
    if state.status != R or state.due_at is None or at < state.due_at:
        return []
    return [next_event(ForgettingStarted, state, at, account_id=account_id)]


def finish(state: Forgetting, *, account_id: str, at: datetime) -> list[Event]:
    if state.status != S:
        return []
    return [next_event(AccountForgotten, state, at, account_id=account_id)]
