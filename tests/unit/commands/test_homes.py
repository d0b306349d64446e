"""Inviting, accepting, changing and ending memberships, on memory; and two of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from commands.accounts import forgetting, homes
from commands.accounts.forgetting import RequestForgetting, StartForgetting
from commands.accounts.homes import (
    AcceptInvitation,
    ChangeMemberRole,
    EndMembership,
    EndMemberships,
    Invite,
    Leaver,
    WithdrawInvitation,
)
from domain.accounts.home import HOME, PLACES, HomeFull
from domain.accounts.invitation import (
    INVITATION,
    LIFETIME,
    InvitationAlreadyAccepted,
    InvitationNotFound,
)
from domain.accounts.membership import MemberNotFound, MemberRole, Reason
from domain.kernel.errors import InvalidInput, SubjectForgotten
from domain.kernel.recorded import Context
from tests.support.interleave import ForgettingStore, InterleavingStore, ScheduledStore
from tests.support.write_side import WriteSide

OWNER = "01KA0000000000000000000009"
FRIEND = "01KA0000000000000000000008"
THIRD = "01KA0000000000000000000007"
CONTEXT = Context("c", "m", "policy:forgetting")
ADDRESS = "friend@example.org"


class House:
    """One process."""

    def __init__(self, side: WriteSide) -> None:
        self.side = side
        self.vault = side.memory.vault

    def on(self, store: Any) -> House:
        return House(self.side.beside(store))

    async def invite(
        self, role: MemberRole = MemberRole.MEMBER, stay: float | None = None
    ) -> tuple[str, str]:
        """The token of the mail, and the invitation's id."""
        token, invitation_id = homes.new_token(), self.side.ids.new()
        message = Invite(
            home_id=OWNER,
            invitation_id=invitation_id,
            token=token,
            page="https://example.org/account/homes",
            email=ADDRESS,
            role=role,
            ends_at=self.in_seconds(stay),
        )
        await self.side.run(lambda unit: homes.invite(unit, message, ids=self.side.ids))
        return token, invitation_id

    def in_seconds(self, seconds: float | None) -> datetime | None:
        return None if seconds is None else self.side.clock.now() + timedelta(seconds=seconds)

    async def accept(self, token: str, account_id: str = FRIEND) -> Any:
        message = AcceptInvitation(token=token, account_id=account_id)
        return await self.side.run(lambda unit: homes.accept(unit, message, vault=self.vault))

    async def withdraw(self, invitation_id: str, home_id: str = OWNER) -> Any:
        message = WithdrawInvitation(home_id=home_id, invitation_id=invitation_id)
        return await self.side.run(lambda unit: homes.withdraw(unit, message))

    async def change(self, role: MemberRole, stay: float | None = None) -> Any:
        message = ChangeMemberRole(
            home_id=OWNER, account_id=FRIEND, role=role, ends_at=self.in_seconds(stay)
        )
        return await self.side.run(lambda unit: homes.change_role(unit, message))

    async def end(self, account_id: str = FRIEND, reason: Reason = "removed") -> Any:
        message = EndMembership(home_id=OWNER, account_id=account_id, reason=reason)
        return await self.side.run(lambda unit: homes.end_membership(unit, message))

    async def standing(self, account_id: str = FRIEND) -> str | None:
        repository = self.side.beside().repository
        return await homes.standing(repository, OWNER, account_id, at=self.side.clock.now())

    async def holders(self) -> list[str]:
        state = (await self.side.beside().repository.load(HOME, OWNER)).state
        return sorted(state.places)

    async def mails(self) -> Sequence[tuple[str, Any]]:
        return await self.vault.list("mail#")

    async def types(self, stream: str) -> list[str]:
        return [type(one).__name__ for one in await self.side.events(stream)]


@pytest.fixture
def house() -> House:
    return House(WriteSide())


