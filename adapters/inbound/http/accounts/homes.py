"""Who belongs to one's home, and to whose homes one belongs; the page of an invitation's mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, time
from typing import Any

from fastapi import Response

from adapters.inbound.http.accounts.visit import Visit
from adapters.inbound.http.accounts.wording import (
    HOME_FULL,
    NO_END,
    NO_INVITATION,
    WRONG_ADDRESS,
)
from commands.accounts import homes
from commands.accounts.addresses import normalise
from commands.accounts.homes import Member
from commands.accounts.mail import INVITATIONS, may_be_sent
from commands.accounts.tokens import ACCOUNT
from commands.kernel.dispatch import Unit
from domain.accounts.account import AccountNotFound
from domain.accounts.home import HomeFull
from domain.accounts.invitation import InvitationAlreadyAccepted, InvitationNotFound
from domain.accounts.membership import MemberNotFound, MemberRole
from domain.kernel.errors import InvalidInput

HERE = "/account/homes"
ROLES = {
    MemberRole.MEMBER: "Member, who stays",
    MemberRole.GUEST: "Guest, until a day that you set",
}


async def show(visit: Visit) -> Response:
    token = visit.request.query_params.get("invitation")
    return await _page(visit) if token is None else await _invited(visit, token)


async def _page(visit: Visit, errors: dict[str, str] | None = None) -> Response:
    accounts, mine = visit.pages.accounts, visit.me.account_id
    members = await homes.members(accounts.repository, mine, at=visit.now)
    invitations = await homes.open_invitations(accounts.repository, mine, at=visit.now)
    return visit.page(
        "homes.html",
        errors=errors,
        here=HERE,
        members=[await _member(visit, one) for one in members],
        invitations=[
            {
                "id": one.invitation_id,
                "email": one.invitation.email,
                "role": one.invitation.role,
                "expires_at": one.invitation.expires_at,
            }
            for one in invitations
        ],
        others=await _others(visit),
        roles=[(role.value, text) for role, text in ROLES.items()],
        email=visit.field("email"),
        role=visit.field("role") or MemberRole.MEMBER.value,
        ends_on=visit.field("ends_on"),
    )


async def _member(visit: Visit, one: Member) -> dict[str, Any]:
    return {
        "id": one.account_id,
        "email": await _email_of(visit, one.account_id),
        "role": one.membership.role,
        "since": one.membership.since,
        "ends_at": one.membership.ends_at,
    }


async def _others(visit: Visit) -> list[dict[str, Any]]:
    """Homes of others. From the read model, which may lag by moments; asked of the streams again
    before they are shown."""
    assert visit.pages.memberships is not None
    found = []
    for row in await visit.pages.memberships.homes_of(visit.me.account_id):
        role = await homes.standing(
            visit.pages.accounts.repository, row.home_id, visit.me.account_id, at=visit.now
        )
        if role is not None:
            email = await _email_of(visit, row.home_id)
            found.append({"id": row.home_id, "email": email, "role": role, "ends_at": row.ends_at})
    return found


async def _email_of(visit: Visit, account_id: str) -> str:
    with suppress(AccountNotFound):
        return (await visit.pages.accounts.account(account_id)).email
    return "Somebody whose account is gone"


async def _invited(visit: Visit, token: str) -> Response:
    """Only looks: a button accepts."""
    accounts = visit.pages.accounts
    invitation = await homes.look_at(accounts.repository, accounts.vault, token, now=visit.now)
    return visit.page(
        "invitation.html",
        owner=await _email_of(visit, str(invitation.home_id)),
        role=invitation.role,
        ends_at=invitation.ends_at,
        link=token,
        email=(await accounts.account(visit.me.account_id)).email,
        mine=invitation.home_id == visit.me.account_id,
        here=HERE,
    )


async def join(visit: Visit) -> Response:
    message = homes.AcceptInvitation(token=visit.field("token")[:64], account_id=_id(visit))
    try:
        await _run(
            visit, lambda unit: homes.accept(unit, message, vault=visit.pages.accounts.vault)
        )
    except (InvitationNotFound, InvitationAlreadyAccepted):
        return await _page(visit, {"": NO_INVITATION})
    except HomeFull:
        return await _page(visit, {"": HOME_FULL})
    return visit.see_other(HERE, done="joined")


async def invite(visit: Visit) -> Response:
    accounts = visit.pages.accounts
    role, ends_at = _stay(visit)
    try:
        email = normalise(visit.field("email"))
    except InvalidInput:
        return await _page(visit, {"email": WRONG_ADDRESS})
    await accounts.attempts.take(INVITATIONS, _id(visit))
    mailed = await may_be_sent(accounts.attempts, email)
    message = homes.Invite(
        home_id=_id(visit),
        invitation_id=accounts.ids.new(),
        token=homes.new_token(),
        page=accounts.public_url + HERE,
        email=email,
        role=role,
        ends_at=ends_at,
    )
    wrong = await _changed(
        visit, lambda unit: homes.invite(unit, message, ids=accounts.ids, mailed=mailed)
    )
    return wrong or visit.see_other(HERE, done="invited")


async def change_role(visit: Visit) -> Response:
    role, ends_at = _stay(visit)
    message = homes.ChangeMemberRole(
        home_id=_id(visit), account_id=_ulid(visit, "member"), role=role, ends_at=ends_at
    )
    wrong = await _changed(visit, lambda unit: homes.change_role(unit, message))
    return wrong or visit.see_other(HERE, done="role-changed")


async def withdraw(visit: Visit) -> Response:
    message = homes.WithdrawInvitation(
        home_id=_id(visit), invitation_id=_ulid(visit, "invitation_id")
    )
    with suppress(InvitationNotFound, InvitationAlreadyAccepted):
        await _run(visit, lambda unit: homes.withdraw(unit, message))
    return visit.see_other(HERE, done="invitation-revoked")


async def remove(visit: Visit) -> Response:
    message = homes.EndMembership(
        home_id=_id(visit), account_id=_ulid(visit, "member"), reason="removed"
    )
    with suppress(MemberNotFound):
        await _run(visit, lambda unit: homes.end_membership(unit, message))
    return visit.see_other(HERE, done="member-removed")


async def leave(visit: Visit) -> Response:
    message = homes.EndMembership(
        home_id=_ulid(visit, "home"), account_id=_id(visit), reason="left"
    )
    with suppress(MemberNotFound):
        await _run(visit, lambda unit: homes.end_membership(unit, message))
    return visit.see_other(HERE, done="left")


async def _changed(visit: Visit, decide: Callable[[Unit], Awaitable[Any]]) -> Response | None:
    """The page with what is wrong, if something is."""
    try:
        await _run(visit, decide)
    except HomeFull:
        return await _page(visit, {"": HOME_FULL})
    except InvalidInput:
        return await _page(visit, {"ends_on": NO_END})
    except MemberNotFound:
        return visit.see_other(HERE)
    return None


async def _run(visit: Visit, decide: Callable[[Unit], Awaitable[Any]]) -> None:
    await visit.pages.accounts.dispatcher.execute(visit.context, decide)


def _ulid(visit: Visit, name: str) -> str:
    """Raises ``InvalidInput``: a page of ours names only what can be."""
    value = visit.field(name)
    if ACCOUNT.fullmatch(value) is None:
        raise InvalidInput("the form names what cannot be", field=name)
    return value


def _stay(visit: Visit) -> tuple[MemberRole, datetime | None]:
    """A guest's last day ends with it, in UTC; no day, or none that is one, is found wrong by who
    decides. Raises ``InvalidInput`` for a role that is none."""
    try:
        role = MemberRole(visit.field("role"))
    except ValueError as error:
        raise InvalidInput("there is no such role") from error
    if role == MemberRole.MEMBER:
        return role, None
    with suppress(ValueError):
        day = datetime.strptime(visit.field("ends_on"), "%Y-%m-%d")  # noqa: DTZ007
        return role, datetime.combine(day, time(23, 59, 59), UTC)
    return role, None


def _id(visit: Visit) -> str:
    return visit.me.account_id
