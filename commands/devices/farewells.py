"""Policy ``farewells``: what a member asked for does not outlive the membership.

When a membership ends, or a stay gets another end, the member's commands that would wait longer and
were not sent are canceled. Processes trust a membership for some seconds, and the list of the
home's devices may lag, so it is looked again a few times. A stay that ends by time needs none of
this: submitting caps the ttl at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from commands.devices.ownership import Message
from commands.devices.ports import OwnedDevices
from commands.kernel.dispatch import Dispatcher, Unit
from commands.kernel.policy import Action, Policy, PolicyState, Schedule, Send, Timeout
from domain.devices import lane as lanes
from domain.devices.lane import LANE
from domain.kernel.event import Event, id_of
from domain.kernel.recorded import Context

BEGAN = "accounts.membership_began"
CHANGED = "accounts.member_role_changed"
ENDED = "accounts.membership_ended"
LOOK_AGAIN = "look again"
LOOKS = (timedelta(seconds=10), timedelta(seconds=40), timedelta(seconds=160))
"""After the event; memberships are trusted for 5 s, and read models lag less than that."""
AT_ONCE = 8


class EndCommandsOf(Message):
    """``over_at``: no command of the member waits beyond it."""

    home_id: str
    account_id: str
    over_at: datetime


class Granted(BaseModel):
    """``accounts.membership_began`` and ``accounts.member_role_changed``, as far as needed here."""

    ends_at: datetime | None


class Farewell(PolicyState):
    """``over_at`` None: the membership has no end."""

    over_at: datetime | None = None


def fold(farewell: Farewell, event: Event) -> Farewell:
    if event.TOPIC == ENDED:
        return Farewell(over_at=event.timestamp)
    if event.TOPIC in (BEGAN, CHANGED):
        return Farewell(over_at=Granted.model_validate(event, from_attributes=True).ends_at)
    return farewell


def react(farewell: Farewell, event: Event) -> Sequence[Action]:
    if event.TOPIC not in (CHANGED, ENDED) or farewell.over_at is None:
        return ()
    looks = [Schedule(LOOK_AGAIN, event.timestamp + one) for one in LOOKS]
    return [_look(event.originator_id, farewell.over_at), *looks]


def on_timeout(farewell: Farewell, timeout: Timeout) -> Sequence[Action]:
    return [_look(timeout.stream, farewell.over_at)] if farewell.over_at else ()


def _look(stream: str, over_at: datetime) -> Send:
    home_id, _, account_id = id_of(stream).partition(".")
    return Send(EndCommandsOf(home_id=home_id, account_id=account_id, over_at=over_at))


FAREWELLS = Policy(
    "farewells",
    "membership",
    datetime(2026, 11, 25, tzinfo=UTC),
    Farewell,
    fold,
    react,
    on_timeout,
)


class Farewells:
    """Cancels on all devices of the home; doing it again changes nothing."""

    def __init__(self, *, owned: OwnedDevices, dispatcher: Dispatcher) -> None:
        self._owned = owned
        self._dispatcher = dispatcher

    async def end(self, context: Context, message: EndCommandsOf) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def on(device_id: str) -> None:
            async with limit:
                while await self._canceled(context, device_id, message):
                    pass

        await asyncio.gather(*(on(one) for one in await self._owned.of_account(message.home_id)))

    async def _canceled(self, context: Context, device_id: str, message: EndCommandsOf) -> int:
        """How many; as many as one transaction holds."""

        async def decide(unit: Unit) -> int:
            lane = await unit.load(LANE, device_id)
            if lane.account_id != message.home_id:
                return 0
            unit.account_id = lane.account_id
            events = lanes.cancel_of(
                lane,
                client=f"{message.account_id}:",
                over_at=message.over_at,
                by=unit.context.principal,
                at=unit.at,
            )
            unit.append(lane, events)
            return len(events)

        count, _ = await self._dispatcher.execute(context, decide)
        return count
