"""The gated states of all policies, in one table."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import UnicodeAttribute

from adapters.inbound.workers.ports import PolicyRow
from projections.kernel.gate import Key
from projections.kernel.items import GatedItem, GatedTable, Placed


class PolicyStateItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    stream = UnicodeAttribute(hash_key=True)
    policy = UnicodeAttribute(range_key=True)


class PolicyStatesTable(GatedTable[PolicyRow]):
    row = PolicyRow

    def __init__(self, items: type[PolicyStateItem]) -> None:
        self.items: type[PolicyStateItem] = items

    def place(self, key: Key) -> Key:
        """``key``: policy and stream."""
        policy, stream = key
        return stream, policy

    def attributes(self, row: PolicyRow) -> dict[str, Any]:
        return {"body": row.model_dump_json()}
