"""Rows of creatives in a table: as they were put, each once, however often they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.outbound.dynamodb.rows import GatedRows, opened
from projections.kernel.gate import Held
from projections.media.creatives import CREATIVES, CreativeItem, CreativeRow, CreativesTable
from tests.support.media import UNTIL, stored
from tests.support.tables import REGION, connect, create_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

IDS = {status: f"{number:026}" for number, status in enumerate(UNTIL) if UNTIL[status]}


@pytest.fixture(params=["moto", "ministack"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[DynamoDBClient]:
    url = request.getfixturevalue(f"{request.param}_url")
    async with connect(url).dynamodb() as client:
        yield client


@pytest.fixture
async def table(client: DynamoDBClient) -> CreativesTable:
    name = f"creatives-{uuid4().hex[:12]}"
    await create_table(client, name, ("creative_id", "S"))
    url = client.meta.endpoint_url
    return CreativesTable(opened(CreativeItem, name, region=REGION, host=url))


def row_of(status: str) -> CreativeRow:
    row: CreativeRow | None = None
    for event in stored(f"creative-{IDS[status]}", *UNTIL[status]):
        row = CREATIVES.fold(row, event).model_copy(
            update={"applied": event.originator_version, "stream_version": event.originator_version}
        )
    assert row is not None
    return row


async def test_a_row_of_each_status_comes_back_whole_and_once(
    client: DynamoDBClient, table: CreativesTable
) -> None:
    rows = GatedRows(client, table)
    put = {creative_id: row_of(status) for status, creative_id in IDS.items()}
    for creative_id, row in put.items():
        assert await rows.put((creative_id,), Held.of(row), None)
        assert not await rows.put((creative_id,), Held.of(row), None), "the condition held twice"
    asked = [*put, "never seen", *put]
    found = table.get_many(asked)
    assert sorted(one.creative_id for one in found) == sorted(put)
    assert {one.creative_id: one for one in found} == put
    assert table.get_many([]) == []
