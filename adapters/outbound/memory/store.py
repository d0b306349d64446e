"""Events, snapshots and secrets in this process: same rules, limits and errors as on DynamoDB.

Events are kept as the items that DynamoDB would hold and decoded on every read, so that a test on
memory also tests the codec, and personal data is sealed. A commit has no pause after its sealing:
within one event loop it is atomic.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from adapters.outbound.dynamodb.batch import Batch, Change, change_of, prepare
from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.codec import Item, dump_time
from adapters.outbound.dynamodb.sealer import Sealer
from adapters.outbound.keys.snapshots import open_snapshot, seal_snapshot
from adapters.outbound.memory.keyring import MemoryKeyring
from adapters.outbound.memory.objects import MemoryObjects
from commands.kernel.ports import Append, Keyring, Snapshot, VaultWrite
from domain.kernel.errors import VersionConflict
from domain.kernel.recorded import Context, Recorded


class MemoryVault:
    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    async def get(self, key: str) -> dict[str, Any] | None:
        item = self.items.get(key)
        return None if item is None else orjson.loads(item["value"]["S"])

    async def put(self, key: str, value: dict[str, Any], *, expected: int | None = None) -> None:
        change = change_of(VaultWrite(key, value, expected))
        if not change.is_done(self.items.get(key)) or expected is None:
            self.require(key, change)
            self.apply(key, change)

    async def delete(self, key: str, *, expected: int | None = None) -> None:
        self.require(key, Change(None, expected))
        self.apply(key, Change(None, expected))

    def require(self, key: str, change: Change) -> None:
        """Raises ``VersionConflict``."""
        found = self.items.get(key)
        if change.expected is None or (change.expected == 0 and found is None):
            return
        if found is None or found.get("version") != {"N": str(change.expected)}:
            raise VersionConflict("the item has changed")

    def apply(self, key: str, change: Change) -> None:
        if change.kept:
            return
        if change.item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = change.item

    async def list(self, prefix: str) -> builtins.list[tuple[str, dict[str, Any]]]:
        keys = sorted(key for key in self.items if key.startswith(prefix))
        return [(key, orjson.loads(self.items[key]["value"]["S"])) for key in keys]


class MemorySnapshotStore:
    """``sealed``: the personal parts, by stream."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._keyring = keyring or MemoryKeyring()
        self.snapshots: dict[str, Snapshot] = {}
        self.sealed: dict[str, str | None] = {}

    async def load(self, stream: str, *, personal: bool = True) -> Snapshot | None:
        snapshot, sealed = self.snapshots.get(stream), self.sealed.get(stream)
        if snapshot is None:
            return None
        return await open_snapshot(self._keyring, stream, snapshot, sealed, personal=personal)

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        self.sealed[stream] = await seal_snapshot(self._keyring, stream, snapshot)
        self.snapshots[stream] = replace(snapshot, subject=None, personal=None)


class MemoryEventStore:
    """``vault``: where the vault's part of a commit goes; ``keyring``: of personal data."""

    def __init__(
        self,
        vault: MemoryVault | None = None,
        generation: int = 1,
        *,
        keyring: Keyring | None = None,
    ) -> None:
        self.vault = vault or MemoryVault()
        self.keyring = keyring or MemoryKeyring()
        self.objects = MemoryObjects()
        self.sealer = Sealer(self.keyring, ClaimCheck(self.objects, "memory"))
        self._generation = generation
        self._streams: dict[str, list[Item]] = {}

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        items = self._streams.get(stream, [])[after:up_to]
        return await self.sealer.from_items(items, personal=personal)

    async def commit(
        self,
        appends: Sequence[Append],
        *,
        context: Context,
        commit_token: str,
        vault: Sequence[VaultWrite] = (),
    ) -> list[Recorded]:
        batch = await prepare(
            appends,
            vault,
            context=context,
            commit_token=commit_token,
            generation=self._generation,
            sealer=self.sealer,
        )
        if not self._is_stored(batch):
            self._write(batch)
        return batch.recorded

    def _is_stored(self, batch: Batch) -> bool:
        """Whether this is a repetition; ``VersionConflict`` when another commit was first."""
        conditions = [
            (key, change)
            for key, change in batch.vault.items()
            if change.expected is not None and not change.kept
        ]
        if not batch.events and conditions:
            return all(change.is_done(self.vault.items.get(key)) for key, change in conditions)
        found = [self._at(item) for item in batch.events]
        if found and all(item and item["token"]["S"] == batch.token for item in found):
            return True
        if any(item is not None for item in found):
            raise VersionConflict("another commit was first")
        return False

    def _at(self, item: Item) -> Item | None:
        events = self._streams.get(item["stream"]["S"], [])
        version = int(item["version"]["N"])
        return events[version - 1] if version <= len(events) else None

    def _write(self, batch: Batch) -> None:
        for key, change in batch.vault.items():
            self.vault.require(key, change)
        for item in batch.events:
            events = self._streams.setdefault(item["stream"]["S"], [])
            assert int(item["version"]["N"]) == len(events) + 1, "what is loaded has no gaps"
            events.append(item)
        for key, change in batch.vault.items():
            self.vault.apply(key, change)

    async def scan(self) -> AsyncIterator[Recorded]:
        async for item in self.scan_items():
            for recorded in await self.sealer.from_items([item]):
                yield recorded

    async def scan_since(self, time: datetime) -> AsyncIterator[Recorded]:
        async for item in self.scan_items(since=time):
            for recorded in await self.sealer.from_items([item]):
                yield recorded

    async def scan_items(self, *, since: datetime | None = None) -> AsyncIterator[Item]:
        earliest = dump_time(since) if since else ""
        for events in list(self._streams.values()):
            for item in list(events):
                if item["time"]["S"] >= earliest:
                    yield item
