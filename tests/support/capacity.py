"""DynamoDB capacity units, worked out from the calls that pass: the engines here report none.

Rules (developer guide, "Read and write operations" and "Item sizes"):

- Item size: UTF-8 bytes of names and values; a number takes one byte per two digits and one more;
  true, false and null one; a list or map three, and one more for each entry.
- A write takes one unit per begun KB of the larger of the item before and after; a delete that of
  the item before; both one at least. A write refused by its condition costs the same.
- A transaction takes twice that, for each of its items, also when it is cancelled.
- A consistent read takes one unit per begun 4 KB, an eventual one half, a transactional one twice;
  a query or scan rounds up the sum of its page; finding nothing takes the least unit.
- An index takes a unit per begun KB where an entry appears or goes, one of each where its key
  changes, one where a projected attribute changes, none where nothing of it changes.

Known limits: what a filter or projection leaves out of an answer is not seen (a query with a filter
counts what it returned); an item last written before the meter saw the table counts as absent; an
update within a transaction counts as its key alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = Mapping[str, Any]
ItemKey = tuple[str, ...]
KB, READ_BLOCK = 1024, 4096


def item_size(item: Item) -> int:
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def value_size(typed: Mapping[str, Any]) -> int:
    """Bytes of an attribute value in DynamoDB's typed form (binary as base64, as on the wire)."""
    kind: str
    value: Any
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return number_size(value)
        case "B":
            return len(value) * 3 // 4 - int(value.count("="))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + value_size(one) for one in value)
        case "M":
            return 3 + sum(1 + len(k.encode()) + value_size(one) for k, one in value.items())
        case "SS" | "NS" | "BS":
            return sum(value_size({kind[0]: one}) for one in value)
    raise ValueError(f"unknown attribute type {kind}")


def number_size(text: str) -> int:
    digits = text.lstrip("-").split("e")[0].split("E")[0].replace(".", "").strip("0")
    return math.ceil(len(digits) / 2) + 1


def write_units(*sizes: int) -> int:
    return max(1, math.ceil(max(sizes, default=0) / KB))


def read_units(size: int, *, consistent: bool) -> float:
    blocks = max(1, math.ceil(size / READ_BLOCK))
    return blocks if consistent else blocks / 2


@dataclass(frozen=True)
class Index:
    """``projected`` None: all attributes."""

    name: str
    keys: tuple[str, ...]
    projected: frozenset[str] | None

    def entry(self, item: Item | None) -> Item | None:
        """What the index holds of the item; None when it lacks a key: then it has no entry."""
        if item is None or any(name not in item for name in self.keys):
            return None
        if self.projected is None:
            return item
        return {name: item[name] for name in item if name in self.projected}

    def write_units(self, before: Item | None, after: Item | None) -> int:
        old, new = self.entry(before), self.entry(after)
        if old == new:
            return 0
        if old is None or new is None:
            return write_units(item_size(new or old or {}))
        if any(old[name] != new[name] for name in self.keys):
            return write_units(item_size(old)) + write_units(item_size(new))
        return write_units(item_size(old), item_size(new))


@dataclass(frozen=True)
class Table:
    name: str
    keys: tuple[str, ...]
    indexes: tuple[Index, ...] = ()

    @classmethod
    def described(cls, description: Mapping[str, Any]) -> Table:
        """From the answer of ``DescribeTable``."""
        keys = _names(description["KeySchema"])
        indexes = tuple(
            _index(one, keys) for one in description.get("GlobalSecondaryIndexes") or ()
        )
        return cls(description["TableName"], keys, indexes)

    def key_of(self, item: Item) -> ItemKey:
        return tuple(str(next(iter(item[name].values()))) for name in self.keys)


