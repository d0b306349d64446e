"""The departure of an account that is to be forgotten: all its devices are released.

Stream ``departure-{account id}``. From its first event on the account claims nothing any more.
Which devices are released is written down before it is done, so that what is interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, assert_never, cast

from pydantic import Field

from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move

MOST_AT_ONCE = 500
"""Ids in one event: far from the size limit of an event."""


class DepartureStatus(StrEnum):
    DEPARTING = "DEPARTING"
    DEPARTED = "DEPARTED"


DEPARTING, DEPARTED = DepartureStatus.DEPARTING, DepartureStatus.DEPARTED
MACHINE = Machine(
    (
        Move(None, DEPARTING, "accounts.forgetting_started", "claims of the account are refused"),
        Move(DEPARTING, DEPARTED, "platform", "no device of the account is left"),
    )
)


class DepartureStarted(Event):
    TOPIC: ClassVar[str] = "devices.departure_started"
    account_id: str


class DepartureAdvanced(Event):
    """These are to be released now; more may follow."""

    TOPIC: ClassVar[str] = "devices.departure_advanced"
    account_id: str
    device_ids: tuple[str, ...] = Field(max_length=MOST_AT_ONCE)


class DepartureCompleted(Event):
    """The account owns no device any more, and never will."""

    TOPIC: ClassVar[str] = "devices.departure_completed"
    account_id: str


DepartureEvent = DepartureStarted | DepartureAdvanced | DepartureCompleted
register(DepartureStarted, DepartureAdvanced, DepartureCompleted)


class Departure(State):
    status: DepartureStatus | None = None
    started_at: datetime | None = None
    device_ids: frozenset[str] = frozenset()


def fold(state: Departure, event: Event) -> Departure:
    known = cast("DepartureEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case DepartureStarted():
            status = MACHINE.enter(state.status, DEPARTING)
            changed |= {"status": status, "started_at": event.timestamp}
        case DepartureAdvanced():
            changed |= {"device_ids": state.device_ids | set(known.device_ids)}
        case DepartureCompleted():
            changed |= {"status": MACHINE.enter(state.status, DEPARTED)}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


DEPARTURE = Aggregate("departure", Departure, fold, snapshot_every=100)


def start(state: Departure, *, account_id: str, at: datetime) -> list[Event]:
    if state.status is not None:
        return []
    return [next_event(DepartureStarted, state, at, account_id=account_id)]


def advance(
    state: Departure, *, account_id: str, device_ids: Collection[str], at: datetime
) -> list[Event]:
    """At most ``MOST_AT_ONCE`` that were not known yet; what a late look finds is added too."""
    new = tuple(sorted(set(device_ids) - state.device_ids))[:MOST_AT_ONCE]
    if state.status is None or not new:
        return []
    return [next_event(DepartureAdvanced, state, at, account_id=account_id, device_ids=new)]


def complete(state: Departure, *, account_id: str, at: datetime) -> list[Event]:
    if state.status != DEPARTING:
        return []
    return [next_event(DepartureCompleted, state, at, account_id=account_id)]
