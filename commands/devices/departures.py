"""Policy ``departures``: an account that is to be forgotten gives up all its devices.

Which devices there are is asked of the read model, which may lag. So it is looked again, at growing
intervals, and the departure is complete only when a look some time after its start finds none: from
the start on nothing can be claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from pydantic import BaseModel

from commands.devices import ownership
from commands.devices.ownership import Message, ReleaseDevice
from commands.devices.ports import ForgettableTwins, OwnedDevices
from commands.kernel.dispatch import Dispatcher, Unit
from commands.kernel.policy import Action, Policy, PolicyState, Schedule, Send, Timeout
from domain.devices import departure as departures
from domain.devices.departure import DEPARTURE, Departure
from domain.devices.device import DEVICE, DeviceNotFound, DeviceStatus
from domain.kernel.event import Event
from domain.kernel.recorded import Context

LOOK_AGAIN = "look again"
FIRST_LOOK = timedelta(seconds=3)
LONGEST_PAUSE = timedelta(hours=1)
LAST_LOOK = timedelta(hours=4)
"""After the start; nothing new can have been claimed since."""
SETTLED_AFTER = timedelta(seconds=10)
"""Longer than read models lag in ordinary times."""
AT_ONCE = 8


class Decision(Protocol):
    def __call__(self, state: Departure, *, account_id: str, at: datetime) -> list[Event]: ...


class ContinueDeparture(Message):
    account_id: str


class ForgettingStarted(BaseModel):
    """``accounts.forgetting_started``, as far as this context needs it."""

    account_id: str
    timestamp: datetime


class Departing(PolicyState):
    account_id: str = ""
    since: datetime | None = None


def fold(departing: Departing, event: Event) -> Departing:
    if event.TOPIC != "accounts.forgetting_started":
        return departing
    started = ForgettingStarted.model_validate(event, from_attributes=True)
    return Departing(account_id=started.account_id, since=started.timestamp)


def react(departing: Departing, event: Event) -> Sequence[Action]:
    if event.TOPIC != "accounts.forgetting_started":
        return ()
    return [
        Send(ContinueDeparture(account_id=departing.account_id)),
        Schedule(LOOK_AGAIN, event.timestamp + FIRST_LOOK),
    ]


def on_timeout(departing: Departing, timeout: Timeout) -> Sequence[Action]:
    """3, 6, 12, 24 … seconds after the start: a few looks also when all of them come late."""
    if departing.since is None:
        return ()
    look = Send(ContinueDeparture(account_id=departing.account_id))
    elapsed = timeout.due_at - departing.since
    if elapsed > LAST_LOOK:
        return [look]
    return [look, Schedule(LOOK_AGAIN, timeout.due_at + min(elapsed, LONGEST_PAUSE))]


DEPARTURES = Policy(
    "departures",
    "forgetting",
    datetime(2026, 11, 25, tzinfo=UTC),
    Departing,
    fold,
    react,
    on_timeout,
)


class Departures:
    """Carries a departure on, from wherever it was left."""

    def __init__(
        self, *, owned: OwnedDevices, twins: ForgettableTwins, dispatcher: Dispatcher
    ) -> None:
        self._owned = owned
        self._twins = twins
        self._dispatcher = dispatcher

    async def advance(self, context: Context, message: ContinueDeparture) -> None:
        await self._decide(context, message.account_id, departures.start)
        found = await self._owned.of_account(message.account_id)
        state = await self._noted(context, message.account_id, found)
        limit = asyncio.Semaphore(AT_ONCE)

        async def part(device_id: str) -> bool:
            async with limit:
                return await self._part(context, message.account_id, device_id)

        released = await asyncio.gather(*(part(one) for one in sorted(state.device_ids)))
        settled = state.started_at and self._dispatcher.clock.now() - state.started_at
        if not any(released) and settled and settled >= SETTLED_AFTER:
            await self._decide(context, message.account_id, departures.complete)

    async def _noted(self, context: Context, account_id: str, found: Sequence[str]) -> Departure:
        """The departure, with all of these written down."""
        while True:
            advance = partial(departures.advance, device_ids=found)
            state = await self._decide(context, account_id, advance)
            if state.device_ids.issuperset(found):
                return state

    async def _decide(self, context: Context, account_id: str, decision: Decision) -> Departure:
        async def decide(unit: Unit) -> Departure:
            state = await unit.load(DEPARTURE, account_id)
            events = decision(state, account_id=account_id, at=unit.at)
            unit.append(state, events)
            for event in events:
                state = DEPARTURE.fold(state, event)
            return state

        state, _ = await self._dispatcher.execute(context, decide)
        return state

    async def _part(self, context: Context, account_id: str, device_id: str) -> bool:
        """Whether the device was the account's until now. Its twin goes in any case, unless it is
        somebody else's already."""
        message = ReleaseDevice(account_id=account_id, device_id=device_id)
        try:
            await self._dispatcher.execute(
                context, lambda unit: ownership.release_device(unit, message)
            )
            released = True
        except DeviceNotFound:
            released = False
        device, _ = await self._dispatcher.execute(
            context, lambda unit: unit.load(DEVICE, device_id)
        )
        if device.status == DeviceStatus.RELEASED:
            await self._twins.forget(device_id)
        return released