def _names(schema: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(one["AttributeName"] for one in schema)


def _index(description: Mapping[str, Any], table_keys: tuple[str, ...]) -> Index:
    keys, projection = _names(description["KeySchema"]), description["Projection"]
    if projection["ProjectionType"] == "ALL":
        return Index(description["IndexName"], keys, None)
    named = (*keys, *table_keys, *projection.get("NonKeyAttributes", ()))
    return Index(description["IndexName"], keys, frozenset(named))


@dataclass
class Capacity:
    """Units by table; what an index takes stands under ``table/index``."""

    write_units: Counter[str] = field(default_factory=Counter)
    read_units: dict[str, float] = field(default_factory=dict)

    def wrote(self, name: str, units: int) -> None:
        if units:
            self.write_units[name] += units

    def read(self, name: str, units: float) -> None:
        self.read_units[name] = self.read_units.get(name, 0) + units

    def total(self) -> tuple[int, float]:
        return self.write_units.total(), sum(self.read_units.values())


@dataclass(frozen=True)
class Known:
    """An item as it was last written; the item itself only where an index may need it."""

    size: int
    item: Item | None


class Meter:
    """Follows writes, so that it knows each item as it was before."""

    def __init__(self) -> None:
        self.capacity = Capacity()
        self.tables: dict[str, Table] = {}
        self._known: dict[tuple[str, ItemKey], Known] = {}

    def reset(self) -> None:
        """Begin to count anew; what is known of the items stays."""
        self.capacity = Capacity()

    def add_table(self, table: Table) -> None:
        self.tables[table.name] = table

    def call(
        self, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any], *, ok: bool
    ) -> None:
        match operation:
            case "PutItem" | "UpdateItem" | "DeleteItem":
                self._write(operation.removesuffix("Item"), request, answer, ok=ok)
            case "TransactWriteItems":
                for action in request["TransactItems"]:
                    ((kind, one),) = action.items()
                    self._write(kind, one, {}, ok=ok, times=2)
            case "BatchWriteItem":
                self._batch_write(request, answer, ok=ok)
            case "GetItem" if ok:
                self._read(request, [answer["Item"]] if answer.get("Item") else [])
            case "Query" | "Scan" if ok:
                self._read(request, answer.get("Items", ()))
            case "BatchGetItem" if ok:
                for table, items in answer.get("Responses", {}).items():
                    for item in items:
                        self._read({**request["RequestItems"][table], "TableName": table}, [item])
            case "TransactGetItems" if ok:
                for one, found in zip(request["TransactItems"], answer["Responses"], strict=True):
                    get = one["Get"] | {"ConsistentRead": True}
                    for _ in range(2):
                        self._read(get, [found["Item"]] if found.get("Item") else [])

    def _batch_write(
        self, request: Mapping[str, Any], answer: Mapping[str, Any], *, ok: bool
    ) -> None:
        left_over = answer.get("UnprocessedItems", {})
        for table, actions in request["RequestItems"].items():
            for action in actions:
                if action not in left_over.get(table, ()):
                    ((kind, one),) = action.items()
                    kind = kind.removesuffix("Request")
                    self._write(kind, {**one, "TableName": table}, {}, ok=ok)

    def _read(self, request: Mapping[str, Any], items: Iterable[Item]) -> None:
        name = request["TableName"]
        if index := request.get("IndexName"):
            name = f"{name}/{index}"
        size = sum(item_size(item) for item in items)
        consistent = bool(request.get("ConsistentRead"))
        self.capacity.read(name, read_units(size, consistent=consistent))

    def _write(
        self,
        kind: str,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        *,
        ok: bool,
        times: int = 1,
    ) -> None:
        """``Update`` needs ``Attributes`` (ALL_NEW) in the answer to know the item afterwards."""
        name = request["TableName"]
        table = self.tables.get(name)
        key = request["Item"] if kind == "Put" else request["Key"]
        place = (name, table.key_of(key) if table else ())
        known = self._known.get(place) if table else None
        before = known.item if known else None
        after = _after(kind, request, answer) if ok else None
        sizes = (known.size if known else 0, item_size(after) if after else 0)
        self.capacity.wrote(name, times * write_units(*sizes))
        if table is None or not ok or kind == "ConditionCheck":
            return
        for index in table.indexes:
            units = times * index.write_units(before, after)
            self.capacity.wrote(f"{name}/{index.name}", units)
        if after is None:
            self._known.pop(place, None)
        else:
            self._known[place] = Known(sizes[1], after if table.indexes else None)


def _after(kind: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Item | None:
    """The item as the call left it; None when it is gone."""
    if kind == "Put":
        put: Item = request["Item"]
        return put
    if kind == "Update":
        updated: Item = answer.get("Attributes") or request["Key"]
        return updated
    return None
