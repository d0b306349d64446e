"""Data keys on a table of their own: one item per subject, its key wrapped, or its tombstone.

A tombstone is never taken back: a key is only ever written where no item is.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.keys.ports import ForgottenList, KeyWrapper
from commands.kernel.expiring import Expiring
from commands.kernel.ports import DataKey
from domain.kernel.errors import ContractError, SubjectForgotten, VersionConflict

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

KEY_BYTES = 32
CACHED_KEYS = 5_000
BURY = "SET forgotten_at = if_not_exists(forgotten_at, :now) REMOVE #wrapped, created_at"


class DynamoDbKeyring:
    """The port ``Keyring``. Reads are strongly consistent, for who reads an event must find the key
    that it was written with; that there is no key is never remembered."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        wrapper: KeyWrapper,
        forgotten: ForgottenList,
        size: int = CACHED_KEYS,
    ) -> None:
        self._client = client
        self._table = table
        self._wrapper = wrapper
        self._forgotten = forgotten
        self._keys: Expiring[str, DataKey] = Expiring(size)

    async def for_sealing(self, subject: str) -> DataKey:
        if held := self._keys.get(subject):
            return held[0]
        asked = time.monotonic()
        item = await self._item(subject) or await self._first(subject)
        key = await self._unwrapped(subject, item, asked)
        if key is None:
            raise SubjectForgotten("the account was forgotten")
        return key

    async def for_opening(self, subject: str) -> DataKey | None:
        if held := self._keys.get(subject):
            return held[0]
        asked = time.monotonic()
        item = await self._item(subject)
        return None if item is None else await self._unwrapped(subject, item, asked)

    async def destroy(self, subject: str) -> None:
        """The list comes first: once the key is gone, a restore must not bring it back."""
        await self._forgotten.add(subject)
        await self._bury(subject)

    async def forgotten(self, subject: str) -> bool:
        item = await self._item(subject)
        return item is not None and "forgotten_at" in item

    async def reapply(self) -> list[str]:
        returned = []
        for subject in await self._forgotten.all():
            if not await self.forgotten(subject):
                await self._bury(subject)
                returned.append(subject)
        return returned

    async def _bury(self, subject: str) -> None:
        self._keys.drop(subject)
        with store_errors():
            await self._client.update_item(
                TableName=self._table,
                Key={"subject": {"S": subject}},
                UpdateExpression=BURY,
                ExpressionAttributeNames={"#wrapped": "wrapped"},
                ExpressionAttributeValues={":now": {"S": _now()}},
            )
        self._keys.drop(subject)

    async def _item(self, subject: str) -> Any:
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key={"subject": {"S": subject}}, ConsistentRead=True
            )
        return answer.get("Item")

    async def _first(self, subject: str) -> Any:
        """The item with a new key, or what somebody else has written meanwhile."""
        wrapped = await self._wrapper.wrap(os.urandom(KEY_BYTES), subject)
        item: Any = {
            "subject": {"S": subject},
            "wrapped": {"B": wrapped},
            "created_at": {"S": _now()},
        }
        try:
            with store_errors():
                await self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(subject)",
                )
        except VersionConflict:
            return await self._item(subject)
        return item

    async def _unwrapped(self, subject: str, item: Any, asked: float) -> DataKey | None:
        """``asked``: before the item was read; a key may be destroyed while it is unwrapped, and
        its time in this process runs from there."""
        if "forgotten_at" in item:
            return None
        try:
            wrapped = bytes(item["wrapped"]["B"])
        except (KeyError, TypeError) as error:
            raise ContractError("an item of the keys' table is no key") from error
        key = DataKey(subject, await self._wrapper.unwrap(wrapped, subject))
        self._keys.put(subject, key, since=asked)
        return key


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
