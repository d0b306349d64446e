"""An invitation to a home, sent by mail; whoever holds the mail may accept it, once.

Stream ``invitation-{invitation id}``. What the mail's link proves is in the vault
(``commands/accounts/homes.py``). An invitation expires by time, without an event.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, assert_never, cast

from pydantic import Field

from domain.accounts.membership import MemberRole
from domain.kernel.errors import Conflict, NotFound
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move
from domain.kernel.personal import Personal

LIFETIME = timedelta(days=7)
"""Of an invitation; a guest's is over when the stay is."""


class InvitationStatus(StrEnum):
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    WITHDRAWN = "WITHDRAWN"


S, A, W = InvitationStatus.SENT, InvitationStatus.ACCEPTED, InvitationStatus.WITHDRAWN
MACHINE = Machine(
    (
        Move(None, S, "owner", "the home has room; the mail leaves with it"),
        Move(S, A, "invited", "who holds the mail, with an account of their own; not expired"),
        Move(S, W, "owner", "before it is accepted; an expired one as well"),
    )
)


class InvitationNotFound(NotFound):
    """There is no such invitation: unknown, expired, withdrawn, or to one's own home."""

    code = "invitation_not_found"


class InvitationAlreadyAccepted(Conflict):
    """Somebody has accepted the invitation; each can be accepted once."""

    code = "invitation_already_accepted"
    retryable = False


class InvitationSent(Event):
    TOPIC: ClassVar[str] = "accounts.invitation_sent"
    SUBJECT: ClassVar[str | None] = "home_id"
    home_id: str = Field(description="The owner's account")
    email: Annotated[str, Field(max_length=254, description="Where the mail goes"), Personal()]
    role: MemberRole
    ends_at: datetime | None = Field(None, description="When a guest's stay is over")
    expires_at: datetime = Field(description="Not accepted from here on")
    by: str


class InvitationAccepted(Event):
    TOPIC: ClassVar[str] = "accounts.invitation_accepted"
    account_id: str = Field(description="Who has accepted it")


class InvitationWithdrawn(Event):
    TOPIC: ClassVar[str] = "accounts.invitation_withdrawn"
    by: str


InvitationEvent = InvitationSent | InvitationAccepted | InvitationWithdrawn
register(InvitationSent, InvitationAccepted, InvitationWithdrawn)


class Invitation(State):
    SUBJECT: ClassVar[str | None] = "home_id"

    status: InvitationStatus | None = None
    home_id: str | None = None
    email: Annotated[str, Personal()] = ""
    """Empty once nobody is waited for any more."""
    role: MemberRole | None = None
    ends_at: datetime | None = None
    sent_at: datetime | None = None
    expires_at: datetime | None = None
    account_id: str | None = None
    """Who has accepted it."""

    def is_open(self, at: datetime) -> bool:
        return self.status == S and self.expires_at is not None and at < self.expires_at


def fold(state: Invitation, event: Event) -> Invitation:
    known = cast("InvitationEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case InvitationSent():
            changed |= {
                "status": MACHINE.enter(state.status, S),
                "home_id": known.home_id,
                "email": known.email,
                "role": known.role,
                "ends_at": known.ends_at,
                "sent_at": event.timestamp,
                "expires_at": known.expires_at,
            }
        case InvitationAccepted():
            changed |= {"status": MACHINE.enter(state.status, A), "account_id": known.account_id}
            changed |= {"email": ""}
        case InvitationWithdrawn():
            changed |= {"status": MACHINE.enter(state.status, W), "email": ""}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


INVITATION = Aggregate("invitation", Invitation, fold, snapshot_every=100, code_version=2)


def expiry_of(ends_at: datetime | None, *, at: datetime) -> datetime:
    """Of an invitation that is sent now."""
    return min(at + LIFETIME, ends_at) if ends_at else at + LIFETIME


def send(
    state: Invitation,
    *,
    home_id: str,
    email: str,
    role: MemberRole,
    ends_at: datetime | None,
    by: str,
    at: datetime,
) -> list[Event]:
    if state.status is not None:
        return []
    fields = {"home_id": home_id, "email": email, "role": role, "ends_at": ends_at, "by": by}
    expires_at = expiry_of(ends_at, at=at)
    return [next_event(InvitationSent, state, at, expires_at=expires_at, **fields)]


def accept(state: Invitation, *, account_id: str, at: datetime) -> list[Event]:
    """Raises ``InvitationNotFound``, ``InvitationAlreadyAccepted``. Accepting again is no event."""
    if state.status == A:
        if state.account_id != account_id:
            raise InvitationAlreadyAccepted("somebody has accepted this invitation")
        return []
    if account_id == state.home_id or not state.is_open(at):
        raise InvitationNotFound("there is no such invitation")
    return [next_event(InvitationAccepted, state, at, account_id=account_id)]


def withdraw(state: Invitation, *, by: str, at: datetime) -> list[Event]:
    """Raises ``InvitationAlreadyAccepted``: whoever has accepted is removed instead."""
    if state.status == A:
        raise InvitationAlreadyAccepted("the invitation was accepted; remove the member")
    if state.status != S:
        return []
    return [next_event(InvitationWithdrawn, state, at, by=by)]
