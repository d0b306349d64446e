"""Gated rows as items of a table: what all read models on pynamodb share.

A model class says what an item looks like; ``placed`` binds it to one table, so that two versions
of a read model can be kept side by side in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, cast

from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from projections.kernel.failures import Mark
from projections.kernel.gate import Held, Key, Place, Row, Standing

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


def refused(error: PynamoDBException) -> bool:
    """Whether a write failed on its own condition, and on nothing else."""
    return error.cause_response_code == "ConditionalCheckFailedException"


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

    @classmethod
    def key_names(cls) -> list[str]:
        return [name for name in (cls._hash_keyname, cls._range_keyname) if name is not None]

    @classmethod
    def get_request(cls, *keys: Any) -> dict[str, Any]:
        """What GetItem takes for a strongly consistent read; ``keys``: partition and sort key."""
        attributes = cls.get_attributes()
        typed = {
            name: {attributes[name].attr_type: attributes[name].serialize(value)}
            for name, value in zip(cls.key_names(), keys, strict=True)
        }
        return {"TableName": cls.Meta.table_name, "Key": typed, "ConsistentRead": True}

    @classmethod
    def unchanged(cls, previous: Held[Row] | None) -> Any:
        """The gate's condition: the stored item is still ``previous``."""
        if previous is None:
            return cls.applied.does_not_exist()
        if previous.mark is None:
            same_mark = cls.parked.does_not_exist()
        else:
            same_mark = cls.parked["at"] == previous.mark.model_dump(mode="json")["at"]
        same_place = (cls.applied == previous.applied) & (cls.generation == previous.generation)
        return same_place & same_mark


class GatedTable(Generic[Row]):
    """One version of a read model in its table, as the gate needs it.

    The gate's own reads and writes are requests, to be sent without a thread.
    """

    items: type[GatedItem]
    row: type[Row]

    def place(self, key: Key) -> Key:
        """Partition and sort key of the row's item."""
        return key

    def attributes(self, row: Row) -> dict[str, Any]:
        """Of the row's item, beside its keys and what serves the gate."""
        raise NotImplementedError

    def adding(self, before: Row | None, after: Row | None) -> Sequence[dict[str, Any]]:
        """What the change adds to other items, in the same transaction: each what an ``Update`` in
        TransactWriteItems takes."""
        return ()

    def put_request(self, key: Key, held: Held[Row], previous: Held[Row] | None) -> dict[str, Any]:
        """What PutItem takes to write the row under the gate's condition.

        The item is typed by the model's attributes, without making a model of it: that took twice
        as long.
        """
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        condition = self.items.unchanged(previous).serialize(names, values)
        request = {
            "TableName": self.items.Meta.table_name,
            "Item": self._typed(key, held),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {name: path for path, name in names.items()},
        }
        return request | ({"ExpressionAttributeValues": values} if values else {})

    def _typed(self, key: Key, held: Held[Row]) -> dict[str, Any]:
        """The item as DynamoDB's API spells it."""
        mark: MapAttribute[str, Any] | None = None
        if held.mark:
            mark = MapAttribute(**held.mark.model_dump(mode="json"))
        values = {
            **dict(zip(self.items.key_names(), self.place(key), strict=True)),
            **(self.attributes(held.row) if held.row else {}),
            "applied": held.applied,
            "generation": held.generation,
            "stream_version": None if held.row else held.stream_version,
            "parked": mark,
        }
        attributes = self.items.get_attributes()
        return {
            name: {attributes[name].attr_type: attributes[name].serialize(value)}
            for name, value in values.items()
            if value is not None
        }

    def get_request(self, key: Key) -> dict[str, Any]:
        return self.items.get_request(*self.place(key))

    def held_in(self, item: dict[str, Any]) -> Held[Row]:
        """``item`` as DynamoDB's API gives it."""
        return self.items.from_raw_data(item).held(self.row)

    def held(self, key: Key) -> Held[Row] | None:
        """Strongly consistent; blocks, so call it in a worker thread."""
        try:
            hash_key, range_key = (*self.place(key), None)[:2]
            item = self.items.get(hash_key, range_key, consistent_read=True)
        except self.items.DoesNotExist:
            return None
        return item.held(self.row)

    def load(self, key: Key) -> Row | None:
        """What readers see, strongly consistent: of a parked row, what it was before. Blocks."""
        held = self.held(key)
        return held.row if held else None
