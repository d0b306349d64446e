"""Gated rows as items of a table: what all read models on pynamodb share.

A model class says what an item looks like; ``placed`` binds it to one table, so that two versions
of a read model can be kept side by side in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError, PynamoDBException, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from domain.kernel.errors import TooLarge
from projections.kernel.failures import Mark
from projections.kernel.gate import Held, Place, Row, Standing

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


Adding = tuple[Model, Any]
"""An item, and pynamodb's action that adds to one of its attributes."""
MOVED_ON = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


def refused(error: PynamoDBException) -> bool:
    """Whether a write failed because somebody was faster, and on nothing else."""
    if isinstance(error, TransactWriteError):
        codes = {one.code for one in error.cancellation_reasons if one}
        return bool(codes) and codes <= MOVED_ON
    return error.cause_response_code == "ConditionalCheckFailedException"


def too_large(error: PynamoDBException) -> bool:
    """Whether DynamoDB refused an item of over 400 KB."""
    told = [(error.cause_response_code, error.cause_response_message)]
    if isinstance(error, TransactWriteError):
        told += [(one.code, one.message) for one in error.cancellation_reasons if one]
    return any(
        code in ("ValidationException", "ValidationError") and "size" in (message or "").lower()
        for code, message in told
    )


class GatedItem(Model):
    """``body``: the row as JSON, missing while there is none; the other attributes serve the gate,
    keys and indexes. ``stream_version`` stands here only where it is not in the body."""

    applied = NumberAttribute()
    generation = NumberAttribute()
    body = UnicodeAttribute(null=True)
    stream_version = NumberAttribute(null=True)
    parked: MapAttribute[str, Any] = MapAttribute(null=True)

    def held(self, row: type[Row]) -> Held[Row]:
        found = row.model_validate_json(self.body) if self.body else None
        return Held(
            found,
            int(self.applied),
            found.stream_version if found else int(self.stream_version or 0),
            int(self.generation),
            Mark.model_validate(self.parked.as_dict()) if self.parked else None,
        )

    def standing(self) -> Standing:
        """Needs ``applied``, ``generation`` and ``parked`` only."""
        return Standing(Place(int(self.generation), int(self.applied)), self.parked is not None)

    def save_over(
        self, held: Held[Row], previous: Held[Row] | None, adding: Sequence[Adding] = ()
    ) -> bool:
        """Write if the stored item is still ``previous``; blocks, so call it in a worker thread.

        ``adding``: what is added to other items in the same transaction. Raises ``TooLarge``.
        """
        self.applied, self.generation = held.applied, held.generation
        self.stream_version = None if held.row else held.stream_version
        self.parked = MapAttribute(**held.mark.model_dump(mode="json")) if held.mark else None
        try:
            if adding:
                self._save_with(adding, self._unchanged(previous))
            else:
                self.save(condition=self._unchanged(previous))
        except (PutError, TransactWriteError) as error:
            if refused(error):
                return False
            if too_large(error):
                raise TooLarge("DynamoDB finds the row too large") from error
            raise
        return True

    def _save_with(self, adding: Sequence[Adding], condition: Any) -> None:
        connection = self._get_connection().connection
        with TransactWrite(connection=connection) as transaction:
            transaction.save(self, condition=condition)
            for item, action in adding:
                transaction.update(item, actions=[action])

    @classmethod
    def _unchanged(cls, previous: Held[Row] | None) -> Any:
        if previous is None:
            return cls.applied.does_not_exist()
        if previous.mark is None:
            same_mark = cls.parked.does_not_exist()
        else:
            same_mark = cls.parked["at"] == previous.mark.model_dump(mode="json")["at"]
        same_place = (cls.applied == previous.applied) & (cls.generation == previous.generation)
        return same_place & same_mark
