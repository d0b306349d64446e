"""What a stream dropped before it was read: written down, and published from the store.

A loss is an item beside the shards' leases, so that an operator sees which window was lost and when
it was made good, and a piece of work like a shard: whoever holds its lease repairs it, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog

from adapters.inbound.process import pause
from adapters.inbound.workers.leases import HeldLease
from adapters.inbound.workers.ports import Lease, Leases, Loss
from adapters.inbound.workers.shard_reader import FAILURE_PAUSE, Source
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.relay")

REPAIR_MARGIN = timedelta(minutes=2)
"""Clocks differ, and a record is stamped after its event was decided."""
REPAIR_BATCH = 200
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
KEPT = timedelta(days=30)
"""How long an operator can read of a loss that was made good."""


def unknown_past(context: str) -> Lease:
    """For a context without any lease: nobody knows what was published of its store."""
    return Lease(context, "lost/all", BEGINNING, loss=Loss("", "new", datetime.now(UTC)))


def is_over(lease: Lease) -> bool:
    return lease.loss is not None and datetime.now(UTC) - lease.loss.until > KEPT


class LossReports:
    def __init__(self, leases: Leases, sources: dict[str, Source]) -> None:
        self._leases = leases
        self._sources = sources

    async def trimmed(self, held: HeldLease) -> None:
        """The position is gone: read on from the oldest record that is left."""
        await self._write_down(held.lease, "trimmed")
        held.advance(sequence="", at=datetime.now(UTC))

    async def gone(self, held: HeldLease) -> None:
        """So is the shard: nothing is left to read."""
        await self._write_down(held.lease, "gone")
        held.finish()

    async def _write_down(self, lease: Lease, cause: Literal["trimmed", "gone"]) -> None:
        """Before the lease moves, under a name that a second try finds again."""
        now = datetime.now(UTC)
        name = f"lost/{lease.id}/{lease.at.isoformat(timespec='seconds')}"
        await self._leases.create(
            Lease(lease.context, name, lease.at, loss=Loss(lease.id, cause, now))
        )
        self._sources[lease.context].metrics.count("TrimmedShards", context=lease.context)
        log.error(
            "shard_trimmed",
            context=lease.context,
            shard=lease.id,
            cause=cause,
            since=lease.at.isoformat(),
            until=now.isoformat(),
        )


class Repair:
    """Publishes what the store holds since a loss began, with fresh deduplication ids."""

    def __init__(self, source: Source, held: HeldLease, mark: Callable[[], str]) -> None:
        self._source = source
        self._held = held
        self._mark = mark

    async def run(self, stop: asyncio.Event) -> None:
        """Raises ``LeaseLost``; the next holder begins anew."""
        while not stop.is_set() and not self._held.lease.finished:
            try:
                await self._publish_all(stop)
            except Unavailable as error:
                log.warning("repair_waits", lease=self._held.lease.key, detail=error.detail)
                await pause(stop, FAILURE_PAUSE)

    async def _publish_all(self, stop: asyncio.Event) -> None:
        since = self._held.lease.at - REPAIR_MARGIN
        mark, batch, sent = self._mark(), [], 0
        async for item in self._source.scan.scan_items(since=since):
            if stop.is_set():
                return
            if event := self._source.outlet.event(item):
                batch.append(event)
            if len(batch) >= REPAIR_BATCH:
                await self._publish_sorted(batch, mark)
                sent, batch = sent + len(batch), []
        await self._publish_sorted(batch, mark)
        sent += len(batch)
        self._held.finish(events=sent)
        log.info("loss_repaired", lease=self._held.lease.key, since=since.isoformat(), events=sent)

    async def _publish_sorted(self, batch: list[dict[str, Any]], mark: str) -> None:
        batch.sort(key=lambda event: (event["subject"], int(event["sequence"])))
        await self._source.publish(batch, self._held, again=mark)
