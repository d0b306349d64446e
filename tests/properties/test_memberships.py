"""The memberships model withstands any shuffle, and says what the accounts' own state says."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import membership as memberships
from domain.accounts.membership import MEMBERSHIP, MemberRole, Membership
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from projections.devices.memberships import MEMBERSHIPS
from tests.properties.test_gate import deliver, deliveries, in_order, recorded
from tests.support.streams import at

HOME, FRIEND = "01KA0000000000000000000009", "01KA0000000000000000000008"
STREAM = MEMBERSHIP.stream(f"{HOME}.{FRIEND}")
ROLES = st.sampled_from(
    [(MemberRole.MEMBER, None), (MemberRole.GUEST, at(50)), (MemberRole.GUEST, at(90))]
)


def step(state: Membership, kind: str, given_role: tuple[MemberRole, object]) -> list[Event]:
    role, ends_at = given_role
    common = {"role": role, "ends_at": ends_at, "by": "token:t", "at": at(state.version)}
    if kind == "begin":
        return memberships.begin(state, home_id=HOME, account_id=FRIEND, **common)  # type: ignore[arg-type]
    if kind == "change":
        return memberships.change(state, **common)  # type: ignore[arg-type]
    return memberships.end(state, reason="removed", by="token:t", at=at(state.version))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Membership, list[Event]]:
    state, history = MEMBERSHIP.initial(STREAM), list[Event]()
    kinds = st.sampled_from(["begin", "change", "end"])
    for kind, role in draw(st.lists(st.tuples(kinds, ROLES), min_size=1, max_size=15)):
        with suppress(HomecastError):
            for event in step(state, kind, role):
                state = MEMBERSHIP.fold(state, event)
                history.append(event)
    return state, history


@given(histories(), st.data())
def test_any_shuffle_with_repetitions_gives_the_row_of_in_order_delivery(
    told: tuple[Membership, list[Event]], data: st.DataObject
) -> None:
    state, history = told
    events = recorded(history)
    rows = deliver(MEMBERSHIPS, data.draw(deliveries(events)), events).rows
    assert rows == in_order(MEMBERSHIPS, history)
    if not history:
        return
    row = rows[(FRIEND, HOME)]
    for moment in (at(0), at(50), at(90) - timedelta(microseconds=1), at(90)):
        granted = row.role_at(moment)
        assert (granted.value if granted else None) == (
            state.role.value if state.role and state.is_live(moment) else None
        )
