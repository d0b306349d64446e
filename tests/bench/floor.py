"""The floor: the same AWS and Redis calls in the same order, with none of our code.

Submit: read the lane's tail, put ``accepted``, tell Redis by one script. Gateway, on the hint: put
``sent`` (here the device has it), then put ``succeeded``, tell Redis. Caller, on the hint: done.
HTTP, WebSocket and the device itself are not in it. The client is made as ours is, with the options
that save it time. The events go the way of all events up to the topic, which no queue takes them
from: so the work in the background is alike too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from adapters.outbound.dynamodb.client import AwsConnection
from adapters.settings import Settings
from tests.bench.stage import HOMES

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PUBLISH = "return redis.call('PUBLISH', KEYS[1], ARGV[1])"


@dataclass
class Floor:
    """``run`` gives seconds until the device would have it, and until the outcome.

    The lanes take turns as the homes do: the engine is slower with a long stream than with many.
    """

    dynamodb: DynamoDBClient
    redis: Redis
    table: str
    sha: str = ""
    runs: int = 0
    versions: list[int] = field(default_factory=lambda: [0] * HOMES)
    arrived: dict[str, asyncio.Event] = field(default_factory=dict)

    async def run(self) -> tuple[float, float]:
        lane = self.runs = (self.runs + 1) % HOMES
        started = time.perf_counter()
        await self.dynamodb.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="#s = :s AND #v BETWEEN :first AND :last",
            ExpressionAttributeNames={"#s": "stream", "#v": "version"},
            ExpressionAttributeValues={
                ":s": {"S": f"floor-{lane}"},
                ":first": {"N": str(self.versions[lane] + 1)},
                ":last": {"N": "1000000000"},
            },
        )
        await self._put(lane, "devices.remote_command_accepted")
        await self._tell("gateway")
        await self._put(lane, "devices.remote_command_sent")
        sent = time.perf_counter() - started
        await self._put(lane, "devices.remote_command_succeeded")
        await self._tell("account")
        return sent, time.perf_counter() - started

    async def _put(self, lane: int, kind: str) -> None:
        self.versions[lane] += 1
        data = {"number": self.versions[lane], "step": 1, "pad": "x" * 250}
        await self.dynamodb.put_item(
            TableName=self.table,
            Item={
                "stream": {"S": f"floor-{lane}"},
                "version": {"N": str(self.versions[lane])},
                "type": {"S": kind},
                "time": {"S": datetime.now(UTC).isoformat()},
                "data": {"S": json.dumps(data)},
                "token": {"S": "x" * 26},
                "corr": {"S": "x" * 26},
                "caus": {"S": "x" * 26},
                "who": {"S": "x" * 32},
                "gen": {"N": "1"},
            },
            ConditionExpression="attribute_not_exists(#s)",
            ExpressionAttributeNames={"#s": "stream"},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    async def _tell(self, channel: str) -> None:
        arrived = self.arrived.setdefault(channel, asyncio.Event())
        arrived.clear()
        body = json.dumps({"type": "event", "event": "x" * 600})
        await self.redis.evalsha(self.sha, 1, f"floor:{channel}", body)
        await arrived.wait()


async def _listen(pubsub: Any, arrived: dict[str, asyncio.Event]) -> None:
    async for message in pubsub.listen():
        if message["type"] == "message":
            channel = message["channel"].decode().removeprefix("floor:")
            arrived.setdefault(channel, asyncio.Event()).set()


@asynccontextmanager
async def floor(settings: Settings) -> AsyncIterator[Floor]:
    async with AsyncExitStack() as stack:
        dynamodb = await stack.enter_async_context(
            AwsConnection(settings.aws_region, settings.aws_endpoint_url).dynamodb()
        )
        redis = Redis.from_url(settings.redis_url, protocol=2)
        stack.push_async_callback(redis.aclose)
        run = Floor(dynamodb, redis, settings.devices_events_table)
        run.sha = await redis.script_load(PUBLISH)
        pubsub = redis.pubsub()
        await pubsub.subscribe("floor:gateway", "floor:account")
        listener = asyncio.create_task(_listen(pubsub, run.arrived))
        try:
            yield run
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
            await pubsub.aclose()  # type: ignore[no-untyped-call]
