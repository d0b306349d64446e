"""Reads of the event table, page by page, as raw items."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.dynamodb.codec import Item, dump_time

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

SCAN_PAGE = 500
"""Items that one request of a scan looks at: bounds memory and the capacity taken at once."""
HIGHEST = 10**15


async def stream_items(
    client: DynamoDBClient,
    table: str,
    stream: str,
    *,
    after: int | None = None,
    up_to: int | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> list[Item]:
    """Items with ``after < version <= up_to``, strongly consistent, all pages of them."""
    request: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": "#stream = :stream AND #version BETWEEN :first AND :last",
        "ExpressionAttributeNames": {"#stream": "stream", "#version": "version"},
        "ExpressionAttributeValues": {
            ":stream": {"S": stream},
            ":first": {"N": str(0 if after is None else after + 1)},
            ":last": {"N": str(HIGHEST if up_to is None else up_to)},
        },
        "ConsistentRead": True,
        "ScanIndexForward": not descending,
    }
    items: list[Item] = []
    while limit is None or len(items) < limit:
        if limit is not None:
            request["Limit"] = limit - len(items)
        with store_errors():
            page = await client.query(**request)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return items


async def scan_items(
    client: DynamoDBClient, table: str, *, since: str | None = None, page_size: int = SCAN_PAGE
) -> AsyncIterator[Item]:
    """All items, or those with a ``time`` not before ``since``; each stream's in order."""
    request: dict[str, Any] = {"TableName": table, "Limit": page_size, "ConsistentRead": True}
    if since is not None:
        request["FilterExpression"] = "#time >= :since"
        request["ExpressionAttributeNames"] = {"#time": "time"}
        request["ExpressionAttributeValues"] = {":since": {"S": since}}
    while True:
        with store_errors():
            page = await client.scan(**request)
        for item in page["Items"]:
            yield item
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class DynamoDbEventScan:
    """The events of a table as they are stored: to read them takes no key."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    async def scan_items(
        self, *, since: datetime | None = None, page_size: int = SCAN_PAGE
    ) -> AsyncIterator[Item]:
        """As stored, for ``codec.item_to_cloud_event``: one that is undecodable stops nothing."""
        earliest = dump_time(since) if since else None
        async for item in scan_items(
            self._client, self._table, since=earliest, page_size=page_size
        ):
            yield item
