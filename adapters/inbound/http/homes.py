"""Routes of homes: who is in one, invite, accept, withdraw, change a role, remove, leave.

Who may do what is decided on the streams, as of now. The lists of homes and members come from a
read model, and what a member may do with devices does too (``access.py``): a change is seen there
after moments.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AwareDatetime, Field

from adapters.inbound.http.auth import Caller, Needs, context_of
from adapters.inbound.http.devices import Body, Shared
from adapters.inbound.http.errors import RateLimited
from adapters.inbound.http.parts import Parts
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import READ_MODEL, View, answer, iso
from commands.accounts import homes
from commands.accounts.addresses import normalise
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.mail import INVITATIONS, may_be_sent
from commands.accounts.tokens import ACCOUNT, HOMES_READ, HOMES_WRITE
from domain.accounts.home import HomeNotFound
from domain.accounts.invitation import Invitation
from domain.accounts.membership import MemberNotFound, MemberRole
from domain.devices.roles import Action, Role, require

router = APIRouter(prefix="/v1/homes", tags=["homes"], responses=DOCUMENTED)
Reader = Annotated[Caller, Depends(Needs(HOMES_READ))]
Writer = Annotated[Caller, Depends(Needs(HOMES_WRITE))]
Ulid = Annotated[str, Path(pattern=f"^{ACCOUNT.pattern}$")]
PAGE = "/account/homes"
"""Of the pages for people; the token of an invitation is added to it."""


class InviteBody(Body):
    """``ends_at``: of a guest's stay, within a year."""

    email: str = Field(min_length=1, max_length=320)
    role: MemberRole
    ends_at: AwareDatetime | None = None


class AcceptBody(Body):
    """``token``: from the mail."""

    token: str = Field(min_length=1, max_length=64)


class RoleBody(Body):
    role: MemberRole
    ends_at: AwareDatetime | None = None


class HomeView(View):
    """``home_id``: the owner's account. ``since`` null: one's own."""

    home_id: str
    role: Role
    since: datetime | None
    ends_at: datetime | None


class HomesView(View):
    items: list[HomeView]


class MemberView(View):
    account_id: str
    role: Role
    since: datetime | None
    ends_at: datetime | None


class MembersView(View):
    items: list[MemberView]


class InvitationView(View):
    id: str
    email: str
    role: MemberRole
    ends_at: datetime | None
    sent_at: datetime
    expires_at: datetime


class InvitationsView(View):
    items: list[InvitationView]


async def _require(parts: Parts, home_id: str, caller: Caller, action: Action) -> Role:
    """By the streams. Raises ``HomeNotFound``, ``RoleForbids``."""
    container = parts.container
    found = await homes.standing(
        container.accounts.dispatcher.repository,
        home_id,
        caller.account_id,
        at=container.clock.now(),
    )
    if found is None:
        raise HomeNotFound("no such home")
    role = Role(found)
    require(role, action)
    return role


def _shown(
    role: str | None, since: datetime | None, ends_at: datetime | None, **whose: str
) -> dict[str, Any]:
    return {**whose, "role": role, "since": iso(since), "ends_at": iso(ends_at)}


def _invitation(invitation_id: str, one: Invitation) -> dict[str, Any]:
    return {
        "id": invitation_id,
        "email": one.email,
        "role": one.role,
        "ends_at": iso(one.ends_at),
        "sent_at": iso(one.sent_at),
        "expires_at": iso(one.expires_at),
    }


@router.get("", response_model=HomesView, responses={200: READ_MODEL})
async def list_homes(caller: Reader, parts: Shared) -> Response:
    """One's own, then those one is a member of. May lag behind by moments."""
    now = parts.container.clock.now()
    rows = await parts.container.memberships.homes_of(caller.account_id)
    items = [_shown(Role.OWNER, None, None, home_id=caller.account_id)] + [
        _shown(row.role, row.began_at, row.ends_at, home_id=row.home_id)
        for row in rows
        if row.role_at(now)
    ]
    return answer({"items": items}, 200, **parts.read_model("memberships"))


@router.post("/accept", response_model=HomeView)
async def accept(request: Request, body: AcceptBody, caller: Writer, parts: Shared) -> Response:
    """As the account that the token of this request is of. Repeating it changes nothing."""
    container = parts.container
    message = homes.AcceptInvitation(token=body.token, account_id=caller.account_id)
    (home_id, member), _ = await container.accounts.dispatcher.execute(
        context_of(request, container.tracer),
        lambda unit: homes.accept(unit, message, vault=container.vault),
    )
    return answer(_shown(member.role, member.since, member.ends_at, home_id=home_id))


