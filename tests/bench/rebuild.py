"""A rebuild of 100,000 events beside a bare loop that scans the same table and writes as many rows.

Processor time of this process alone, all threads: the engine, and the projector that sees the
canary, run in others. The **bare loop** reads the same segments in the same pages with the same
client, loads the data of each event as JSON, and puts one ready item of the size of a row for each
command, 64 at a time: no types, no fold, no gate, no bookkeeping.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from adapters.bootstrap.operators import read_side
from adapters.outbound.dynamodb import codec
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.dynamodb.segments import PAGE
from adapters.outbound.read_side import SEGMENTS
from domain.devices.lane import LANE
from domain.kernel.recorded import Recorded
from projections.kernel.slots import Slot
from tests.bench.core import COMMANDS, CONTEXT, TOKEN, device, history, moved
from tests.bench.sizes import Sizes
from tests.support.platform import Platform

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MODEL = "remote_commands"
BATCH = 25
"""Items of a BatchWriteItem."""
SEEDERS = 16
PUTS_AT_ONCE = 64


@dataclass(frozen=True)
class Rebuilt:
    """Seconds of processor time and of the clock."""

    events: int
    rows: int
    ours: float
    bare: float
    ours_took: float
    bare_took: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bare


async def measure(directory: Path, sizes: Sizes) -> Rebuilt:
    platform = Platform(directory, processes=("projector",))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(platform)
        settings = platform.settings
        connection = AwsConnection(settings.aws_region, settings.aws_endpoint_url)
        client = await stack.enter_async_context(connection.dynamodb())
        each = len(history("a" * 26))
        lanes = sizes.rebuild_events // each
        await seed(client, settings.devices_events_table, lanes)
        side = await stack.enter_async_context(read_side(settings))
        sample = await row_sample(client, side, settings)
        bare, bare_took = await timed(
            bare_loop(client, settings.devices_events_table, sample[0], sample[1])
        )
        ours, ours_took = await timed(rebuild(side))
        return Rebuilt(lanes * each, lanes * COMMANDS, ours, bare, ours_took, bare_took)


async def timed(work: Any) -> tuple[float, float]:
    gc.collect()
    began, clock = time.process_time(), time.perf_counter()
    await work
    return time.process_time() - began, time.perf_counter() - clock


async def rebuild(side: Any) -> None:
    await side.rebuild(MODEL, report=lambda _phase, _run: None, verify=False).run()


# --- what is scanned ------------------------------------------------------------------------------


async def seed(client: DynamoDBClient, table: str, lanes: int) -> None:
    """Written past the store, in batches; it has tests of its own."""
    events = history("a" * 26)
    limit = asyncio.Semaphore(SEEDERS)

    async def lane(number: int) -> None:
        stream = LANE.stream(device(number))
        items = [codec.to_item(Recorded(moved(one, stream), CONTEXT, TOKEN)) for one in events]
        for begin in range(0, len(items), BATCH):
            await written(client, table, items[begin : begin + BATCH], limit)

    await asyncio.gather(*map(lane, range(lanes)))


async def written(
    client: DynamoDBClient, table: str, items: Sequence[Any], limit: asyncio.Semaphore
) -> None:
    async with limit:
        puts: Any = [{"PutRequest": {"Item": item}} for item in items]
        answer = await client.batch_write_item(RequestItems={table: puts})
        assert not answer.get("UnprocessedItems")


# --- the bare loop --------------------------------------------------------------------------------


async def row_sample(client: DynamoDBClient, side: Any, settings: Any) -> tuple[str, Any]:
    """A row as the platform writes it, and the table that it goes to: the idle slot's."""
    [recorded] = [[Recorded(one, CONTEXT, TOKEN) for one in history("z" * 26, 1)]]
    await side.models[MODEL].gates.of(Slot.BLUE).apply(recorded)
    table = settings.slot(MODEL, Slot.BLUE).table
    answer = await client.get_item(
        TableName=table, Key={"device_id": {"S": "z" * 26}, "number": {"N": "2"}}
    )
    return table, answer["Item"]


async def bare_loop(client: DynamoDBClient, events: str, table: str, sample: Any) -> None:
    limit = asyncio.Semaphore(PUTS_AT_ONCE)

    async def put(key: tuple[str, int]) -> None:
        async with limit:
            item = sample | {"device_id": {"S": key[0]}, "number": {"N": str(key[1])}}
            await client.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(device_id)"
            )

    async def read(segment: int) -> None:
        request: dict[str, Any] = {
            "TableName": events,
            "Segment": segment,
            "TotalSegments": SEGMENTS,
            "Limit": PAGE,
            "ConsistentRead": True,
        }
        while True:
            page = await client.scan(**request)
            loaded = [(i["stream"]["S"], orjson.loads(i["data"]["S"])) for i in page["Items"]]
            ends = [(s[5:], d["number"]) for s, d in loaded if d.get("step") == 1]
            await asyncio.gather(*map(put, ends))
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    await asyncio.gather(*map(read, range(SEGMENTS)))
