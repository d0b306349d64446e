"""Gated items with a mark: what the gate's condition compares, and what readers see of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from adapters.outbound.dynamodb.rows import GatedRows, opened
from domain.devices.device import DEVICE
from domain.devices.lane import LANE
from domain.kernel.errors import TooLarge
from projections.devices.counters import CounterItem
from projections.devices.devices import DeviceItem, DeviceRow, DevicesTable
from projections.devices.devices import fold as fold_device
from projections.devices.remote_commands import (
    REMOTE_COMMANDS,
    RemoteCommandItem,
    RemoteCommandRow,
    RemoteCommandsTable,
)
from projections.kernel.failures import Mark
from projections.kernel.gate import Held, Key
from projections.kernel.items import placed
from tests.support import streams
from tests.support.given import given
from tests.support.tables import REGION, connect, create_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

AT = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
MARK = Mark(
    event="1:lane-a:4", stream="lane-a", version=4, number=3, error="KeyError", message="", at=AT
)
LATER = MARK.model_copy(update={"at": AT + timedelta(microseconds=1)})


@pytest.fixture(params=["moto", "ministack"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[DynamoDBClient]:
    url = request.getfixturevalue(f"{request.param}_url")
    async with connect(url).dynamodb() as client:
        yield client


@pytest.fixture
async def table(client: DynamoDBClient) -> RemoteCommandsTable:
    name = f"commands-{uuid4().hex[:12]}"
    await create_table(client, name, ("device_id", "S"), ("number", "N"))
    url = client.meta.endpoint_url
    return RemoteCommandsTable(opened(RemoteCommandItem, name, region=REGION, host=url))


@pytest.fixture
def rows(client: DynamoDBClient, table: RemoteCommandsTable) -> GatedRows[RemoteCommandRow]:
    return GatedRows(client, table)


def folded(steps: int) -> Held[RemoteCommandRow]:
    history = given(
        LANE, streams.opened(), streams.accepted(), streams.sent(), streams.received()
    ).history
    row: Any = None
    for step, event in enumerate(history[1 : 1 + steps], 1):
        row = REMOTE_COMMANDS.fold(row, event).model_copy(
            update={"applied": step, "stream_version": event.originator_version}
        )
    return Held.of(row)


def key_of(held: Held[RemoteCommandRow]) -> Key:
    assert held.row is not None
    return (held.row.device_id, held.row.number)


ONE, TWO, THREE = folded(1), folded(2), folded(3)
KEY = key_of(ONE)


@pytest.mark.parametrize("held", [ONE, THREE, replace(TWO, mark=MARK), Held(mark=MARK)])
def test_what_is_put_is_what_pynamodb_would_write(held: Held[RemoteCommandRow]) -> None:
    table = RemoteCommandsTable(placed(RemoteCommandItem, "commands", region=REGION))
    item = table.put_request(KEY, held, None)["Item"]
    assert table.items.from_raw_data(item).serialize() == item
    assert table.held_in(item) == held


async def test_what_was_put_is_what_is_got(rows: GatedRows[RemoteCommandRow]) -> None:
    emptied = Held[RemoteCommandRow](applied=1, stream_version=2, generation=3, mark=MARK)
    previous = None
    for held in (ONE, replace(TWO, mark=MARK, generation=2), emptied, THREE):
        assert await rows.put(KEY, held, previous)
        assert await rows.get(KEY) == held
        previous = held


async def test_a_mark_that_was_not_seen_is_not_overwritten(
    rows: GatedRows[RemoteCommandRow],
) -> None:
    marked = replace(ONE, mark=MARK)
    assert await rows.put(KEY, ONE, None)
    assert await rows.put(KEY, marked, ONE)
    for unseen in (None, ONE, replace(ONE, mark=LATER)):
        assert not await rows.put(KEY, TWO, unseen)
    assert await rows.get(KEY) == marked
    assert await rows.put(KEY, TWO, marked)
    assert not await rows.put(KEY, replace(TWO, mark=LATER), marked)
    assert await rows.get(KEY) == TWO


async def test_a_first_event_does_not_overwrite_a_mark_without_a_row(
    rows: GatedRows[RemoteCommandRow],
) -> None:
    marked = Held[RemoteCommandRow](mark=MARK)
    assert await rows.put(KEY, marked, None)
    assert not await rows.put(KEY, ONE, None)
    assert await rows.get(KEY) == marked


async def test_readers_see_a_parked_row_as_it_was_and_none_where_there_is_none(
    rows: GatedRows[RemoteCommandRow], table: RemoteCommandsTable
) -> None:
    device, number = KEY
    assert await rows.put(KEY, replace(TWO, mark=MARK), None)
    for beside in range(number + 1, number + 4):
        assert await rows.put((device, beside), Held(mark=MARK), None)
    assert table.load(KEY) == TWO.row
    assert table.load((device, number + 1)) is None
    assert table.list_of_device(device, limit=2) == [TWO.row]
    assert table.get_many(device, [number, number + 1]) == [TWO.row]


async def test_a_parked_row_leaves_the_sweepers_index_until_it_goes_on(
    rows: GatedRows[RemoteCommandRow], table: RemoteCommandsTable
) -> None:
    device, number = KEY
    assert await rows.put(KEY, ONE, None)
    assert not table.leave_parked(device, number)
    marked = replace(ONE, mark=MARK)
    assert await rows.put(KEY, marked, ONE)
    assert table.items.get(device, number).due_at
    assert table.leave_parked(device, number)
    attributes = table.items.get(device, number).attribute_values
    assert not {"due_at", "due_shard"} & attributes.keys()
    assert await rows.get(KEY) == marked
    assert await rows.put(KEY, TWO, marked)
    assert table.items.get(device, number).due_at
    assert not table.leave_parked("nothing", 1)


async def test_a_row_of_over_400_kilobytes_is_too_large(
    rows: GatedRows[RemoteCommandRow],
) -> None:
    assert ONE.row is not None
    large = ONE.row.model_copy(update={"detail": "x" * 410_000})
    with pytest.raises(TooLarge):
        await rows.put(KEY, Held.of(large), None)
    assert await rows.get(KEY) is None


@pytest.fixture
async def devices(client: DynamoDBClient) -> DevicesTable:
    name, url = f"devices-{uuid4().hex[:12]}", client.meta.endpoint_url
    await create_table(client, name, ("device_id", "S"))
    return DevicesTable(
        opened(DeviceItem, name, region=REGION, host=url),
        opened(CounterItem, name, region=REGION, host=url),
    )


async def test_a_row_that_moves_counters_is_written_with_them_or_not_at_all(
    client: DynamoDBClient, devices: DevicesTable
) -> None:
    rows: GatedRows[DeviceRow] = GatedRows(client, devices)
    claimed = fold_device(None, given(DEVICE, streams.claimed()).history[0])
    key, account = (claimed.device_id,), str(claimed.account_id)
    with pytest.raises(TooLarge):
        await rows.put(key, Held.of(claimed.model_copy(update={"name": "x" * 410_000})), None)
    assert devices.counters.account(account) == 0
    assert await rows.put(key, Held.of(claimed), None)
    assert not await rows.put(key, Held.of(claimed), None), "somebody was faster"
    assert (await rows.get(key), devices.counters.account(account)) == (Held.of(claimed), 1)


async def test_a_device_without_a_row_is_in_nobodys_list(
    client: DynamoDBClient, devices: DevicesTable
) -> None:
    rows: GatedRows[DeviceRow] = GatedRows(client, devices)
    assert await rows.put(("a",), Held(mark=MARK), None)
    assert devices.load(("a",)) is None
    item = devices.items.get("a")
    assert item.account_id is None
