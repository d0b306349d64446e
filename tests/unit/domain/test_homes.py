"""Invitations, memberships and the places of a home: every cell of the tables, and the limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from domain.accounts import home as homes
from domain.accounts import invitation as invitations
from domain.accounts import membership as memberships
from domain.accounts.home import HOME, PLACES, Home, HomeFull, HomePlaceFreed, HomePlaceTaken
from domain.accounts.invitation import (
    INVITATION,
    LIFETIME,
    Invitation,
    InvitationAccepted,
    InvitationAlreadyAccepted,
    InvitationNotFound,
    InvitationSent,
    InvitationStatus,
    InvitationWithdrawn,
)
from domain.accounts.membership import (
    LONGEST_VISIT,
    MEMBERSHIP,
    MemberNotFound,
    MemberRole,
    MemberRoleChanged,
    Membership,
    MembershipBegan,
    MembershipEnded,
    MembershipStatus,
    Reason,
    require_stay,
)
from domain.kernel.errors import InvalidInput
from domain.kernel.event import Event
from tests.support.given import given, happened
from tests.support.streams import at

OWNER, GUEST, OTHER = "01KA0000000000000000000009", "01KA000000000000000000000A", "01KB"
WEEK = LIFETIME.total_seconds()


# --- invitation -----------------------------------------------------------------------------------


def sent(
    role: MemberRole = MemberRole.MEMBER, ends_at: datetime | None = None
) -> Callable[[Invitation], list[Event]]:
    return lambda state: invitations.send(
        state,
        home_id=OWNER,
        email="a@example.org",
        role=role,
        ends_at=ends_at,
        by="token:t",
        at=at(0),
    )


def accepted(who: str = GUEST, second: float = 1) -> Callable[[Invitation], list[Event]]:
    return lambda state: invitations.accept(state, account_id=who, at=at(second))


def withdrawn(second: float = 1) -> Callable[[Invitation], list[Event]]:
    return lambda state: invitations.withdraw(state, by="token:t", at=at(second))


def test_an_invitation_is_sent_for_a_week_or_until_the_stay_is_over() -> None:
    given(INVITATION).when(sent()).then(happened(InvitationSent, expires_at=at(WEEK)))
    soon = at(60)
    given(INVITATION).when(sent(MemberRole.GUEST, soon)).then(
        happened(InvitationSent, expires_at=soon, ends_at=soon)
    )


def test_it_is_accepted_once_and_again_by_the_same_account_without_an_event() -> None:
    state = given(INVITATION, sent()).when(accepted()).then(InvitationAccepted)
    assert (state.status, state.account_id) == (InvitationStatus.ACCEPTED, GUEST)
    given(INVITATION, sent(), accepted()).when(accepted(OTHER)).then_raises(
        InvitationAlreadyAccepted
    )
    given(INVITATION, sent(), accepted()).when(accepted(second=WEEK + 1)).then()


@pytest.mark.parametrize("steps", [(), (sent(), withdrawn())], ids=["never sent", "withdrawn"])
def test_what_is_not_open_cannot_be_accepted(steps: tuple[object, ...]) -> None:
    given(INVITATION, *steps).when(accepted()).then_raises(InvitationNotFound)  # type: ignore[arg-type]


def test_it_expires_at_its_time_and_not_before() -> None:
    given(INVITATION, sent()).when(accepted(second=WEEK - 0.001)).then(InvitationAccepted)
    given(INVITATION, sent()).when(accepted(second=WEEK)).then_raises(InvitationNotFound)


def test_the_homes_owner_cannot_accept_it() -> None:
    given(INVITATION, sent()).when(accepted(OWNER)).then_raises(InvitationNotFound)


def test_it_is_withdrawn_also_when_expired_but_not_when_accepted() -> None:
    given(INVITATION, sent()).when(withdrawn()).then(InvitationWithdrawn)
    given(INVITATION, sent()).when(withdrawn(WEEK + 1)).then(InvitationWithdrawn)
    given(INVITATION, sent(), accepted()).when(withdrawn()).then_raises(InvitationAlreadyAccepted)
    given(INVITATION).when(withdrawn()).then()


def test_the_table_of_invitations() -> None:
    allowed = {
        (None, InvitationStatus.SENT),
        (InvitationStatus.SENT, InvitationStatus.ACCEPTED),
        (InvitationStatus.SENT, InvitationStatus.WITHDRAWN),
    }
    for source in (None, *InvitationStatus):
        for target in InvitationStatus:
            assert invitations.MACHINE.allows(source, target) is ((source, target) in allowed)


# --- membership -----------------------------------------------------------------------------------


def begun(
    role: MemberRole = MemberRole.MEMBER, ends_at: datetime | None = None, second: float = 0
) -> Callable[[Membership], list[Event]]:
    return lambda state: memberships.begin(
        state,
        home_id=OWNER,
        account_id=GUEST,
        role=role,
        ends_at=ends_at,
        by="token:t",
        at=at(second),
    )


def changed(
    role: MemberRole, ends_at: datetime | None = None
) -> Callable[[Membership], list[Event]]:
    return lambda state: memberships.change(
        state, role=role, ends_at=ends_at, by="token:t", at=at(1)
    )


def ended(reason: Reason = "removed") -> Callable[[Membership], list[Event]]:
    return lambda state: memberships.end(state, reason=reason, by="token:t", at=at(2))


def test_a_membership_begins_ends_and_begins_again() -> None:
    given(MEMBERSHIP).when(begun()).then(happened(MembershipBegan, role=MemberRole.MEMBER))
    given(MEMBERSHIP, begun()).when(ended("left")).then(happened(MembershipEnded, reason="left"))
    again = given(MEMBERSHIP, begun(), ended()).when(begun(second=9)).then(MembershipBegan)
    assert (again.status, again.since) == (MembershipStatus.LIVE, at(9))


def test_a_newer_invitation_changes_the_role_of_who_is_a_member_already() -> None:
    given(MEMBERSHIP, begun()).when(begun()).then()
    given(MEMBERSHIP, begun()).when(begun(MemberRole.GUEST, at(50))).then(
        happened(MemberRoleChanged, role=MemberRole.GUEST, ends_at=at(50))
    )


def test_only_a_members_role_is_changed_and_only_a_membership_ends() -> None:
    given(MEMBERSHIP, begun()).when(changed(MemberRole.GUEST, at(9))).then(MemberRoleChanged)
    given(MEMBERSHIP, begun()).when(changed(MemberRole.MEMBER)).then()
    for steps in ((), (begun(), ended())):
        given(MEMBERSHIP, *steps).when(changed(MemberRole.MEMBER)).then_raises(MemberNotFound)
        given(MEMBERSHIP, *steps).when(ended()).then()


def test_a_guests_stay_is_over_at_its_end_without_an_event() -> None:
    state = given(MEMBERSHIP).when(begun(MemberRole.GUEST, at(10))).then(MembershipBegan)
    assert state.is_live(at(9.999))
    assert not state.is_live(at(10))
    assert not given(MEMBERSHIP, begun(), ended()).state.is_live(at(3))


def test_the_table_of_memberships() -> None:
    live, over = MembershipStatus.LIVE, MembershipStatus.ENDED
    allowed = {(None, live), (over, live), (live, live), (live, over)}
    for source in (None, live, over):
        for target in (live, over):
            assert memberships.MACHINE.allows(source, target) is ((source, target) in allowed)


@pytest.mark.parametrize(
    ("role", "stay", "fits"),
    [
        (MemberRole.MEMBER, None, True),
        (MemberRole.MEMBER, timedelta(days=1), False),
        (MemberRole.GUEST, None, False),
        (MemberRole.GUEST, timedelta(0), False),
        (MemberRole.GUEST, timedelta(seconds=1), True),
        (MemberRole.GUEST, LONGEST_VISIT, True),
        (MemberRole.GUEST, LONGEST_VISIT + timedelta(seconds=1), False),
    ],
)
def test_guests_stay_for_a_year_at_most_and_members_without_end(
    role: MemberRole, stay: timedelta | None, fits: bool
) -> None:
    ends_at = at(0) + stay if stay is not None else None
    if fits:
        require_stay(role, ends_at, at=at(0))
        return
    with pytest.raises(InvalidInput):
        require_stay(role, ends_at, at=at(0))


# --- places ---------------------------------------------------------------------------------------


def taken(
    holder: str, *, until: float | None = None, second: float = 0, instead_of: str | None = None
) -> Callable[[Home], list[Event]]:
    end = at(until) if until is not None else None
    return lambda state: homes.take(state, holder, until=end, at=at(second), instead_of=instead_of)


def freed(*holders: str) -> Callable[[Home], list[Event]]:
    return lambda state: homes.free(state, *holders, at=at(1))


FULL = [taken(f"member:{number}") for number in range(PLACES)]


def test_a_home_has_so_many_places_and_no_more() -> None:
    given(HOME, *FULL[1:]).when(taken("member:x")).then(HomePlaceTaken)
    given(HOME, *FULL).when(taken("member:x")).then_raises(HomeFull, limit=PLACES)
    given(HOME, *FULL, freed("member:3")).when(taken("member:x")).then(HomePlaceTaken)


def test_a_place_whose_time_is_over_is_free_and_swept_out() -> None:
    almost = [*FULL[1:], taken("invitation:i", until=100)]
    given(HOME, *almost).when(taken("member:x", second=99)).then_raises(HomeFull)
    state = (
        given(HOME, *almost)
        .when(taken("member:x", second=100))
        .then(happened(HomePlaceFreed, holder="invitation:i"), HomePlaceTaken)
    )
    assert len(state.places) == PLACES


def test_who_accepts_takes_the_place_of_the_invitation_also_in_a_full_home() -> None:
    full = [*FULL[1:], taken("invitation:i", until=100)]
    given(HOME, *full).when(taken("member:x", instead_of="invitation:i", second=1)).then(
        happened(HomePlaceFreed, holder="invitation:i"),
        happened(HomePlaceTaken, holder="member:x", until=None),
    )
    given(HOME, taken("member:x"), taken("invitation:i", until=100)).when(
        taken("member:x", instead_of="invitation:i")
    ).then(happened(HomePlaceFreed, holder="invitation:i"))


def test_another_end_takes_the_place_anew_and_the_same_one_does_nothing() -> None:
    given(HOME, taken("member:x", until=9)).when(taken("member:x", until=9)).then()
    given(HOME, taken("member:x", until=9)).when(taken("member:x", until=20)).then(
        happened(HomePlaceTaken, until=at(20))
    )


def test_holders_are_those_whose_time_is_not_over() -> None:
    state = given(HOME, taken("invitation:i", until=9), taken("member:x")).state
    assert state.holders("invitation:", at(8)) == ["i"]
    assert state.holders("invitation:", at(9)) == []
    assert state.holders("member:", at(9)) == ["x"]
