"""A membership: what an account may do in somebody else's home.

Stream ``membership-{home id}.{account id}``. A home is its owner's account, so the owner is implied
and never a member. A membership can begin again. What each role may do is for the contexts to say
that have something in a home (``domain/devices/roles.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, assert_never, cast

from pydantic import Field

from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move, moves

LONGEST_VISIT = timedelta(days=366)
"""Of a guest, from now on."""


class MemberRole(StrEnum):
    MEMBER = "member"
    GUEST = "guest"


class MembershipStatus(StrEnum):
    LIVE = "LIVE"
    ENDED = "ENDED"


L, E = MembershipStatus.LIVE, MembershipStatus.ENDED
MACHINE = Machine(
    (
        *moves((None, E), (L,), "invited", "who holds the mail of an invitation accepts it"),
        Move(L, L, "owner", "another role, or another end of a guest's stay"),
        Move(L, E, "owner or member", "removed or left; a guest's stay ends without an event"),
    )
)
Reason = Literal["left", "removed", "forgotten"]


class MemberNotFound(NotFound):
    """Nobody of this id is a member of the home."""

    code = "member_not_found"


class MembershipBegan(Event):
    TOPIC: ClassVar[str] = "accounts.membership_began"
    home_id: str = Field(description="The owner's account")
    account_id: str = Field(description="Whose membership it is")
    role: MemberRole
    ends_at: datetime | None = Field(None, description="When a guest's stay is over")


class MemberRoleChanged(Event):
    TOPIC: ClassVar[str] = "accounts.member_role_changed"
    role: MemberRole
    ends_at: datetime | None = Field(None, description="When a guest's stay is over")
    by: str


class MembershipEnded(Event):
    TOPIC: ClassVar[str] = "accounts.membership_ended"
    reason: Reason
    by: str


MembershipEvent = MembershipBegan | MemberRoleChanged | MembershipEnded
register(MembershipBegan, MemberRoleChanged, MembershipEnded)


class Membership(State):
    status: MembershipStatus | None = None
    role: MemberRole | None = None
    ends_at: datetime | None = None
    since: datetime | None = None
    """When it began, the last time."""

    def is_live(self, at: datetime) -> bool:
        """An expired stay is over, though no event says so."""
        return self.status == L and (self.ends_at is None or at < self.ends_at)


def fold(state: Membership, event: Event) -> Membership:
    known = cast("MembershipEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case MembershipBegan():
            changed |= {"status": MACHINE.enter(state.status, L), "since": event.timestamp}
            changed |= {"role": known.role, "ends_at": known.ends_at}
        case MemberRoleChanged():
            changed |= {"status": MACHINE.enter(state.status, L)}
            changed |= {"role": known.role, "ends_at": known.ends_at}
        case MembershipEnded():
            changed |= {"status": MACHINE.enter(state.status, E), "role": None, "ends_at": None}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


MEMBERSHIP = Aggregate("membership", Membership, fold, snapshot_every=100)


def id_of_membership(home_id: str, account_id: str) -> str:
    return f"{home_id}.{account_id}"


def require_stay(role: MemberRole, ends_at: datetime | None, *, at: datetime) -> None:
    """A guest stays until a time to come, a year away at most; a member has no end.

    Raises ``InvalidInput``.
    """
    if role == MemberRole.MEMBER:
        if ends_at is not None:
            raise InvalidInput("only a guest's stay has an end", field="ends_at")
        return
    if ends_at is None or not at < ends_at <= at + LONGEST_VISIT:
        raise InvalidInput("a guest's stay ends within a year", field="ends_at")


def begin(
    state: Membership,
    *,
    home_id: str,
    account_id: str,
    role: MemberRole,
    ends_at: datetime | None,
    by: str,
    at: datetime,
) -> list[Event]:
    """As invited: who is a member already gets the role of the newer invitation."""
    if state.status == L:
        return change(state, role=role, ends_at=ends_at, by=by, at=at)
    fields = {"home_id": home_id, "account_id": account_id, "role": role, "ends_at": ends_at}
    return [next_event(MembershipBegan, state, at, **fields)]


def change(
    state: Membership, *, role: MemberRole, ends_at: datetime | None, by: str, at: datetime
) -> list[Event]:
    """Raises ``MemberNotFound``. A guest whose stay is over can be given another one."""
    if state.status != L:
        raise MemberNotFound("nobody of this id is a member of the home")
    if (state.role, state.ends_at) == (role, ends_at):
        return []
    return [next_event(MemberRoleChanged, state, at, role=role, ends_at=ends_at, by=by)]


def end(state: Membership, *, reason: Reason, by: str, at: datetime) -> list[Event]:
    if state.status != L:
        return []
    return [next_event(MembershipEnded, state, at, reason=reason, by=by)]
