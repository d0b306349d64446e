"""The gated states of all policies, in one table."""

from __future__ import annotations

from pynamodb.attributes import UnicodeAttribute

from adapters.inbound.workers.ports import PolicyRow
from projections.kernel.gate import Key
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

    def load(self, key: Key) -> PolicyRow | None:
        """``key``: policy and stream. Strongly consistent."""
        policy, stream = key
        try:
            item = self.items.get(stream, policy, consistent_read=True)
        except self.items.DoesNotExist:
            return None
        return PolicyRow.model_validate_json(item.body)

    def save(self, row: PolicyRow, previous: PolicyRow | None) -> bool:
        """Write under the gate's condition."""
        item = self.items(
            row.stream,
            row.policy,
            applied=row.applied,
            generation=row.generation,
            body=row.model_dump_json(),
        )
        return item.save_over(previous)
