"""Looks for texts in whole tables, as they are stored: for a check by hand, it reads everything."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def count_items(
    client: DynamoDBClient, table: str, *, texts: Collection[str], beside: Collection[str]
) -> int:
    """Items that hold one of ``texts``, and one of ``beside`` (ids that tell whose they are)."""
    wanted = {form for text in texts for form in spellings(text)}
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    found = 0
    while True:
        with store_errors():
            page = await client.scan(**request)
        for item in page["Items"]:
            stored = "\n".join(strings(item))
            found += has_any(stored, wanted) and has_any(stored, beside)
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def has_any(stored: str, wanted: Collection[str]) -> bool:
    return any(text in stored for text in wanted)


def spellings(text: str) -> set[str]:
    """As it is, and as JSON may write it."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def strings(value: Any) -> Iterator[str]:
    """All texts in an item; of bytes what is text."""
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case dict():
            for name, inner in value.items():
                yield name
                yield from strings(inner)
        case list() | set():
            for inner in value:
                yield from strings(inner)
