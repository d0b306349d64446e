"""Gated rows as items of a table: what all read models on pynamodb share.

A model class says what an item looks like; ``placed`` binds it to one table, so that two versions
of a read model can be kept side by side in one process.
"""

from __future__ import annotations

from typing import TypeVar, cast

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from projections.kernel.gate import GatedRow

M = TypeVar("M", bound=Model)


class Placed:
    """Base of each model's ``Meta``: ``placed`` gives each table a model class of its own."""

    table_name = ""
    region = ""
    host: str | None = None
    max_pool_connections = 10
    connect_timeout_seconds = 2
    read_timeout_seconds = 10


def placed(model: type[M], table: str, *, region: str, host: str | None = None) -> type[M]:
    """The model bound to a table. pynamodb keeps a connection per class from its first use on."""
    meta = type("Meta", (Placed,), {"table_name": table, "region": region, "host": host})
    bound = type(model)(model.__name__, (model,), {"Meta": meta, "__module__": model.__module__})  # type: ignore[misc]
    return cast("type[M]", bound)


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
