"""Emptying the table of an idle slot: it is deleted and created again as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from adapters.outbound.dynamodb.client import error_code, store_errors
from domain.kernel.errors import StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LOOK_EVERY = 0.2
LOOKS = 1500
"""Five minutes: AWS takes seconds for either."""


async def definition_of(client: DynamoDBClient, table: str) -> str:
    """All that it takes to create the table, as JSON. Tags of CloudFormation's own cannot be set,
    and are of no use to it: it knows the table by its name."""
    with store_errors():
        found: Any = (await client.describe_table(TableName=table))["Table"]
        expiry: Any = await client.describe_time_to_live(TableName=table)
        tags: Any = await client.list_tags_of_resource(ResourceArn=found["TableArn"])
    request: dict[str, Any] = {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": found["AttributeDefinitions"],
        "KeySchema": found["KeySchema"],
    }
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in found.get("GlobalSecondaryIndexes") or []
    ]
    kept = [one for one in tags.get("Tags", []) if not one["Key"].startswith("aws:")]
    if indexes:
        request["GlobalSecondaryIndexes"] = indexes
    if kept:
        request["Tags"] = kept
    attribute = expiry["TimeToLiveDescription"].get("AttributeName")
    return orjson.dumps({"table": request, "expires_by": attribute}).decode()


async def recreate(client: DynamoDBClient, definition: str) -> None:
    """Can be repeated from wherever it was ended."""
    wanted: Mapping[str, Any] = orjson.loads(definition)
    table = wanted["table"]["TableName"]
    if await _status(client, table) not in (None, "DELETING"):
        with store_errors():
            await client.delete_table(TableName=table)
    await _until(client, table, None)
    with store_errors():
        await client.create_table(**wanted["table"])
    await _until(client, table, "ACTIVE")
    if wanted["expires_by"]:
        with store_errors():
            await client.update_time_to_live(
                TableName=table,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": wanted["expires_by"]},
            )


async def _until(client: DynamoDBClient, table: str, status: str | None) -> None:
    for _ in range(LOOKS):
        if await _status(client, table) == status:
            return
        await asyncio.sleep(LOOK_EVERY)
    raise StoreUnavailable(f"{table} did not become {status or 'deleted'} in five minutes")


async def _status(client: DynamoDBClient, table: str) -> str | None:
    """None: there is no such table."""
    try:
        with store_errors():
            return str((await client.describe_table(TableName=table))["Table"]["TableStatus"])
    except StoreUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and error_code(cause) == "ResourceNotFoundException":
            return None
        raise