async def test_who_holds_the_mail_becomes_a_member(house: House) -> None:
    token, invitation_id = await house.invite()
    [(_, mail)] = await house.mails()
    assert (mail["kind"], mail["to"]) == ("invitation", ADDRESS)
    assert mail["parameters"] == {
        "link": f"https://example.org/account/homes?invitation={token}",
        "inviter": "Somebody",
        "role": "member",
        "until": "08 January 2026, 00:00 UTC",
    }
    assert await house.holders() == [f"invitation:{invitation_id}"]
    (home_id, member), _ = await house.accept(token)
    assert (home_id, member.role) == (OWNER, MemberRole.MEMBER)
    assert await house.standing() == "member"
    assert await house.standing(THIRD) is None
    assert await house.standing(OWNER) == "owner"
    assert await house.holders() == [f"member:{FRIEND}"]


async def test_the_token_is_kept_as_its_hash_and_in_no_event(house: House) -> None:
    token, invitation_id = await house.invite()
    [(key, value)] = await house.vault.list(homes.PREFIX)
    assert token not in key + str(value)
    for stream in (f"invitation-{invitation_id}", f"home-{OWNER}"):
        assert all(token not in one.model_dump_json() for one in await house.side.events(stream))


async def test_the_address_is_sealed_under_the_owners_key(house: House) -> None:
    _, invitation_id = await house.invite()
    items = [str(item) async for item in house.side.memory.scan_items()]
    assert not any(ADDRESS in item for item in items)
    await house.side.memory.keyring.destroy(OWNER)
    [event] = await house.side.beside().store.read(f"invitation-{invitation_id}", personal=False)
    assert event.event.model_dump()["email"] == "[forgotten]"


async def test_accepting_again_is_the_same_answer_and_no_event(house: House) -> None:
    token, _ = await house.invite()
    first, _ = await house.accept(token)
    again, events = await house.accept(token)
    assert (again, events) == (first, [])


async def test_an_invitation_is_for_one_and_not_for_the_owner(house: House) -> None:
    token, _ = await house.invite()
    with pytest.raises(InvitationNotFound):
        await house.accept(token, OWNER)
    await house.accept(token)
    with pytest.raises(InvitationAlreadyAccepted):
        await house.accept(token, THIRD)


@pytest.mark.parametrize("token", ["", "hci_x", homes.new_token(), "hc_" + "a" * 43])
async def test_an_unknown_token_is_no_invitation(house: House, token: str) -> None:
    await house.invite()
    with pytest.raises(InvitationNotFound):
        await house.accept(token)


async def test_an_expired_or_withdrawn_invitation_is_none(house: House) -> None:
    late, _ = await house.invite()
    gone, invitation_id = await house.invite()
    await house.withdraw(invitation_id)
    assert (await house.withdraw(invitation_id))[1] == []
    with pytest.raises(InvitationNotFound):
        await house.accept(gone)
    house.side.clock.second = LIFETIME.total_seconds()
    with pytest.raises(InvitationNotFound):
        await house.accept(late)


async def test_only_the_homes_own_invitations_are_withdrawn(house: House) -> None:
    token, invitation_id = await house.invite()
    for home_id, one in ((THIRD, invitation_id), (OWNER, "01KA00000000000000000000ZZ")):
        with pytest.raises(InvitationNotFound):
            await house.withdraw(one, home_id)
    await house.accept(token)
    with pytest.raises(InvitationAlreadyAccepted):
        await house.withdraw(invitation_id)


async def test_who_was_removed_does_not_come_back_with_the_old_mail(house: House) -> None:
    token, _ = await house.invite()
    await house.accept(token)
    await house.end()
    assert (await house.end())[1] == []
    assert await house.standing() is None
    assert await house.holders() == []
    with pytest.raises(InvitationAlreadyAccepted):
        await house.accept(token)
    again, _ = await house.invite()
    await house.accept(again)
    assert await house.standing() == "member"


