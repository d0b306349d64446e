"""The gated states of all policies, in one table."""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from adapters.inbound.workers.ports import PolicyRow
from projections.kernel.gate import Held, Key
from projections.kernel.items import GatedItem, Placed


class PolicyStateItem(GatedItem):
    class Meta(Placed):
        """``placed`` binds a subclass to its table."""

    stream = UnicodeAttribute(hash_key=True)
    policy = UnicodeAttribute(range_key=True)


class PolicyStatesTable:
    """All calls block: run them in worker threads."""

    def __init__(self, items: type[PolicyStateItem]) -> None:
        self.items = items

    def held(self, key: Key) -> Held[PolicyRow] | None:
        """``key``: policy and stream. Strongly consistent."""
        policy, stream = key
        try:
            item = self.items.get(stream, policy, consistent_read=True)
        except self.items.DoesNotExist:
            return None
        return item.held(PolicyRow)

    def save(self, key: Key, held: Held[PolicyRow], previous: Held[PolicyRow] | None) -> bool:
        """Write under the gate's condition."""
        policy, stream = key
        body = held.row.model_dump_json() if held.row else None
        return self.items(stream, policy, body=body).save_over(held, previous)
