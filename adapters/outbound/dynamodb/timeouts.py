"""Durable time-outs of policies: one item each, in shards that are sorted by when they are due."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.dynamodb.codec import Item, dump_time
from commands.kernel.policy import Timeout

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

SHARDS = 4
"""A partition takes 1,000 writes a second; a stream's time-outs share one."""
PER_SHARD = 100


class DynamoDbTimeouts:
    """Ports ``Timeouts`` and ``DueTimeouts``."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    async def schedule(self, timeout: Timeout) -> None:
        item: Any = {
            **key_of(timeout),
            "policy": {"S": timeout.policy},
            "stream": {"S": timeout.stream},
            "name": {"S": timeout.name},
            "corr": {"S": timeout.correlation_id},
        }
        with store_errors():
            await self._client.put_item(TableName=self._table, Item=item)

    async def cancel(self, timeout: Timeout) -> None:
        key: Any = key_of(timeout)
        with store_errors():
            await self._client.delete_item(TableName=self._table, Key=key)

    async def due(self, *, now: datetime, policies: Collection[str]) -> list[Timeout]:
        if not policies:
            return []
        found = await asyncio.gather(
            *(self._due(shard, now, sorted(policies)) for shard in range(SHARDS))
        )
        return [timeout_of(item) for items in found for item in items]

    async def _due(self, shard: int, now: datetime, policies: Sequence[str]) -> list[Any]:
        """Those of other policies lie between them, however many they are."""
        names = {f":policy{index}": {"S": name} for index, name in enumerate(policies)}
        request: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "#shard = :shard AND #due <= :now",
            "FilterExpression": f"#policy IN ({', '.join(names)})",
            "ExpressionAttributeNames": {"#shard": "shard", "#due": "due", "#policy": "policy"},
            "ExpressionAttributeValues": {
                ":shard": {"N": str(shard)},
                ":now": {"S": f"{dump_time(now)}~"},  # sorts behind every "…Z#id"
                **names,
            },
            "Limit": PER_SHARD,
        }
        items: list[Any] = []
        while len(items) < PER_SHARD:
            with store_errors():
                page = await self._client.query(**request)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        return items


def key_of(timeout: Timeout) -> Item:
    name = f"{timeout.policy}:{timeout.stream}:{timeout.name}"
    shard = hashlib.sha256(timeout.stream.encode()).digest()[0] % SHARDS
    return {"shard": {"N": str(shard)}, "due": {"S": f"{dump_time(timeout.due_at)}#{name}"}}


def timeout_of(item: Item) -> Timeout:
    return Timeout(
        policy=item["policy"]["S"],
        stream=item["stream"]["S"],
        name=item["name"]["S"],
        due_at=datetime.fromisoformat(item["due"]["S"].partition("#")[0]),
        correlation_id=item["corr"]["S"],
    )
