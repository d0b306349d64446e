"""Snapshots: only ever a shortcut, so an unreadable one counts as none."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.client import store_errors
from adapters.outbound.keys.snapshots import open_snapshot, seal_snapshot
from commands.kernel.ports import Keyring, Snapshot

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoDbSnapshotStore:
    """Port ``SnapshotStore``. States are stored compressed, for a write costs by the kilobyte.

    A snapshot of another ``generation`` counts as none: it may be ahead of a restored stream.
    Personal fields stand sealed beside the state.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, *, keyring: Keyring, generation: int = 1
    ) -> None:
        self._client = client
        self._table = table
        self._keyring = keyring
        self._generation = generation

    async def load(self, stream: str, *, personal: bool = True) -> Snapshot | None:
        """Eventually consistent, at half the price: the tail behind an older one is read anyway."""
        with store_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key={"stream": {"S": stream}}
            )
        item = answer.get("Item")
        if item is None or item.get("gen", {}).get("N") != str(self._generation):
            return None
        try:
            snapshot = Snapshot(
                version=int(item["version"]["N"]),
                code_version=int(item["code_version"]["N"]),
                state=zlib.decompress(item["state"]["B"]),
            )
            sealed = item["sealed"]["S"] if "sealed" in item else None
        except (KeyError, TypeError, ValueError, zlib.error):
            return None
        return await open_snapshot(self._keyring, stream, snapshot, sealed, personal=personal)

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        item: dict[str, Any] = {
            "stream": {"S": stream},
            "version": {"N": str(snapshot.version)},
            "gen": {"N": str(self._generation)},
            "code_version": {"N": str(snapshot.code_version)},
            "state": {"B": zlib.compress(snapshot.state)},
        }
        sealed = await seal_snapshot(self._keyring, stream, snapshot)
        if sealed is not None:
            item["sealed"] = {"S": sealed}
        with store_errors():
            await self._client.put_item(TableName=self._table, Item=item)
