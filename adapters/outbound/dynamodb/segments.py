"""Parallel scans of the event store, for those who read all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.dynamodb.sealer import Sealer
from domain.kernel.errors import ContractError
from domain.kernel.recorded import Recorded
from projections.kernel.rebuild import ScanPage

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

Item = Mapping[str, Any]
PAGE = 1000
UNIT = 4096
"""Bytes of a strongly consistent read unit."""


class SegmentScan:
    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        category: str,
        sealer: Sealer,
    ) -> None:
        self._client = client
        self._table = table
        self._category = category
        self._sealer = sealer

    async def count(self) -> int:
        """DynamoDB counts about every six hours."""
        with store_errors():
            answer = await self._client.describe_table(TableName=self._table)
        return int(answer["Table"]["ItemCount"])

    async def page(self, segment: int, of: int, after: str | None) -> ScanPage:
        request: dict[str, Any] = {
            "TableName": self._table,
            "Segment": segment,
            "TotalSegments": of,
            "Limit": PAGE,
            "ConsistentRead": True,
            "ReturnConsumedCapacity": "TOTAL",
            "FilterExpression": "begins_with(#stream, :category)",
            "ExpressionAttributeNames": {"#stream": "stream"},
            "ExpressionAttributeValues": {":category": {"S": f"{self._category}-"}},
        }
        if after is not None:
            request["ExclusiveStartKey"] = orjson.loads(after)
        with store_errors():
            answer: Any = await self._client.scan(**request)
        last = answer.get("LastEvaluatedKey")
        recorded, unreadable = await self._decoded(answer["Items"])
        return ScanPage(
            recorded=recorded,
            after=orjson.dumps(last).decode() if last else None,
            scanned=answer["ScannedCount"],
            units=units_of(answer),
            unreadable=unreadable,
        )

    async def _decoded(self, items: Sequence[Item]) -> tuple[list[Recorded], list[str]]:
        recorded, unreadable = [], []
        for item, one in zip(items, await self._sealer.outcomes(items), strict=True):
            if isinstance(one, ContractError):
                unreadable.append(f"{item['stream']['S']} {item['version']['N']}")
            else:
                recorded.append(one)
        return recorded, unreadable


def units_of(answer: Mapping[str, Any]) -> float:
    """As reported, or by the bytes of the answer where an engine reports less than those take."""
    reported = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
    sent = int(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", 0))
    return max(reported, math.ceil(sent / UNIT))
