"""The vault: secrets' hashes and credentials, outside of all events and read models."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from adapters.outbound.dynamodb.batch import Change, change_of
from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.dynamodb.codec import Item
from commands.kernel.ports import VaultWrite
from domain.kernel.errors import ContractError, VersionConflict

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoDbVault:
    """Port ``Vault``. DynamoDB deletes expired items late: readers compare ``expires_at``."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    async def get(self, key: str) -> dict[str, Any] | None:
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key={"key": {"S": key}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return None if item is None else _value(item)

    async def put(self, key: str, value: dict[str, Any], *, expected: int | None = None) -> None:
        change = change_of(VaultWrite(key, value, expected))
        try:
            with store_errors():
                await self._client.put_item(
                    TableName=self._table,
                    Item=change.item or {},
                    **change.condition(),
                )
        except VersionConflict as error:
            cause = error.__cause__
            found: Any = cause.response.get("Item") if isinstance(cause, ClientError) else None
            if not change.is_done(found):
                raise

    async def delete(self, key: str, *, expected: int | None = None) -> None:
        change = Change(None, expected)
        with store_errors():
            await self._client.delete_item(
                TableName=self._table, Key={"key": {"S": key}}, **change.condition()
            )

    async def list(self, prefix: str) -> builtins.list[tuple[str, dict[str, Any]]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "FilterExpression": "begins_with(#key, :prefix)",
            "ExpressionAttributeNames": {"#key": "key"},
            "ExpressionAttributeValues": {":prefix": {"S": prefix}},
            "ConsistentRead": True,
        }
        found: builtins.list[tuple[str, dict[str, Any]]] = []
        while True:
            with store_errors():
                page = await self._client.scan(**request)
            found += [(item["key"]["S"], _value(item)) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return sorted(found, key=lambda entry: entry[0])
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _value(item: Item) -> dict[str, Any]:
    try:
        value: dict[str, Any] = orjson.loads(item["value"]["S"])
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("a vault item is unreadable") from error
    return value
