"""Read model ``memberships``: who may act in whose home, told by the events of accounts.

A home is the account that owns its devices, which is implied and has no row. Of those events this
context knows names and shapes only; what it does not know moves a row's version on. A row that has
ended stays, for the gate needs its version, and leaves the index; a guest's stay that is over by
time is for readers to compare. A parked row grants nothing: what stopped it may have ended it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from domain.devices.roles import Role
from domain.kernel.event import Event, id_of
from projections.kernel.gate import GatedRow, Key, Projection, Standing
from projections.kernel.items import GatedItem, GatedTable, Placed

MOST = 1_000
"""Rows of an account that are looked through; its ended ones count too."""
BEGAN = "accounts.membership_began"
CHANGED = "accounts.member_role_changed"
ENDED = "accounts.membership_ended"


class Granted(BaseModel):
    """``accounts.membership_began`` and ``accounts.member_role_changed``, as far as needed here."""

    role: Role
    ends_at: datetime | None


class MembershipRow(GatedRow):
    """``role`` None: it has ended."""

    account_id: str
    home_id: str
    role: Role | None
    ends_at: datetime | None
    began_at: datetime
    updated_at: datetime

    def role_at(self, now: datetime) -> Role | None:
        """None where it has ended, also by time."""
        return self.role if self.ends_at is None or now < self.ends_at else None


def fold(row: MembershipRow | None, event: Event) -> MembershipRow:
    at = event.timestamp
    if event.TOPIC == BEGAN:
        account_id, home_id = parts_of(event)
        granted = Granted.model_validate(event, from_attributes=True)
        return MembershipRow(
            applied=event.originator_version,
            stream_version=event.originator_version,
            account_id=account_id,
            home_id=home_id,
            role=_lesser(granted.role),
            ends_at=granted.ends_at,
            began_at=at,
            updated_at=at,
        )
    assert row is not None, "a membership's first event is its beginning"
    if event.TOPIC == CHANGED:
        granted = Granted.model_validate(event, from_attributes=True)
        changes = {"role": _lesser(granted.role), "ends_at": granted.ends_at, "updated_at": at}
        return row.model_copy(update=changes)
    if event.TOPIC == ENDED:
        return row.model_copy(update={"role": None, "ends_at": None, "updated_at": at})
    return row.model_copy(update={"updated_at": at})


def _lesser(role: Role) -> Role:
    """Raises ``ValueError`` for what no event may give: a home has one owner."""
    if role is Role.OWNER:
        raise ValueError("an owner is no member")
    return role


def parts_of(event: Event) -> Key:
    """Account and home, from ``membership-{home id}.{account id}``."""
    home_id, _, account_id = id_of(event.originator_id).partition(".")
    if not home_id or not account_id:
        raise ValueError(f"{event.originator_id} names no home and account")
    return (account_id, home_id)


def number_of(event: Event) -> int:
    return event.originator_version


MEMBERSHIPS = Projection("memberships", "membership", parts_of, number_of, lambda _: 0, fold)


class ByHome(GlobalSecondaryIndex["MembershipItem"]):
    """Sparse: of those that have not ended."""

    class Meta:
        index_name = "by_home"
        projection = AllProjection()

    member_of = UnicodeAttribute(hash_key=True)
    account_id = UnicodeAttribute(range_key=True)


class MembershipItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    account_id = UnicodeAttribute(hash_key=True)
    home_id = UnicodeAttribute(range_key=True)
    member_of = UnicodeAttribute(null=True)
    by_home = ByHome()


class MembershipsTable(GatedTable[MembershipRow]):
    """One version of the read model. What says so blocks: run it in worker threads."""

    row = MembershipRow

    def __init__(self, items: type[MembershipItem]) -> None:
        self.items: type[MembershipItem] = items

    def attributes(self, row: MembershipRow) -> dict[str, Any]:
        member_of = row.home_id if row.role else None
        return {"member_of": member_of, "body": row.model_dump_json()}

    def standings(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Of those that are there; strongly consistent."""
        names = ["account_id", "home_id", "applied", "generation", "parked"]
        found = self.items.batch_get(keys, consistent_read=True, attributes_to_get=names)
        return {(one.account_id, one.home_id): one.standing() for one in found}

    def load(self, key: Key) -> MembershipRow | None:
        """Strongly consistent; None for a parked row. Blocks."""
        held = self.held(key)
        return held.row if held and held.mark is None else None

    def homes_of(self, account_id: str) -> list[MembershipRow]:
        """In order of home; strongly consistent, without those that have ended. Blocks."""
        found = self.items.query(account_id, consistent_read=True, limit=MOST)
        return [row for row in _granting(found) if row.role]

    def members_of(self, home_id: str) -> list[MembershipRow]:
        """In order of account, without those that have ended. Blocks."""
        found = self.items.by_home.query(home_id, limit=MOST)
        return _granting(found)


def _granting(found: Iterable[MembershipItem]) -> list[MembershipRow]:
    return [
        MembershipRow.model_validate_json(one.body)
        for one in found
        if one.body and one.parked is None
    ]
