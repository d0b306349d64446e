"""Live counters of the devices model, in its own table: devices of an account, and of each kind.

A counter is changed in the transaction that writes the row, so the gate makes it exact: what is
applied once is counted once. An account has one counter; the kinds, which everybody shares, have
16 shards each. Keys begin with ``#``, which no device's does.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from domain.devices.capabilities import DeviceKind
from projections.kernel.items import Placed

if TYPE_CHECKING:
    from projections.devices.devices import DeviceRow

SHARDS = 16
PREFIX = "#"


class CounterItem(Model):
    """``body``: of a row, for a recount sees both."""

    class Meta(Placed):
        """``placed`` binds a subclass to the table of the rows."""

    device_id = UnicodeAttribute(hash_key=True)
    total = NumberAttribute(null=True)
    body = UnicodeAttribute(null=True)


def of_account(account_id: str) -> str:
    return f"{PREFIX}account/{account_id}"


def of_kind(kind: DeviceKind, shard: int) -> str:
    return f"{PREFIX}kind/{kind.value}/{shard}"


def counted(row: DeviceRow | None) -> Counter[str]:
    """The counters that have one more for this row. A lost device still belongs to its account."""
    if row is None or row.account_id is None:
        return Counter()
    shard = zlib.crc32(row.device_id.encode()) % SHARDS
    return Counter([of_account(row.account_id), of_kind(row.kind, shard)])


def changes(previous: DeviceRow | None, row: DeviceRow | None) -> dict[str, int]:
    """By counter; empty for most events, whose row is then written alone."""
    difference = counted(row)
    difference.subtract(counted(previous))
    return {key: change for key, change in difference.items() if change}


class DeviceCounters:
    """All calls block: run them in worker threads."""

    def __init__(self, items: type[CounterItem]) -> None:
        self._items = items

    def adding(self, changed: Mapping[str, int]) -> list[dict[str, Any]]:
        """Updates for a transaction. A counter that is missing begins at zero."""
        return [
            {
                "TableName": self._items.Meta.table_name,
                "Key": {"device_id": {"S": key}},
                "UpdateExpression": "ADD #total :change",
                "ExpressionAttributeNames": {"#total": "total"},
                "ExpressionAttributeValues": {":change": {"N": str(change)}},
            }
            for key, change in sorted(changed.items())
        ]

    def add(self, changed: Mapping[str, int]) -> None:
        for key, change in sorted(changed.items()):
            self._items(key).update([CounterItem.total.add(change)])

    def lacking(self, count: Callable[[str], Counter[str]], rate: float | None) -> dict[str, int]:
        """What each counter lacks of a recount; ``count``: what a row's body counts for.

        Reads the whole table, which takes a while, so look twice under live writes. ``rate``: read
        units a second.
        """
        right: Counter[str] = Counter()
        for item in self._items.scan(consistent_read=True, rate_limit=rate):
            if item.device_id.startswith(PREFIX):
                right[item.device_id] -= int(item.total or 0)
            elif item.body:
                right.update(count(item.body))
        return {key: lack for key, lack in sorted(right.items()) if lack}

    def account(self, account_id: str) -> int:
        return self._read([of_account(account_id)])[of_account(account_id)]

    def kinds(self) -> dict[str, int]:
        """Devices claimed, by kind; kinds without any are left out."""
        keys = {of_kind(kind, shard): kind for kind in DeviceKind for shard in range(SHARDS)}
        found: Counter[str] = Counter()
        for key, count in self._read(list(keys)).items():
            found[keys[key].value] += count
        return {kind: count for kind, count in sorted(found.items()) if count}

    def _read(self, keys: list[str]) -> Counter[str]:
        found = self._items.batch_get(keys, consistent_read=True)
        return Counter({one.device_id: int(one.total or 0) for one in found})
