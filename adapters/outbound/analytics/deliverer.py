"""From the stream to Parquet files by day: what Firehose does in AWS, on one machine.

Files are written first and positions after them, so a crash in between delivers twice and never
less; reports count by ``event_key``. The same batch again is the same file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from adapters.inbound.workers.ports import Metrics
from adapters.outbound.analytics.parquet import by_day, file_of, key_of, parsed
from adapters.outbound.analytics.stream import KinesisStream
from domain.kernel.errors import ContractError

log = structlog.get_logger("homecast.statistics")

PREFIX = "statistics/"
EVERY = 60.0
"""Seconds that a record waits for its file: fewer files are read faster."""
RECORDS = 50_000
"""Of a file at most, and in memory: about 50 MB."""
UNREADABLE, DELIVERED = "StatisticsUnreadable", "StatisticsDelivered"

Put = Callable[[str, bytes], Awaitable[None]]


class Positions(Protocol):
    """Sequence numbers by shard, up to which everything is delivered."""

    async def load(self) -> dict[str, str]: ...
    async def save(self, positions: dict[str, str]) -> None: ...


class Deliverer:
    """Port ``Delivers``. One at a time; ``put`` replaces what is under a key."""

    def __init__(
        self,
        stream: KinesisStream,
        positions: Positions,
        put: Put,
        *,
        metrics: Metrics,
        every: float = EVERY,
        records: int = RECORDS,
        prefix: str = PREFIX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._saved = positions
        self._put = put
        self._metrics = metrics
        self._every = every
        self._records = records
        self._prefix = prefix
        self._monotonic = monotonic
        self._rows: list[dict[str, Any]] = []
        self._since = 0.0
        self._positions: dict[str, str] | None = None
        """How far was read; what is saved may lie behind."""
        self._moved = False

    async def step(self) -> int:
        """Read what is there, write what is due; how many records were read.

        Raises ``StoreUnavailable``; nothing is lost by calling it again.
        """
        if self._positions is None:
            self._positions = await self._saved.load()
        if len(self._rows) >= self._records:
            await self.flush()  # what could not be written the last time
        read = 0
        for shard in await self._stream.shards():
            read += await self._read(shard, self._positions)
        if self._rows and self._monotonic() - self._since >= self._every:
            await self.flush()
        return read

    async def flush(self) -> None:
        """Write what was read, then how far it goes."""
        if not self._moved or self._positions is None:
            return
        for day, rows in by_day(self._rows).items():
            body = await asyncio.to_thread(file_of, rows)
            await self._put(key_of(self._prefix, day, body), body)
        await self._saved.save(self._positions)
        self._metrics.count(DELIVERED, len(self._rows))
        self._rows, self._moved = [], False

    async def _read(self, shard: str, positions: dict[str, str]) -> int:
        read = 0
        async for page in self._stream.pages(shard, positions.get(shard)):
            read += len(page.records)
            self._keep(page.records)
            if page.last is not None and page.last != positions.get(shard):
                positions[shard], self._moved = page.last, True
            if len(self._rows) >= self._records:
                await self.flush()
        return read

    def _keep(self, records: list[bytes]) -> None:
        if records and not self._rows:
            self._since = self._monotonic()
        for data in records:
            try:
                self._rows.append(parsed(data))
            except ContractError:
                self._metrics.count(UNREADABLE)
                log.warning("record_unreadable", bytes=len(data))
