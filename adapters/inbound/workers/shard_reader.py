"""Publishes one shard of a table's stream, from where its lease says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from adapters.inbound.process import pause
from adapters.inbound.workers.leases import HeldLease
from adapters.inbound.workers.outlet import Outlet
from adapters.inbound.workers.ports import (
    EventScan,
    ExpiredIterator,
    Metrics,
    Page,
    Shard,
    TableStream,
    Trimmed,
)
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.relay")

READ_MARGIN = timedelta(seconds=10)
"""An empty page shows that nothing older than this was missing."""
STREAM_KEEPS = timedelta(hours=23)
"""DynamoDB keeps stream records for 24 h."""
FAILURE_PAUSE = 1.0


@dataclass(frozen=True)
class Source:
    """One context's events: as they are written, as they are kept, and where they go."""

    stream: TableStream
    scan: EventScan
    outlet: Outlet

    @property
    def context(self) -> str:
        return self.outlet.context

    @property
    def metrics(self) -> Metrics:
        return self.outlet.metrics

    async def publish(
        self, events: Sequence[Mapping[str, Any]], held: HeldLease, *, again: str = ""
    ) -> None:
        """Until all are there; asks after the lease in between. Raises ``LeaseLost``."""
        while events:
            await held.hold()
            left = await self.outlet.publisher.publish(events, again=again, until=held.valid_until)
            events = [events[place] for place in left]


class ShardReader:
    """Until the shard ends, the relay stops, or the lease is lost (``LeaseLost``)."""

    def __init__(
        self,
        source: Source,
        shard: Shard,
        held: HeldLease,
        *,
        poll_interval: float,
        report_loss: Callable[[HeldLease], Awaitable[None]],
    ) -> None:
        """``report_loss`` writes down what was lost, and sets the lease to the oldest record."""
        self._source = source
        self._shard = shard
        self._held = held
        self._poll_interval = poll_interval
        self._report_loss = report_loss
        self._lost = datetime.now(UTC) - held.lease.at > STREAM_KEEPS
        self._behind: datetime | None = None
        self._at_the_end = time.monotonic()

    def lag(self) -> float:
        """Age in seconds of the oldest record that is not published; 0 at the end of the shard.

        When reads fail, the time since the last one that reached the end.
        """
        if self._behind is not None:
            return max((datetime.now(UTC) - self._behind).total_seconds(), 0.0)
        quiet = time.monotonic() - self._at_the_end
        return quiet if quiet > READ_MARGIN.total_seconds() else 0.0

    async def read(self, stop: asyncio.Event) -> None:
        iterator: str | None = ""
        while iterator is not None and not stop.is_set():
            try:
                iterator = await self._step(iterator, stop)
            except ExpiredIterator:
                iterator = ""
            except Trimmed:
                self._lost, iterator = True, ""
            except Unavailable as error:
                log.warning("relay_waits", shard=self._shard.id, detail=error.detail)
                await pause(stop, FAILURE_PAUSE)
        if iterator is None:
            self._held.finish()

    async def _step(self, iterator: str, stop: asyncio.Event) -> str | None:
        """One page. An empty iterator asks for one after the last record published."""
        if self._lost:
            await self._report_loss(self._held)
            self._lost = False
        after = self._held.lease.sequence
        iterator = iterator or await self._source.stream.iterator(self._shard, after=after or None)
        asked = datetime.now(UTC)
        page = await self._source.stream.page(iterator)
        if page.records:
            await self._publish(page)
        else:
            self._behind, self._at_the_end = None, time.monotonic()
            self._held.advance(sequence=after, at=asked - READ_MARGIN)
            if page.next is not None:
                await pause(stop, self._poll_interval)
        return page.next

    async def _publish(self, page: Page) -> None:
        self._behind = page.records[0].at
        events = [event for _, event in self._source.outlet.readable(page.records)]
        await self._source.publish(events, self._held)
        last = page.records[-1]
        self._behind = last.at
        self._held.advance(sequence=last.sequence, at=last.at)
