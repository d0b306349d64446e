"""The event store of one context on one table (``docs/architecture.md``, section 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.outbound.dynamodb.batch import prepare
from adapters.outbound.dynamodb.codec import item_to_cloud_event
from adapters.outbound.dynamodb.commits import Commits
from adapters.outbound.dynamodb.sealer import Sealer
from adapters.outbound.dynamodb.streams import SCAN_PAGE, DynamoDbEventScan, stream_items
from commands.kernel.ports import Append, VaultWrite
from domain.kernel.errors import ContractError
from domain.kernel.recorded import Context, Recorded

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoDbEventStore(DynamoDbEventScan):
    """Port ``EventStore``. Commit tokens have 36 characters at most, and are never used twice."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        vault_table: str,
        *,
        sealer: Sealer,
        generation: int = 1,
    ) -> None:
        super().__init__(client, table)
        self._generation = generation
        self._sealer = sealer
        self._commits = Commits(client, table, vault_table)

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        if up_to is not None and up_to <= after:
            return []
        items = await stream_items(self._client, self._table, stream, after=after, up_to=up_to)
        recorded = await self._sealer.from_items(items, personal=personal)
        require_contiguous(stream, after, recorded)
        return recorded

    async def published(self, stream: str, version: int) -> dict[str, Any] | None:
        """One event as it was published, what is personal sealed; None when it cannot be told."""
        items = await stream_items(
            self._client, self._table, stream, after=version - 1, up_to=version
        )
        try:
            return item_to_cloud_event(items[0]) if items else None
        except ContractError:
            return None

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
            sealer=self._sealer,
        )
        if batch.events or batch.vault:
            await self._commits.write(batch)
        return batch.recorded

    async def scan(self, *, page_size: int = SCAN_PAGE) -> AsyncIterator[Recorded]:
        """Every event; each stream's in order, streams in none."""
        async for item in self.scan_items(page_size=page_size):
            for recorded in await self._sealer.from_items([item]):
                yield recorded

    async def scan_since(
        self, time: datetime, *, page_size: int = SCAN_PAGE
    ) -> AsyncIterator[Recorded]:
        """Events decided at ``time`` or later. Reads the whole table: for repair, not for a path.

        An event is stored some time after it was decided, so take a margin.
        """
        async for item in self.scan_items(since=time, page_size=page_size):
            for recorded in await self._sealer.from_items([item]):
                yield recorded


def require_contiguous(stream: str, after: int, recorded: Sequence[Recorded]) -> None:
    """A gap means that the table was tampered with or restored in part: nothing may be decided."""
    for version, each in enumerate(recorded, after + 1):
        if each.event.originator_version != version:
            raise ContractError(f"{stream} has no version {version}", stream=stream)
