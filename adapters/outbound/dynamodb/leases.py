"""The relays' leases: one item per shard and per loss in the relay's table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.inbound.workers.ports import Lease, LeaseLost, Loss
from adapters.outbound.dynamodb.client import store_errors
from domain.kernel.errors import VersionConflict

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# Reserved words, all three.
SHARD = {"#shard": "shard"}
OWNER = {"#owner": "owner"}
COUNTER = {"#counter": "counter"}


class DynamoDbLeases:
    """Port ``Leases``. A call repeated after a lost answer does no harm."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    async def all(self) -> list[Lease]:
        """A page or two, as small items go: tens of bytes for each shard."""
        found: list[Lease] = []
        start: Any = {}
        while True:
            with store_errors():
                answer = await self._client.scan(
                    TableName=self._table, ConsistentRead=True, **start
                )
            found += [from_item(item) for item in answer["Items"] if "counter" in item]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return found
            start = {"ExclusiveStartKey": last}

    async def create(self, lease: Lease) -> None:
        try:
            with store_errors():
                await self._client.put_item(
                    TableName=self._table,
                    Item=to_item(lease),
                    ConditionExpression="attribute_not_exists(#shard)",
                    ExpressionAttributeNames=SHARD,
                )
        except VersionConflict:
            return

    async def take(self, lease: Lease, owner: str) -> Lease | None:
        try:
            with store_errors():
                answer = await self._client.update_item(
                    TableName=self._table,
                    Key={"shard": {"S": lease.key}},
                    UpdateExpression="SET #owner = :owner, #counter = #counter + :one",
                    ConditionExpression="#owner = :seen AND #counter = :counter",
                    ExpressionAttributeNames=OWNER | COUNTER,
                    ExpressionAttributeValues={
                        ":owner": {"S": owner},
                        ":one": {"N": "1"},
                        ":seen": {"S": lease.owner},
                        ":counter": {"N": str(lease.counter)},
                    },
                    ReturnValues="ALL_NEW",
                )
        except VersionConflict:
            return None
        return from_item(answer["Attributes"])

    async def save(self, lease: Lease, *, held_by: str) -> None:
        try:
            with store_errors():
                await self._client.put_item(
                    TableName=self._table,
                    Item=to_item(lease),
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames=OWNER,
                    ExpressionAttributeValues={":owner": {"S": held_by}},
                )
        except VersionConflict as error:
            raise LeaseLost(lease.key) from error

    async def drop(self, lease: Lease) -> None:
        try:
            with store_errors():
                await self._client.delete_item(
                    TableName=self._table,
                    Key={"shard": {"S": lease.key}},
                    ConditionExpression="#counter = :counter",
                    ExpressionAttributeNames=COUNTER,
                    ExpressionAttributeValues={":counter": {"N": str(lease.counter)}},
                )
        except VersionConflict:
            return


def to_item(lease: Lease) -> dict[str, Any]:
    item: dict[str, Any] = {
        "shard": {"S": lease.key},
        "owner": {"S": lease.owner},
        "counter": {"N": str(lease.counter)},
        "sequence": {"S": lease.sequence},
        "at": {"N": str(lease.at.timestamp())},
        "finished": {"BOOL": lease.finished},
        "saved_at": {"N": str(int(time.time()))},
    }
    if lease.loss is not None:
        item["lost_shard"] = {"S": lease.loss.shard}
        item["cause"] = {"S": lease.loss.cause}
        item["until"] = {"N": str(lease.loss.until.timestamp())}
        item["events"] = {"N": str(lease.loss.events)}
    return item


def from_item(item: Mapping[str, Any]) -> Lease:
    context, _, name = item["shard"]["S"].partition("/")
    return Lease(
        context=context,
        id=name,
        at=_time(item["at"]),
        owner=item["owner"]["S"],
        counter=int(item["counter"]["N"]),
        sequence=item["sequence"]["S"],
        finished=item["finished"]["BOOL"],
        loss=_loss(item) if "cause" in item else None,
    )


def _loss(item: Mapping[str, Any]) -> Loss:
    cause = item["cause"]["S"]
    return Loss(item["lost_shard"]["S"], cause, _time(item["until"]), int(item["events"]["N"]))


def _time(value: Mapping[str, str]) -> datetime:
    return datetime.fromtimestamp(float(value["N"]), UTC)