async def test_a_home_is_never_fuller_than_it_may_be(house: House) -> None:
    tokens = [(await house.invite())[0] for _ in range(PLACES)]
    mails = len(await house.mails())
    with pytest.raises(HomeFull):
        await house.invite()
    assert len(await house.mails()) == mails, "who is refused sends no mail"
    await house.accept(tokens[0])
    with pytest.raises(HomeFull):
        await house.invite()
    house.side.clock.second = LIFETIME.total_seconds()
    await house.invite()
    assert len(await house.holders()) == 2, "places of expired invitations were swept out"


async def test_a_guests_stay_ends_by_itself_and_can_be_given_anew(house: House) -> None:
    token, _ = await house.invite(MemberRole.GUEST, stay=100)
    await house.accept(token)
    assert await house.standing() == "guest"
    house.side.clock.second = 100
    assert await house.standing() is None
    await house.change(MemberRole.GUEST, stay=50)
    assert await house.standing() == "guest"
    await house.change(MemberRole.MEMBER)
    house.side.clock.second = 1000
    assert await house.standing() == "member"


async def test_a_guest_without_an_end_is_refused_and_nothing_is_stored(house: House) -> None:
    with pytest.raises(InvalidInput):
        await house.invite(MemberRole.GUEST)
    with pytest.raises(InvalidInput):
        await house.invite(MemberRole.MEMBER, stay=10)
    assert house.vault.items == {}


async def test_a_stranger_is_no_member_to_change_or_remove(house: House) -> None:
    with pytest.raises(MemberNotFound):
        await house.change(MemberRole.MEMBER)
    with pytest.raises(MemberNotFound):
        await house.end()


async def test_open_invitations_are_listed_as_of_now(house: House) -> None:
    _, first = await house.invite()
    _, second = await house.invite(MemberRole.GUEST, stay=100)
    token, _ = await house.invite()
    await house.accept(token)

    async def listed() -> Sequence[str]:
        repository, now = house.side.repository, house.side.clock.now()
        found = await homes.open_invitations(repository, OWNER, at=now)
        assert all(one.invitation.email == ADDRESS for one in found)
        return [one.invitation_id for one in found]

    assert await listed() == [first, second]
    house.side.clock.second = 100
    assert await listed() == [first]


# --- at once --------------------------------------------------------------------------------------


async def test_of_two_that_accept_at_once_one_gets_in(house: House) -> None:
    token, _ = await house.invite()
    store = InterleavingStore(house.side.memory)
    store.rivals = [lambda: house.accept(token, THIRD)]
    with pytest.raises(InvitationAlreadyAccepted):
        await house.on(store).accept(token, FRIEND)
    assert (await house.standing(THIRD), await house.standing(FRIEND)) == ("member", None)
    assert await house.holders() == [f"member:{THIRD}"]


async def test_the_same_account_accepting_twice_at_once_is_a_member_once(house: House) -> None:
    token, invitation_id = await house.invite()
    store = ScheduledStore(house.side.memory, [0, 1, 0, 1, 1, 0])
    both = await store.run(*(house.on(store).accept(token) for _ in range(2)))
    assert [one[0][0] for one in both] == [OWNER, OWNER]
    assert await house.types(f"membership-{OWNER}.{FRIEND}") == ["MembershipBegan"]
    assert await house.types(f"invitation-{invitation_id}") == [
        "InvitationSent",
        "InvitationAccepted",
    ]


async def test_an_accept_that_a_withdrawal_outruns_is_refused(house: House) -> None:
    token, invitation_id = await house.invite()
    store = InterleavingStore(house.side.memory)
    store.rivals = [lambda: house.withdraw(invitation_id)]
    with pytest.raises(InvitationNotFound):
        await house.on(store).accept(token)
    assert await house.standing() is None
    assert await house.holders() == []


async def test_a_withdrawal_that_an_accept_outruns_is_told(house: House) -> None:
    token, invitation_id = await house.invite()
    store = InterleavingStore(house.side.memory)
    store.rivals = [lambda: house.accept(token)]
    with pytest.raises(InvitationAlreadyAccepted):
        await house.on(store).withdraw(invitation_id)
    assert await house.standing() == "member"


