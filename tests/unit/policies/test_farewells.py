"""Whose membership ends has nothing waiting in the home any more: the policy, and its command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from commands.devices.farewells import (
    FAREWELLS,
    LOOK_AGAIN,
    LOOKS,
    EndCommandsOf,
    Farewells,
)
from commands.kernel.policy import Schedule, Timeout
from domain.accounts.membership import (
    MemberRole,
    MemberRoleChanged,
    MembershipBegan,
    MembershipEnded,
)
from domain.devices.lane import CAP
from domain.devices.remote_command import CommandStatus
from domain.kernel.event import Event
from domain.kernel.recorded import Context
from tests.support.given_policy import given_policy
from tests.support.streams import OWNER, at
from tests.support.write_side import DEVICE_ID, WriteSide

HOME, GUEST, OTHER = OWNER, "01KA0000000000000000000009", "01KA0000000000000000000008"
STREAM = f"membership-{HOME}.{GUEST}"
START = FAREWELLS.since
END = START + timedelta(days=1)
EARLIER = START + timedelta(hours=1)
CONTEXT = Context("c", "m", "policy:farewells")
WEEK = 7 * 24 * 3600


def event(event_type: type[Event], version: int, **fields: Any) -> Any:
    return event_type(originator_id=STREAM, originator_version=version, timestamp=START, **fields)


def granted(event_type: type[Event], version: int, ends_at: Any) -> Any:
    role = MemberRole.GUEST if ends_at else MemberRole.MEMBER
    whose = {"by": "o"} if event_type is MemberRoleChanged else {}
    if event_type is MembershipBegan:
        whose = {"home_id": HOME, "account_id": GUEST}
    return event(event_type, version, role=role, ends_at=ends_at, **whose)


BEGAN = granted(MembershipBegan, 1, END)
ENDED = event(MembershipEnded, 2, reason="removed", by="o")
SHORTER = granted(MemberRoleChanged, 2, EARLIER)
RAISED = granted(MemberRoleChanged, 2, None)
AGAIN = granted(MembershipBegan, 3, None)
TIMEOUTS = [Schedule(LOOK_AGAIN, START + one) for one in LOOKS]
LATER = Timeout(FAREWELLS.name, STREAM, LOOK_AGAIN, START + LOOKS[0], "c")


def look(over_at: Any) -> EndCommandsOf:
    return EndCommandsOf(home_id=HOME, account_id=GUEST, over_at=over_at)


@pytest.mark.parametrize(("happened", "over_at"), [(ENDED, START), (SHORTER, EARLIER)])
def test_an_end_is_looked_after_at_once_and_some_times_again(happened: Event, over_at: Any) -> None:
    given_policy(FAREWELLS, BEGAN).when(happened).then(commands=[look(over_at)], timeouts=TIMEOUTS)
    given_policy(FAREWELLS, BEGAN, happened).when(LATER).then(commands=[look(over_at)])


def test_who_comes_or_may_more_is_left_alone() -> None:
    given_policy(FAREWELLS).when(BEGAN).then()
    given_policy(FAREWELLS, BEGAN).when(RAISED).then()
    given_policy(FAREWELLS, BEGAN, ENDED).when(AGAIN).then()
    given_policy(FAREWELLS, BEGAN, ENDED, AGAIN).when(LATER).then()


class Listed:
    async def of_account(self, account_id: str) -> Sequence[str]:
        return [DEVICE_ID] if account_id == HOME else []


async def end(side: WriteSide, over_at: Any, home_id: str = HOME) -> dict[int, str]:
    """The member's membership; what is open then, and its status."""
    work = Farewells(owned=Listed(), dispatcher=side.dispatcher)
    await work.end(CONTEXT, EndCommandsOf(home_id=home_id, account_id=GUEST, over_at=over_at))
    return {number: one.status for number, one in (await side.lane()).open.items()}


async def given(side: WriteSide, client_id: str, ttl: int = WEEK) -> int:
    number, _ = await side.submit(client_id=client_id, ttl=ttl)
    return int(number)


async def test_only_the_members_unsent_commands_are_canceled() -> None:
    side = WriteSide()
    await side.claim()
    sent, of_guest = [await given(side, f"{GUEST}:{token}") for token in "ab"]
    kept = [await given(side, one) for one in ("token", f"{OTHER}:a", GUEST)]
    await side.send(sent)
    for _ in range(2):
        assert await end(side, at(0)) == {sent: CommandStatus.SENT} | dict.fromkeys(
            kept, CommandStatus.ACCEPTED
        )
    canceled = (await side.lane_events())[-1]
    assert (canceled.TOPIC, canceled.number, canceled.by) == (  # type: ignore[attr-defined]
        "devices.remote_command_canceled",
        of_guest,
        "policy:farewells",
    )


async def test_a_shorter_stay_ends_what_would_wait_beyond_it() -> None:
    side = WriteSide()
    await side.claim()
    short, _ = [await given(side, f"{GUEST}:a", ttl) for ttl in (60, 61)]
    assert list(await end(side, at(60))) == [short]


async def test_a_full_lane_of_them_is_emptied() -> None:
    side = WriteSide()
    await side.claim()
    for _ in range(CAP):
        await given(side, f"{GUEST}:a")
    assert await end(side, at(0)) == {}


async def test_a_device_that_is_somebody_elses_by_now_is_left_alone() -> None:
    side = WriteSide()
    await side.claim(OTHER)
    number, _ = await side.submit(OTHER, client_id=f"{GUEST}:a")
    assert list(await end(side, at(0))) == [number]
