"""The relay: every event of a table's stream goes to the context's topic, at least once.

A record is only a hint that an event exists; the gates restore the order. Within a page the events
of one stream keep their order. A checkpoint may lag by some seconds: what is published again then
falls to the topic's deduplication and to the gates. Where the stream has lost records (older than
24 h, or the embedded engine was restarted), what the store holds since the last checkpoint is
published again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from adapters.inbound.process import pause
from adapters.inbound.workers.ports import (
    Checkpoint,
    Checkpoints,
    EventScan,
    ExpiredIterator,
    Page,
    Shard,
    TableStream,
    Trimmed,
)
from adapters.inbound.workers.publisher import Publisher
from domain.kernel.errors import ContractError, Unavailable

log = structlog.get_logger("homecast.relay")

CHECKPOINT_EVERY = 5.0
IDLE_CHECKPOINT_EVERY = 60.0
READ_MARGIN = timedelta(seconds=10)
"""An empty page shows that nothing older than this was missing."""
STREAM_KEEPS = timedelta(hours=23)
"""DynamoDB keeps stream records for 24 h."""
DISCOVER_EVERY = 10.0
FAILURE_PAUSE = 1.0
REPAIR_MARGIN = timedelta(minutes=2)
"""Clocks differ, and a record is stamped after its event was decided."""
REPAIR_BATCH = 200
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)

ImageToEvent = Callable[[Mapping[str, Any]], dict[str, Any]]


class ShardReader:
    """Publishes one shard from its checkpoint on, until the shard ends or the relay stops."""

    def __init__(
        self,
        shard: Shard,
        *,
        stream: TableStream,
        checkpoints: Checkpoints,
        publisher: Publisher,
        to_event: ImageToEvent,
        poll_interval: float,
    ) -> None:
        self.shard = shard
        self._stream = stream
        self._checkpoints = checkpoints
        self._publisher = publisher
        self._to_event = to_event
        self._poll_interval = poll_interval
        self._sequence = ""
        self._until = datetime.now(UTC)
        self._saved: str | None = None
        self._saved_at = 0.0

    async def read(self, start: Checkpoint | None, stop: asyncio.Event) -> None:
        """Raises ``Trimmed`` when the checkpoint is no longer in the stream."""
        if start is not None:
            self._sequence = self._saved = start.sequence
            self._until = start.at
        iterator: str | None = ""
        while iterator is not None and not stop.is_set():
            try:
                iterator = await self._step(iterator, stop)
            except ExpiredIterator:
                iterator = ""
            except Unavailable as error:
                log.warning("relay_waits", shard=self.shard.id, detail=error.detail)
                await pause(stop, FAILURE_PAUSE)
        await self._checkpoint(finished=iterator is None)

    async def _step(self, iterator: str, stop: asyncio.Event) -> str | None:
        """One page. An empty iterator asks for one after the last record published."""
        iterator = iterator or await self._stream.iterator(self.shard, after=self._sequence or None)
        asked = datetime.now(UTC)
        page = await self._stream.page(iterator)
        await self._publish(page)
        if not page.records:
            self._until = asked - READ_MARGIN
        if self._checkpoint_is_due():
            await self._checkpoint()
        if not page.records and page.next is not None:
            await pause(stop, self._poll_interval)
        return page.next

    async def _publish(self, page: Page) -> None:
        events = []
        for record in page.records:
            if not record.inserted:
                continue
            try:
                events.append(self._to_event(record.image))
            except ContractError as error:
                log.error("record_unreadable", sequence=record.sequence, detail=error.detail)
        await self._publisher.publish(events)
        if page.records:
            self._sequence, self._until = page.records[-1].sequence, page.records[-1].at

    def _checkpoint_is_due(self) -> bool:
        """Every few seconds, so that it costs less than the events themselves."""
        every = CHECKPOINT_EVERY if self._saved != self._sequence else IDLE_CHECKPOINT_EVERY
        return time.monotonic() - self._saved_at >= every

    async def _checkpoint(self, *, finished: bool = False) -> None:
        """A failure only makes the next start repeat more."""
        checkpoint = Checkpoint(self.shard.id, self._sequence, self._until, finished)
        try:
            await self._checkpoints.save(checkpoint)
        except Unavailable as error:
            log.warning("checkpoint_failed", shard=self.shard.id, detail=error.detail)
            return
        self._saved, self._saved_at = self._sequence, time.monotonic()


class Relay:
    def __init__(
        self,
        *,
        stream: TableStream,
        checkpoints: Checkpoints,
        scan: EventScan,
        publisher: Publisher,
        to_event: ImageToEvent,
        poll_interval: float,
        repair_mark: Callable[[], str],
    ) -> None:
        self._stream = stream
        self._checkpoints = checkpoints
        self._scan = scan
        self._publisher = publisher
        self._to_event = to_event
        self._poll_interval = poll_interval
        self._repair_mark = repair_mark
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._done: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Read all shards, children after their parents, until the stop."""
        known: dict[str, Checkpoint] | None = None
        while not stop.is_set():
            try:
                shards = await self._stream.shards()
                if known is None:
                    known = await self._resume(shards)
            except Unavailable as error:
                log.warning("stream_unavailable", detail=error.detail)
                await pause(stop, FAILURE_PAUSE)
                continue
            self._start_readers(shards, known, stop)
            await pause(stop, DISCOVER_EVERY if self._readers else FAILURE_PAUSE)
            self._collect()
        await asyncio.gather(*self._readers.values())

    async def _resume(self, shards: list[Shard]) -> dict[str, Checkpoint]:
        """The usable checkpoints, after the repair of what the stream no longer holds."""
        saved = await self._checkpoints.all()
        present = {shard.id: shard for shard in shards}
        self._done = {one.shard for one in saved.values() if one.finished}
        lost = [one for one in saved.values() if await self._is_lost(one, present)]
        if lost or not saved:
            since = min((one.at for one in lost), default=BEGINNING + REPAIR_MARGIN)
            await self._repair(since - REPAIR_MARGIN)
        gone = {one.shard for one in lost} | (self._done - set(present))
        for shard in gone:
            await self._checkpoints.drop(shard)
        return {shard: one for shard, one in saved.items() if shard not in gone}

    async def _is_lost(self, checkpoint: Checkpoint, present: dict[str, Shard]) -> bool:
        """Whether the stream may have dropped records that come after this checkpoint."""
        if checkpoint.finished:
            return False
        if checkpoint.shard not in present:
            return True
        if datetime.now(UTC) - checkpoint.at > STREAM_KEEPS:
            return True
        try:
            if checkpoint.sequence:
                shard = present[checkpoint.shard]
                await self._stream.iterator(shard, after=checkpoint.sequence)
        except Trimmed:
            return True
        return False

    async def _repair(self, since: datetime) -> None:
        mark, batch, sent = self._repair_mark(), [], 0
        async for item in self._scan.scan_items(since=since):
            try:
                batch.append(self._to_event(item))
            except ContractError as error:
                log.error("event_unreadable", detail=error.detail)
            if len(batch) >= REPAIR_BATCH:
                await self._publish_sorted(batch, mark)
                sent, batch = sent + len(batch), []
        await self._publish_sorted(batch, mark)
        if sent + len(batch):
            log.warning("repaired", since=since.isoformat(), events=sent + len(batch))

    async def _publish_sorted(self, batch: list[dict[str, Any]], mark: str) -> None:
        batch.sort(key=lambda event: (event["subject"], int(event["sequence"])))
        await self._publisher.publish(batch, again=mark)

    def _start_readers(
        self, shards: list[Shard], known: dict[str, Checkpoint], stop: asyncio.Event
    ) -> None:
        present = {shard.id for shard in shards}
        for shard in shards:
            started = shard.id in self._readers or shard.id in self._done
            waits = shard.parent in present and shard.parent not in self._done
            if started or waits:
                continue
            reader = ShardReader(
                shard,
                stream=self._stream,
                checkpoints=self._checkpoints,
                publisher=self._publisher,
                to_event=self._to_event,
                poll_interval=self._poll_interval,
            )
            start = known.get(shard.id)
            self._readers[shard.id] = asyncio.create_task(reader.read(start, stop))

    def _collect(self) -> None:
        """Take finished readers off; an error of one ends the relay, and it starts anew."""
        for shard, task in list(self._readers.items()):
            if task.done():
                task.result()
                self._done.add(shard)
                del self._readers[shard]
