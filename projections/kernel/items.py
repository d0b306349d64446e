"""Gated rows as items of a table: what all read models on pynamodb share."""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from projections.kernel.gate import GatedRow


class Placed:
    """Base of each model's ``Meta``; the composition root fills it in before the first use."""

    table_name = ""
    region = ""
    host: str | None = None
    max_pool_connections = 10
    connect_timeout_seconds = 2
    read_timeout_seconds = 10


def refused(error: PutError) -> bool:
    """Whether a write failed on its own condition, and on nothing else."""
    return error.cause_response_code == "ConditionalCheckFailedException"


class GatedItem(Model):
    """``body``: the row as JSON; the other attributes serve the gate, keys and indexes."""

    applied = NumberAttribute()
    generation = NumberAttribute()
    body = UnicodeAttribute()

    def save_over(self, previous: GatedRow | None) -> bool:
        """Write if the stored row is still ``previous``; blocks, so call it in a worker thread."""
        model = type(self)
        unchanged = model.applied.does_not_exist()
        if previous is not None:
            unchanged = (model.applied == previous.applied) & (
                model.generation == previous.generation
            )
        try:
            self.save(condition=unchanged)
        except PutError as error:
            if refused(error):
                return False
            raise
        return True
