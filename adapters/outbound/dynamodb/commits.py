"""The conditional writes of the event store: each recognises what it has itself stored before.

Every item carries the token of its commit. An answer may get lost after the write was done; then
the repeated write finds an item in its place, and the token says whether it is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from adapters.outbound.dynamodb.batch import Batch, Change
from adapters.outbound.dynamodb.client import from_reasons, store_errors
from adapters.outbound.dynamodb.codec import Item
from domain.kernel.errors import (
    ContractError,
    StoreUnavailable,
    VersionConflict,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_ABSENT = "attribute_not_exists(#stream)"
_NAMES = {"#stream": "stream"}


class Commits:
    def __init__(self, client: DynamoDBClient, table: str, vault_table: str) -> None:
        self._client = client
        self._table = table
        self._vault_table = vault_table

    async def write(self, batch: Batch) -> None:
        """All of the batch, or none. One event alone costs one write unit.

        Raises ``VersionConflict`` when another commit was first, ``StoreUnavailable`` when it is
        unknown whether the batch was stored; repeating the batch then settles it. What is sealed
        is so to another text each time, which a transaction repeated within ten minutes reports as
        a mismatch of its token: the store then tells whether the first one was done.
        """
        try:
            if len(batch.events) == 1 and not batch.vault:
                await self._put(batch.events[0], batch.token)
            else:
                await self._transact(batch)
        except (StoreUnavailable, ContractError):
            if not await self._stored(batch):
                raise

    async def _put(self, item: Item, token: str) -> None:
        try:
            with store_errors():
                await self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=_ABSENT,
                    ExpressionAttributeNames=_NAMES,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except VersionConflict as error:
            cause = error.__cause__
            found = cause.response.get("Item") if isinstance(cause, ClientError) else None
            if not _is_of(found, token):
                raise

    async def _transact(self, batch: Batch) -> None:
        actions = [self._put_event(item) for item in batch.events]
        actions += [self._change_vault(key, change) for key, change in batch.vault.items()]
        try:
            with store_errors():
                await self._client.transact_write_items(
                    TransactItems=actions, ClientRequestToken=batch.token
                )
        except StoreUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, ClientError):
                raise
            reasons = cause.response.get("CancellationReasons")
            if reasons is None:
                raise
            if not _is_done(batch, reasons):
                raise from_reasons(reasons, cause) from cause

    def _put_event(self, item: Item) -> Any:
        put = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": _ABSENT,
            "ExpressionAttributeNames": _NAMES,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": put}

    def _change_vault(self, key: str, change: Change) -> Any:
        action = {"TableName": self._vault_table, **change.condition()}
        if change.kept:
            return {"ConditionCheck": {**action, "Key": {"key": {"S": key}}}}
        if change.item is None:
            return {"Delete": {**action, "Key": {"key": {"S": key}}}}
        return {"Put": {**action, "Item": change.item}}

    async def _stored(self, batch: Batch) -> bool:
        """Whether the write was done although no answer came. All or nothing: one event tells.

        Raises ``VersionConflict`` when another commit has taken the place meanwhile.
        """
        if not batch.events:
            return False
        first = batch.events[0]
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table,
                Key={"stream": first["stream"], "version": first["version"]},
                ConsistentRead=True,
            )
        found = answer.get("Item")
        if found is not None and not _is_of(found, batch.token):
            raise VersionConflict("another commit was first")
        return found is not None


def _is_of(item: Any, token: str) -> bool:
    return item is not None and item.get("token", {}).get("S") == token


def _is_done(batch: Batch, reasons: Sequence[Any]) -> bool:
    """Whether an earlier try of this batch is what stands in its way. All or nothing: its events
    tell; without any, what it put in the vault under a condition."""
    if batch.events:
        events = reasons[: len(batch.events)]
        return all(_is_of(reason.get("Item"), batch.token) for reason in events)
    changes = zip(batch.vault.values(), reasons, strict=True)
    put = [
        (change, reason)
        for change, reason in changes
        if change.expected is not None and not change.kept
    ]
    return bool(put) and all(change.is_done(reason.get("Item")) for change, reason in put)
