"""The calculator of DynamoDB's capacity units, against the rules in its docstring."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.capacity import Index, Meter, Table, item_size, read_units, write_units

OPEN = Index("open", ("due",), frozenset({"due", "id"}))
BY_OWNER = Index("by_owner", ("owner",), None)


def item(size: int = 0, **more: dict[str, Any]) -> dict[str, Any]:
    return {"id": {"S": "a"}, **({"body": {"S": "x" * size}} if size else {}), **more}


@pytest.fixture
def meter() -> Meter:
    meter = Meter()
    meter.add_table(Table("t", ("id",), (OPEN, BY_OWNER)))
    return meter


def put(meter: Meter, new: dict[str, Any], *, ok: bool = True) -> None:
    meter.call("PutItem", {"TableName": "t", "Item": new}, {}, ok=ok)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "kü"}, 3),
        ({"N": "1234"}, 3),
        ({"N": "-0.0070"}, 2),
        ({"N": "1000000"}, 2),
        ({"B": "aGVsbG8="}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 3 + 3),
        ({"M": {"key": {"S": "v"}}}, 3 + 1 + 3 + 1),
        ({"SS": ["a", "bc"]}, 3),
    ],
)
def test_a_value_has_its_size(value: dict[str, Any], size: int) -> None:
    assert item_size({"name": value}) == len("name") + size


def test_units_are_rounded_up() -> None:
    assert [write_units(size) for size in (0, 1, 1024, 1025)] == [1, 1, 1, 2]
    assert [read_units(size, consistent=True) for size in (0, 4096, 4097)] == [1, 1, 2]
    assert read_units(10, consistent=False) == 0.5


def test_a_write_costs_the_larger_of_before_and_after(meter: Meter) -> None:
    put(meter, item(3000))
    put(meter, item(10))
    put(meter, item(10))
    assert meter.capacity.write_units == {"t": 3 + 3 + 1}


def test_a_refused_write_costs_as_much_as_the_item_that_is_there(meter: Meter) -> None:
    put(meter, item(1500))
    meter.reset()
    put(meter, item(5), ok=False)
    assert meter.capacity.write_units == {"t": 2}


def test_a_delete_costs_the_item_and_its_index_entries(meter: Meter) -> None:
    put(meter, item(1500, due={"N": "1"}))
    meter.reset()
    meter.call("DeleteItem", {"TableName": "t", "Key": {"id": {"S": "a"}}}, {}, ok=True)
    assert meter.capacity.write_units == {"t": 2, "t/open": 1}


def test_an_index_costs_only_where_its_entry_changes(meter: Meter) -> None:
    put(meter, item(10, due={"N": "1"}))
    put(meter, item(20, due={"N": "1"}))  # the body is not in the index
    assert meter.capacity.write_units["t/open"] == 1
    put(meter, item(20, due={"N": "2"}))  # another key: one gone, one new
    assert meter.capacity.write_units["t/open"] == 3
    put(meter, item(20))
    assert meter.capacity.write_units["t/open"] == 4


def test_an_index_with_all_attributes_costs_with_every_change(meter: Meter) -> None:
    put(meter, item(10, owner={"S": "o"}))
    put(meter, item(2000, owner={"S": "o"}))
    assert meter.capacity.write_units["t/by_owner"] == 1 + 2


def test_a_transaction_costs_twice_even_when_it_is_cancelled(meter: Meter) -> None:
    actions = [
        {"Put": {"TableName": "t", "Item": item(1500, due={"N": "1"})}},
        {"Delete": {"TableName": "t", "Key": {"id": {"S": "b"}}}},
    ]
    meter.call("TransactWriteItems", {"TransactItems": actions}, {}, ok=False)
    assert meter.capacity.write_units == {"t": 2 + 2}
    meter.reset()
    meter.call("TransactWriteItems", {"TransactItems": actions}, {}, ok=True)
    assert meter.capacity.write_units == {"t": 4 + 2, "t/open": 2}


def test_an_update_is_measured_by_the_image_in_the_answer(meter: Meter) -> None:
    put(meter, item(10))
    meter.reset()
    request = {"TableName": "t", "Key": {"id": {"S": "a"}}}
    meter.call("UpdateItem", request, {"Attributes": item(2500)}, ok=True)
    assert meter.capacity.write_units == {"t": 3}


def test_reads_are_counted_by_table_and_index(meter: Meter) -> None:
    get = {"TableName": "t", "Key": {"id": {"S": "a"}}}
    meter.call("GetItem", get | {"ConsistentRead": True}, {"Item": item(5000)}, ok=True)
    meter.call("GetItem", get, {}, ok=True)
    found = {"Items": [item(3000), item(3000)]}
    meter.call("Query", {"TableName": "t", "IndexName": "open"}, found, ok=True)
    assert meter.capacity.read_units == {"t": 2.5, "t/open": 1.0}
    assert meter.capacity.total() == (0, 3.5)


def test_a_batch_costs_what_its_items_cost_and_nothing_for_those_not_done(meter: Meter) -> None:
    puts = [{"PutRequest": {"Item": item(10) | {"id": {"S": name}}}} for name in "ab"]
    answer = {"UnprocessedItems": {"t": puts[1:]}}
    meter.call("BatchWriteItem", {"RequestItems": {"t": puts}}, answer, ok=True)
    assert meter.capacity.write_units == {"t": 1}


def test_a_table_that_was_never_described_counts_by_the_item_alone(meter: Meter) -> None:
    request = {"TableName": "unknown", "Item": item(1500, due={"N": "1"})}
    meter.call("PutItem", request, {}, ok=True)
    assert meter.capacity.write_units == {"unknown": 2}
