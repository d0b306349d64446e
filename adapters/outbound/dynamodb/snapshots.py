"""Snapshots: only ever a shortcut, so an unreadable one counts as none."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from adapters.outbound.dynamodb.client import store_errors
from commands.kernel.ports import Snapshot

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoDbSnapshotStore:
    """Port ``SnapshotStore``. States are stored compressed, for a write costs by the kilobyte.

    A snapshot of another ``generation`` counts as none: it may be ahead of a restored stream.
    """

    def __init__(self, client: DynamoDBClient, table: str, generation: int = 1) -> None:
        self._client = client
        self._table = table
        self._generation = generation

    async def load(self, stream: str) -> Snapshot | None:
        """Eventually consistent, at half the price: the tail behind an older one is read anyway."""
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key={"stream": {"S": stream}}
            )
        item = answer.get("Item")
        if item is None or item.get("gen", {}).get("N") != str(self._generation):
            return None
        try:
            return Snapshot(
                version=int(item["version"]["N"]),
                code_version=int(item["code_version"]["N"]),
                state=zlib.decompress(item["state"]["B"]),
            )
        except (KeyError, TypeError, ValueError, zlib.error):
            return None

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        with store_errors():
            await self._client.put_item(
                TableName=self._table,
                Item={
                    "stream": {"S": stream},
                    "version": {"N": str(snapshot.version)},
                    "gen": {"N": str(self._generation)},
                    "code_version": {"N": str(snapshot.code_version)},
                    "state": {"B": zlib.compress(snapshot.state)},
                },
            )
