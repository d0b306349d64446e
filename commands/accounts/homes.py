"""Homes and who is in them: invite, accept, withdraw, change a role, remove, leave.

A home's id is its owner's account. The link of an invitation's mail carries a token of 256 random
bits, of which the vault keeps the SHA-256 (``invitation#…``) until the invitation has expired, so
that accepting again gives the same answer. Every change of who is in a home goes through the
home's own stream as well: two of them at once are decided one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from commands.accounts.mail import request_mail, spelled
from commands.accounts.tokens import ACCOUNT
from commands.kernel.dispatch import Dispatcher, Repository, Unit
from commands.kernel.ports import Ids, Vault
from domain.accounts import home as homes
from domain.accounts import invitation as invitations
from domain.accounts import membership as memberships
from domain.accounts.account import ACCOUNT as PEOPLE
from domain.accounts.forgetting import FORGETTING, ForgettingStatus
from domain.accounts.home import (
    HOME,
    INVITATION_PREFIX,
    MEMBER_PREFIX,
    invitation_place,
    member_place,
)
from domain.accounts.invitation import (
    INVITATION,
    Invitation,
    InvitationAlreadyAccepted,
    InvitationNotFound,
    InvitationStatus,
)
from domain.accounts.membership import (
    MEMBERSHIP,
    MemberNotFound,
    MemberRole,
    Membership,
    Reason,
    id_of_membership,
    require_stay,
)
from domain.kernel.errors import SubjectForgotten
from domain.kernel.recorded import Context

PREFIX = "invitation#"
TOKEN = re.compile(r"hci_[A-Za-z0-9_-]{43}")
OWNER = "owner"


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    home_id: str = Field(pattern=ACCOUNT.pattern)


class Invite(Message):
    """``token``: as ``new_token`` makes it; ``page``: address of where people accept it.
    The caller owns the home."""

    invitation_id: str
    token: str = Field(pattern=TOKEN.pattern, repr=False)
    page: str
    email: str = Field(max_length=254)
    role: MemberRole
    ends_at: datetime | None = None


class WithdrawInvitation(Message):
    invitation_id: str


class AcceptInvitation(BaseModel):
    model_config = ConfigDict(frozen=True)

    token: str = Field(max_length=64, repr=False)
    account_id: str = Field(pattern=ACCOUNT.pattern)


class ChangeMemberRole(Message):
    account_id: str
    role: MemberRole
    ends_at: datetime | None = None


class EndMembership(Message):
    account_id: str
    reason: Reason


class EndMemberships(BaseModel):
    """Of an account that is being forgotten: its own, and those of others in its home."""

    model_config = ConfigDict(frozen=True)

    account_id: str = Field(pattern=ACCOUNT.pattern)


def new_token() -> str:
    return "hci_" + secrets.token_urlsafe(32)


def key_of(token: str) -> str:
    return PREFIX + hashlib.sha256(token.encode()).hexdigest()


async def invite(unit: Unit, message: Invite, *, ids: Ids, mailed: bool = True) -> Invitation:
    """``mailed`` False: the address had too many mails (``mail.may_be_sent``).

    Raises ``InvalidInput``, ``HomeFull``, ``SubjectForgotten``.
    """
    require_stay(message.role, message.ends_at, at=unit.at)
    if await _is_leaving(unit, message.home_id):
        raise SubjectForgotten("the account is being forgotten")
    invitation = await unit.load(INVITATION, message.invitation_id)
    home = await unit.load(HOME, message.home_id)
    events = invitations.send(
        invitation,
        home_id=message.home_id,
        email=message.email,
        role=message.role,
        ends_at=message.ends_at,
        by=unit.context.principal,
        at=unit.at,
    )
    expires_at = invitations.expiry_of(message.ends_at, at=unit.at)
    place = invitation_place(message.invitation_id)
    unit.append(home, homes.take(home, place, until=expires_at, at=unit.at))
    unit.append(invitation, events)
    held = {"invitation_id": message.invitation_id, "expires_at": expires_at.isoformat()}
    unit.write_vault(key_of(message.token), held)
    parameters = {
        "link": f"{message.page}?invitation={message.token}",
        "inviter": await _inviter(unit, message.home_id),
        "role": _as_a_person_says(message.role, message.ends_at),
        "until": spelled(expires_at),
    }
    if mailed:
        await request_mail(
            unit,
            ids,
            "invitation",
            to=message.email,
            parameters=parameters,
            account_id=message.home_id,
        )
    for event in events:
        invitation = INVITATION.fold(invitation, event)
    return invitation


async def _inviter(unit: Unit, home_id: str) -> str:
    """What the invited know the owner by; accounts of before there was sign-up have no address."""
    account = await unit.load(PEOPLE, home_id)
    return account.email or "Somebody"


def _as_a_person_says(role: MemberRole, ends_at: datetime | None) -> str:
    return f"{role} until {spelled(ends_at)}" if ends_at else role.value


async def accept(unit: Unit, message: AcceptInvitation, *, vault: Vault) -> tuple[str, Membership]:
    """The home, and what the caller is in it now. Accepting again changes nothing.

    Raises ``InvitationNotFound``, ``InvitationAlreadyAccepted``, ``HomeFull``.
    """
    invitation_id = await _invitation_of(vault, message.token, now=unit.at)
    invitation = await unit.load(INVITATION, invitation_id)
    accepted = invitations.accept(invitation, account_id=message.account_id, at=unit.at)
    assert invitation.home_id is not None, "it was sent"
    assert invitation.role is not None, "it was sent"
    home_id, account_id = invitation.home_id, message.account_id
    member = await unit.load(MEMBERSHIP, id_of_membership(home_id, account_id))
    if not accepted:
        if not member.is_live(unit.at):
            raise InvitationAlreadyAccepted("the membership that came of it is over")
        return home_id, member
    if await _is_leaving(unit, home_id):
        raise InvitationNotFound("there is no such invitation")
    if await _is_leaving(unit, account_id):
        raise SubjectForgotten("the account is being forgotten")
    home = await unit.load(HOME, home_id)
    taken = homes.take(
        home,
        member_place(account_id),
        until=invitation.ends_at,
        instead_of=invitation_place(invitation_id),
        at=unit.at,
    )
    begun = memberships.begin(
        member,
        home_id=home_id,
        account_id=account_id,
        role=invitation.role,
        ends_at=invitation.ends_at,
        by=unit.context.principal,
        at=unit.at,
    )
    unit.append(invitation, accepted)
    unit.append(home, taken)
    unit.append(member, begun)
    for event in begun:
        member = MEMBERSHIP.fold(member, event)
    return home_id, member


async def _invitation_of(vault: Vault, token: str, *, now: datetime) -> str:
    """Raises ``InvitationNotFound``; what cannot be a token costs nothing."""
    held = await vault.get(key_of(token)) if TOKEN.fullmatch(token) else None
    if held is None or datetime.fromisoformat(held["expires_at"]) <= now:
        raise InvitationNotFound("there is no such invitation")
    return str(held["invitation_id"])


async def withdraw(unit: Unit, message: WithdrawInvitation) -> None:
    """Raises ``InvitationNotFound``, ``InvitationAlreadyAccepted``."""
    invitation = await unit.load(INVITATION, message.invitation_id)
    if invitation.home_id != message.home_id:
        raise InvitationNotFound("there is no such invitation")
    home = await unit.load(HOME, message.home_id)
    events = invitations.withdraw(invitation, by=unit.context.principal, at=unit.at)
    unit.append(invitation, events)
    unit.append(home, homes.free(home, invitation_place(message.invitation_id), at=unit.at))


async def change_role(unit: Unit, message: ChangeMemberRole) -> Membership:
    """Raises ``InvalidInput``, ``MemberNotFound``, ``HomeFull`` where a guest comes back."""
    require_stay(message.role, message.ends_at, at=unit.at)
    member = await unit.load(MEMBERSHIP, id_of_membership(message.home_id, message.account_id))
    home = await unit.load(HOME, message.home_id)
    events = memberships.change(
        member,
        role=message.role,
        ends_at=message.ends_at,
        by=unit.context.principal,
        at=unit.at,
    )
    place = member_place(message.account_id)
    unit.append(member, events)
    unit.append(home, homes.take(home, place, until=message.ends_at, at=unit.at))
    for event in events:
        member = MEMBERSHIP.fold(member, event)
    return member


async def end_membership(unit: Unit, message: EndMembership) -> None:
    """Ending it again changes nothing. Raises ``MemberNotFound`` for who never was one."""
    member = await unit.load(MEMBERSHIP, id_of_membership(message.home_id, message.account_id))
    if member.status is None:
        raise MemberNotFound("nobody of this id is a member of the home")
    home = await unit.load(HOME, message.home_id)
    events = memberships.end(member, reason=message.reason, by=unit.context.principal, at=unit.at)
    unit.append(member, events)
    unit.append(home, homes.free(home, member_place(message.account_id), at=unit.at))


async def _is_leaving(unit: Unit, account_id: str) -> bool:
    state = await unit.load(FORGETTING, account_id)
    return state.status in (ForgettingStatus.STARTED, ForgettingStatus.FORGOTTEN)


# --- looking --------------------------------------------------------------------------------------


async def standing(
    repository: Repository, home_id: str, account_id: str, *, at: datetime
) -> str | None:
    """``owner``, ``member`` or ``guest`` as of now; None for a stranger, also to no home at all."""
    if home_id == account_id:
        return OWNER
    loaded = await repository.load(MEMBERSHIP, id_of_membership(home_id, account_id))
    member = loaded.state
    return member.role.value if member.role and member.is_live(at) else None


async def look_at(repository: Repository, vault: Vault, token: str, *, now: datetime) -> Invitation:
    """For the page that the mail leads to; it stays as it is. Raises ``InvitationNotFound``."""
    invitation_id = await _invitation_of(vault, token, now=now)
    invitation = (await repository.load(INVITATION, invitation_id)).state
    if not invitation.is_open(now):
        raise InvitationNotFound("there is no such invitation")
    return invitation


@dataclass(frozen=True)
class Member:
    account_id: str
    membership: Membership


async def members(repository: Repository, home_id: str, *, at: datetime) -> list[Member]:
    """As of now, in order of their coming, without the owner."""
    home = (await repository.load(HOME, home_id)).state
    ids = home.holders(MEMBER_PREFIX, at)
    loaded = await asyncio.gather(
        *(repository.load(MEMBERSHIP, id_of_membership(home_id, one)) for one in ids)
    )
    pairs = zip(ids, (one.state for one in loaded), strict=True)
    return [Member(one, state) for one, state in pairs if state.is_live(at)]


@dataclass(frozen=True)
class OpenInvitation:
    invitation_id: str
    invitation: Invitation = field(repr=False)


async def open_invitations(
    repository: Repository, home_id: str, *, at: datetime
) -> list[OpenInvitation]:
    """As of now, in order of their sending."""
    home = (await repository.load(HOME, home_id)).state
    ids = home.holders(INVITATION_PREFIX, at)
    loaded = await asyncio.gather(*(repository.load(INVITATION, one) for one in ids))
    pairs = zip(ids, (one.state for one in loaded), strict=True)
    return [OpenInvitation(one, state) for one, state in pairs if state.is_open(at)]


# --- forgetting -----------------------------------------------------------------------------------


class HomesOfAccount(Protocol):
    async def homes_of_account(self, account_id: str) -> Sequence[str]:
        """Ids of the homes that the account is a member of. May lag by moments."""


class Leaver:
    """Takes an account that is being forgotten out of all homes, and everybody out of its own."""

    def __init__(self, *, homes_of: HomesOfAccount, dispatcher: Dispatcher) -> None:
        self._homes_of = homes_of
        self._dispatcher = dispatcher

    async def end_all(self, context: Context, message: EndMemberships) -> None:
        """Can be done again."""
        account_id = message.account_id
        for home_id in await self._homes_of.homes_of_account(account_id):
            await self._end(context, home_id, account_id)
        home = (await self._dispatcher.repository.load(HOME, account_id)).state
        for holder in home.places:
            if holder.startswith(MEMBER_PREFIX):
                await self._end(context, account_id, holder.removeprefix(MEMBER_PREFIX))
            else:
                await self._withdraw(context, account_id, holder.removeprefix(INVITATION_PREFIX))

    async def _end(self, context: Context, home_id: str, account_id: str) -> None:
        message = EndMembership(home_id=home_id, account_id=account_id, reason="forgotten")
        await self._dispatcher.execute(context, lambda unit: end_membership(unit, message))

    async def _withdraw(self, context: Context, home_id: str, invitation_id: str) -> None:
        message = WithdrawInvitation(home_id=home_id, invitation_id=invitation_id)

        async def decide(unit: Unit) -> None:
            invitation = await unit.load(INVITATION, invitation_id)
            if invitation.status == InvitationStatus.SENT:
                await withdraw(unit, message)

        await self._dispatcher.execute(context, decide)