@pytest.mark.parametrize("removed_first", [True, False])
async def test_removed_while_accepting_another_invitation(
    house: House, removed_first: bool
) -> None:
    """The last one to be stored counts, and streams and places agree."""
    first, _ = await house.invite()
    await house.accept(first)
    second, _ = await house.invite(MemberRole.GUEST, stay=100)
    store = InterleavingStore(house.side.memory)
    late = house.on(store)
    if removed_first:
        store.rivals = [lambda: house.end()]
        await late.accept(second)
        assert await house.standing() == "guest"
        assert await house.holders() == [f"member:{FRIEND}"]
    else:
        store.rivals = [lambda: house.accept(second)]
        await late.end()
        assert await house.standing() is None
        assert await house.holders() == []


async def test_of_two_invitations_at_once_one_gets_the_last_place(house: House) -> None:
    for _ in range(PLACES - 1):
        await house.invite()
    store = InterleavingStore(house.side.memory)
    store.rivals = [lambda: house.invite()]
    with pytest.raises(HomeFull):
        await house.on(store).invite()
    assert len(await house.holders()) == PLACES


async def test_a_lost_answer_makes_no_second_member(house: House) -> None:
    token, _ = await house.invite()
    await house.on(ForgettingStore(house.side.memory)).accept(token)
    assert await house.types(f"membership-{OWNER}.{FRIEND}") == ["MembershipBegan"]


# --- forgetting -----------------------------------------------------------------------------------


class Listed:
    def __init__(self, *home_ids: str) -> None:
        self.home_ids = home_ids

    async def homes_of_account(self, account_id: str) -> Sequence[str]:
        return self.home_ids


async def started(house: House, account_id: str) -> None:
    asked = RequestForgetting(account_id=account_id, after=timedelta(0))
    await house.side.run(lambda unit: forgetting.request_forgetting(unit, asked))
    message = StartForgetting(account_id=account_id)
    await house.side.run(lambda unit: forgetting.start_forgetting(unit, message))


async def test_a_forgotten_member_leaves_all_homes(house: House) -> None:
    token, _ = await house.invite()
    await house.accept(token)
    leaver = Leaver(homes_of=Listed(OWNER), dispatcher=house.side.dispatcher)
    for _ in range(2):
        await leaver.end_all(CONTEXT, EndMemberships(account_id=FRIEND))
    [_, ended] = await house.side.events(f"membership-{OWNER}.{FRIEND}")
    assert ended.model_dump()["reason"] == "forgotten"


async def test_a_forgotten_owners_home_is_emptied(house: House) -> None:
    token, _ = await house.invite()
    await house.accept(token)
    _, invitation_id = await house.invite()
    leaver = Leaver(homes_of=Listed(), dispatcher=house.side.dispatcher)
    for _ in range(2):
        await leaver.end_all(CONTEXT, EndMemberships(account_id=OWNER))
    assert await house.holders() == []
    assert await house.standing() is None
    assert (await house.types(f"invitation-{invitation_id}"))[-1] == "InvitationWithdrawn"


async def test_from_the_start_of_its_forgetting_nobody_gets_in(house: House) -> None:
    token, _ = await house.invite()
    await started(house, FRIEND)
    with pytest.raises(SubjectForgotten):
        await house.accept(token)
    await started(house, OWNER)
    with pytest.raises(InvitationNotFound):
        await house.accept(token, THIRD)
    with pytest.raises(SubjectForgotten):
        await house.invite()


@pytest.mark.parametrize("how", ["accepted", "withdrawn"])
async def test_nobody_reads_the_address_once_nobody_is_waited_for(house: House, how: str) -> None:
    token, invitation_id = await house.invite()
    if how == "accepted":
        await house.accept(token)
    else:
        await house.withdraw(invitation_id)
    for process in (house, house.on(house.side.memory)):  # what is kept, and what is read anew
        loaded = await process.side.repository.load(INVITATION, invitation_id)
        assert (loaded.state.status, loaded.state.email) == (how.upper(), "")