@router.get("/{home_id}/members", response_model=MembersView, responses={200: READ_MODEL})
async def list_members(home_id: Ulid, caller: Reader, parts: Shared) -> Response:
    """The owner first. May lag behind by moments."""
    await _require(parts, home_id, caller, Action.SEE_MEMBERS)
    now = parts.container.clock.now()
    rows = await parts.container.memberships.members_of(home_id)
    items = [_shown(Role.OWNER, None, None, account_id=home_id)] + [
        _shown(row.role, row.began_at, row.ends_at, account_id=row.account_id)
        for row in rows
        if row.role_at(now)
    ]
    return answer({"items": items}, 200, **parts.read_model("memberships"))


@router.get("/{home_id}/invitations", response_model=InvitationsView)
async def list_invitations(home_id: Ulid, caller: Reader, parts: Shared) -> Response:
    """Those that are open, as of now."""
    await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
    container = parts.container
    found = await homes.open_invitations(
        container.accounts.dispatcher.repository, home_id, at=container.clock.now()
    )
    return answer({"items": [_invitation(one.invitation_id, one.invitation) for one in found]})


@router.post("/{home_id}/invitations", status_code=201, response_model=InvitationView)
async def invite(
    request: Request, home_id: Ulid, body: InviteBody, caller: Writer, parts: Shared
) -> Response:
    """By a mail; whoever holds it may accept, with an account of their own."""
    await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
    email = normalise(body.email)
    await _require_mails_left(parts, home_id)
    mailed = await may_be_sent(parts.attempts, email)
    container = parts.container
    message = homes.Invite(
        home_id=home_id,
        invitation_id=container.ids.new(),
        token=homes.new_token(),
        page=container.settings.issuer + PAGE,
        email=email,
        role=body.role,
        ends_at=body.ends_at,
    )
    invitation, _ = await container.accounts.dispatcher.execute(
        context_of(request, container.tracer),
        lambda unit: homes.invite(unit, message, ids=container.ids, mailed=mailed),
    )
    return answer(_invitation(message.invitation_id, invitation), 201)


async def _require_mails_left(parts: Parts, home_id: str) -> None:
    """Withdrawing must not be a way to send mails without end. Raises ``RateLimited``."""
    try:
        await parts.attempts.take(INVITATIONS, home_id)
    except TooManyAttempts as error:
        detail = f"{INVITATIONS.most} invitations a day"
        raise RateLimited(detail, retry_after=error.extra["retry_after"]) from error


@router.delete("/{home_id}/invitations/{invitation_id}", status_code=204)
async def withdraw(
    request: Request, home_id: Ulid, invitation_id: Ulid, caller: Writer, parts: Shared
) -> Response:
    await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
    container = parts.container
    message = homes.WithdrawInvitation(home_id=home_id, invitation_id=invitation_id)
    await container.accounts.dispatcher.execute(
        context_of(request, container.tracer), lambda unit: homes.withdraw(unit, message)
    )
    return Response(status_code=204)


@router.patch("/{home_id}/members/{account_id}", response_model=MemberView)
async def change_role(
    request: Request,
    home_id: Ulid,
    account_id: Ulid,
    body: RoleBody,
    caller: Writer,
    parts: Shared,
) -> Response:
    await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
    container = parts.container
    message = homes.ChangeMemberRole(
        home_id=home_id, account_id=account_id, role=body.role, ends_at=body.ends_at
    )
    member, _ = await container.accounts.dispatcher.execute(
        context_of(request, container.tracer), lambda unit: homes.change_role(unit, message)
    )
    return answer(_shown(member.role, member.since, member.ends_at, account_id=account_id))


@router.delete("/{home_id}/members/{account_id}", status_code=204)
async def end_membership(
    request: Request, home_id: Ulid, account_id: Ulid, caller: Writer, parts: Shared
) -> Response:
    """One's own: leave; somebody else's: remove. An owner cannot leave."""
    if account_id == home_id:
        await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
        raise MemberNotFound("the owner is no member")
    leaves = account_id == caller.account_id
    if not leaves:
        await _require(parts, home_id, caller, Action.MANAGE_MEMBERS)
    container = parts.container
    message = homes.EndMembership(
        home_id=home_id, account_id=account_id, reason="left" if leaves else "removed"
    )
    await container.accounts.dispatcher.execute(
        context_of(request, container.tracer), lambda unit: homes.end_membership(unit, message)
    )
    return Response(status_code=204)
