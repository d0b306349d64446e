"""An invitation that is accepted reaches the devices context's read model, and what follows too.

On the engines, with a stack of its own; the workers run in the test's process.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.bootstrap.operators import read_side
from adapters.settings import Settings
from commands.accounts import homes
from commands.accounts.homes import (
    AcceptInvitation,
    ChangeMemberRole,
    EndMembership,
    EndMemberships,
    Invite,
    Leaver,
)
from domain.accounts.membership import MemberRole
from domain.devices.roles import Role
from domain.kernel.recorded import Context
from projections.kernel import rebuild as rebuilding
from projections.kernel import slots
from projections.kernel.slots import Slot
from tests.integration.test_pipeline import projector, relay
from tests.support.platform import settings_from
from tests.support.waiting import eventually

OWNER = "01KA0000000000000000000009"
FRIEND = "01KA0000000000000000000008"
THIRD = "01KA0000000000000000000007"
CONTEXT = Context("correlation", "causation", "token:test")


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (slots, rebuilding):
        monkeypatch.setattr(module, "POINTER_SECONDS", 1.0)
    monkeypatch.setattr(slots, "REFRESH_AFTER", 0.4)
    monkeypatch.setattr(rebuilding, "SETTLE", 0.2)


async def join(api: Api, account_id: str, role: MemberRole, stay: timedelta | None = None) -> None:
    token = homes.new_token()
    invitation = Invite(
        home_id=OWNER,
        invitation_id=api.ids.new(),
        token=token,
        page="https://example.org/account/homes",
        email="friend@example.org",
        role=role,
        ends_at=api.clock.now() + stay if stay else None,
    )
    dispatcher = api.accounts.dispatcher
    await dispatcher.execute(CONTEXT, lambda unit: homes.invite(unit, invitation, ids=api.ids))
    accepting = AcceptInvitation(token=token, account_id=account_id)
    for _ in range(2):
        (home_id, member), _ = await dispatcher.execute(
            CONTEXT, lambda unit: homes.accept(unit, accepting, vault=api.vault)
        )
        assert (home_id, member.role) == (OWNER, role)


async def role_of(api: Api, account_id: str) -> Role | None:
    row = await api.memberships.get(account_id, OWNER)
    return row.role_at(api.clock.now()) if row else None


async def listed(api: Api) -> list[tuple[str, Role | None]]:
    rows = await api.memberships.members_of(OWNER)
    return [(row.account_id, row.role) for row in rows]


async def test_what_becomes_of_a_membership_is_seen_by_the_devices_context(
    settings: Settings,
) -> None:
    async with http.api(settings) as api, relay(settings), projector(settings):
        await join(api, FRIEND, MemberRole.MEMBER)
        await join(api, THIRD, MemberRole.GUEST, timedelta(days=1))
        await eventually(lambda: _both(api), within=15)
        assert await listed(api) == [(THIRD, Role.GUEST), (FRIEND, Role.MEMBER)]
        [home] = await api.memberships.homes_of(FRIEND)
        assert home.home_id == OWNER
        dispatcher = api.accounts.dispatcher
        changed = ChangeMemberRole(home_id=OWNER, account_id=THIRD, role=MemberRole.MEMBER)
        await dispatcher.execute(CONTEXT, lambda unit: homes.change_role(unit, changed))
        gone = EndMembership(home_id=OWNER, account_id=FRIEND, reason="removed")
        await dispatcher.execute(CONTEXT, lambda unit: homes.end_membership(unit, gone))

        async def arrived() -> bool:
            found = [await role_of(api, one) for one in (FRIEND, THIRD)]
            return found == [None, Role.MEMBER]

        await eventually(arrived, within=15)
        assert await listed(api) == [(THIRD, Role.MEMBER)]
        assert await api.memberships.homes_of(FRIEND) == []
        leaver = Leaver(homes_of=api.memberships, dispatcher=dispatcher)
        await leaver.end_all(CONTEXT, EndMemberships(account_id=THIRD))

        async def forgotten() -> bool:
            return await role_of(api, THIRD) is None

        await eventually(forgotten, within=15)


async def _both(api: Api) -> bool:
    found = [await role_of(api, one) for one in (FRIEND, THIRD)]
    return found == [Role.MEMBER, Role.GUEST]


async def test_the_model_is_verified_and_rebuilt_as_all_others(settings: Settings) -> None:
    async with (
        http.api(settings) as api,
        relay(settings),
        projector(settings),
        read_side(settings) as side,
    ):
        await join(api, FRIEND, MemberRole.MEMBER)
        await join(api, THIRD, MemberRole.GUEST, timedelta(days=1))
        await eventually(lambda: _both(api), within=15)
        report = await side.verify("memberships", grace=timedelta(0))
        assert (report.clean, report.rows, report.streams) == (True, 2, 2)
        await side.rebuild("memberships", report=lambda phase, run: None).run()
        assert (await side.control.state("memberships")).live is Slot.GREEN
        assert await listed(api) == [(THIRD, Role.GUEST), (FRIEND, Role.MEMBER)]
        status = {one.model: one for one in await side.statuses.all()}["memberships"]
        assert (status.live, status.dead_letters, status.parked) == (Slot.GREEN, 0, 0)
