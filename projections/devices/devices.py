"""Read model ``devices``: one row per device, listed by the account that owns it.

A released device keeps its row (the gate needs its version), without the name that its owner gave
it, and leaves the account's index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, assert_never, cast

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from domain.devices.capabilities import Capabilities, DeviceKind
from domain.devices.device import (
    DeviceClaimed,
    DeviceEvent,
    DeviceReleased,
    DeviceRenamed,
    DeviceReportedLost,
    DeviceStatus,
)
from domain.kernel.event import Event, id_of
from domain.kernel.personal import Personal
from projections.devices.counters import (
    CounterItem,
    DeviceCounters,
    changes,
    counted,
)
from projections.kernel.gate import GatedRow, Key, Projection, Standing
from projections.kernel.items import GatedItem, GatedTable, Placed


class DeviceRow(GatedRow):
    device_id: str
    account_id: str | None
    name: Annotated[str, Personal()]
    kind: DeviceKind
    status: DeviceStatus
    capabilities: Capabilities
    claimed_at: datetime
    updated_at: datetime

    @property
    def version(self) -> int:
        """Of the device's stream: its entity tag."""
        return self.stream_version


def fold(row: DeviceRow | None, event: Event) -> DeviceRow:
    known = cast("DeviceEvent", event)
    if isinstance(known, DeviceClaimed):
        return _claimed(known)
    assert row is not None, "a device's first event is its claim"
    at = event.timestamp
    match known:
        case DeviceRenamed():
            return row.model_copy(update={"name": known.name, "updated_at": at})
        case DeviceReportedLost():
            return row.model_copy(update={"status": DeviceStatus.LOST, "updated_at": at})
        case DeviceReleased():
            left = {"status": DeviceStatus.RELEASED, "account_id": None, "name": ""}
            return row.model_copy(update={**left, "updated_at": at})
        case _:
            assert_never(known)


def _claimed(event: DeviceClaimed) -> DeviceRow:
    return DeviceRow(
        applied=event.originator_version,
        stream_version=event.originator_version,
        device_id=id_of(event.originator_id),
        account_id=event.account_id,
        name=event.name,
        kind=event.kind,
        status=DeviceStatus.CLAIMED,
        capabilities=event.capabilities,
        claimed_at=event.timestamp,
        updated_at=event.timestamp,
    )


def key_of(event: Event) -> Key:
    return (id_of(event.originator_id),)


def number_of(event: Event) -> int:
    return event.originator_version


DEVICES = Projection("devices", "device", key_of, number_of, lambda _: 0, fold)


class ByAccount(GlobalSecondaryIndex["DeviceItem"]):
    class Meta:
        index_name = "by_account"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True)
    device_id = UnicodeAttribute(range_key=True)


class DeviceItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    device_id = UnicodeAttribute(hash_key=True)
    account_id = UnicodeAttribute(null=True)
    by_account = ByAccount()


class DevicesTable(GatedTable[DeviceRow]):
    """One version of the read model. What says so blocks: run it in worker threads."""

    row = DeviceRow

    def __init__(self, items: type[DeviceItem], counters: type[CounterItem]) -> None:
        self.items: type[DeviceItem] = items
        self.counters = DeviceCounters(counters)

    def attributes(self, row: DeviceRow) -> dict[str, Any]:
        return {"account_id": row.account_id, "body": row.model_dump_json()}

    def adding(self, before: DeviceRow | None, after: DeviceRow | None) -> Sequence[dict[str, Any]]:
        return self.counters.adding(changes(before, after))

    def standings(self, keys: Sequence[Key]) -> dict[Key, Standing]:
        """Of those that are there; strongly consistent."""
        names = ["device_id", "applied", "generation", "parked"]
        ids = [key[0] for key in keys]
        found = self.items.batch_get(ids, consistent_read=True, attributes_to_get=names)
        return {(one.device_id,): one.standing() for one in found}

    def miscounted(self, rate: float | None = None) -> dict[str, int]:
        """What each counter lacks of a recount of the rows."""

        def count(body: str) -> Counter[str]:
            return counted(DeviceRow.model_validate_json(body))

        return self.counters.lacking(count, rate)

    def list_of_account(
        self, account_id: str, *, limit: int, after: str | None = None
    ) -> tuple[list[DeviceRow], str | None]:
        """A page in order of id, and the id to continue after (None: that was all)."""
        beyond = ByAccount.device_id > after if after else None
        found = list(self.items.by_account.query(account_id, beyond, limit=limit + 1))
        rows = [DeviceRow.model_validate_json(item.body) for item in found[:limit]]
        return rows, rows[-1].device_id if len(found) > limit else None
