"""Rows of memberships: what each event of the accounts does, and what they refuse to believe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from domain.accounts.membership import (
    MemberRole,
    MemberRoleChanged,
    MembershipBegan,
    MembershipEnded,
)
from domain.devices.roles import Role
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.memberships import (
    MEMBERSHIPS,
    MembershipItem,
    MembershipRow,
    MembershipsTable,
    fold,
)
from projections.kernel.gate import Gate
from tests.support.gated import HistorySource, MemoryRegistry, MemoryRows, parking_lot

HOME, FRIEND = "01KA0000000000000000000009", "01KA0000000000000000000008"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
END = datetime(2026, 12, 25, tzinfo=UTC)
CONTEXT = Context("c", "m", "token:t")


def event(event_type: type[Event], version: int, **fields: Any) -> Event:
    return event_type(
        originator_id=f"membership-{HOME}.{FRIEND}",
        originator_version=version,
        timestamp=AT,
        **fields,
    )


BEGAN = event(
    MembershipBegan, 1, home_id=HOME, account_id=FRIEND, role=MemberRole.GUEST, ends_at=END
)


class SomethingNew(Event):
    TOPIC: ClassVar[str] = "accounts.something_new"


class Crowned(Event):
    TOPIC: ClassVar[str] = "accounts.membership_began"
    role: str = "owner"
    ends_at: datetime | None = None


def test_each_event_does_what_it_says() -> None:
    row = fold(None, BEGAN)
    assert (row.account_id, row.home_id, row.role, row.ends_at) == (FRIEND, HOME, Role.GUEST, END)
    row = fold(row, event(MemberRoleChanged, 2, role=MemberRole.MEMBER, by="t"))
    assert (row.role, row.ends_at, row.began_at) == (Role.MEMBER, None, AT)
    assert fold(row, event(SomethingNew, 3)).role is Role.MEMBER
    row = fold(row, event(MembershipEnded, 3, reason="left", by="t"))
    assert row.role is None
    assert row.role_at(AT) is None


def test_a_guests_stay_is_over_at_its_end() -> None:
    row = fold(None, BEGAN)
    assert row.role_at(AT) is Role.GUEST
    assert row.role_at(END) is None


def test_nobody_becomes_an_owner_by_an_event() -> None:
    with pytest.raises(ValueError, match="owner"):
        fold(None, event(Crowned, 1))


@pytest.mark.parametrize(
    "stream", ["membership-", "membership-a", "membership-a.", "membership-.b"]
)
def test_a_stream_that_names_no_home_and_account_has_no_row(stream: str) -> None:
    with pytest.raises(ValueError, match="names no home"):
        MEMBERSHIPS.key_of(BEGAN.model_copy(update={"originator_id": stream}))


async def test_a_row_that_stops_at_an_event_is_parked_with_what_it_had() -> None:
    """Which is why a parked row grants nothing (``MembershipsTable.load``)."""
    events = [Recorded(one, CONTEXT, "c", 1) for one in (BEGAN, event(Crowned, 2))]
    rows, registry = MemoryRows(), MemoryRegistry()
    lot = parking_lot(registry, "memberships")
    await Gate(MEMBERSHIPS, rows, HistorySource(events), lot).apply(events)
    assert list(rows.parked) == [(FRIEND, HOME)]


def test_what_has_ended_leaves_the_index_by_home() -> None:
    table = MembershipsTable(MembershipItem)
    row = fold(None, BEGAN)
    assert table.attributes(row)["member_of"] == HOME
    ended = fold(row, event(MembershipEnded, 2, reason="left", by="t"))
    assert table.attributes(ended)["member_of"] is None
    assert MembershipRow.model_validate_json(table.attributes(ended)["body"]) == ended
