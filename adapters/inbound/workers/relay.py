"""The relay: every event of a table's stream goes to the context's topic, at least once.

A record is only a hint that an event exists; the gates restore the order. Within a shard the events
of one stream keep their order. A checkpoint may lag by some seconds: what is published again then
falls to the topic's deduplication and to the gates. Several relays share the shards of all contexts
by leases (``leases``). Where a stream has lost records (older than 24 h, or the embedded engine was
restarted), what the store holds since the last checkpoint is published again (``losses``).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from adapters.inbound.process import pause
from adapters.inbound.workers.leases import RENEWALS, HeldLease, Watch, choose, ready
from adapters.inbound.workers.losses import LossReports, Repair, is_over, unknown_past
from adapters.inbound.workers.ports import Lease, LeaseLost, Leases, Metrics, Shard
from adapters.inbound.workers.shard_reader import ShardReader, Source
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.relay")

LAG_EVERY = 1.0
STOP_GRACE = 3.0
"""Seconds that a page under way may take after the stop."""

Present = Mapping[str, Mapping[str, Shard]]
"""Shards by context and id; without a context whose stream could not be asked."""


class Relay:
    def __init__(
        self,
        sources: Sequence[Source],
        leases: Leases,
        *,
        name: str,
        lease_seconds: float,
        poll_interval: float,
        mark: Callable[[], str],
        metrics: Metrics,
    ) -> None:
        """``name``: unlike that of any other relay, and of this one's earlier runs."""
        self._sources = {source.context: source for source in sources}
        self._leases = leases
        self._name = name
        self._seconds = lease_seconds
        self._poll_interval = poll_interval
        self._mark = mark
        self._metrics = metrics
        self._watch = Watch(lease_seconds)
        self._losses = LossReports(leases, self._sources)
        self._work: dict[str, asyncio.Task[None]] = {}
        self._readers: dict[str, ShardReader] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Read this relay's share of all shards, until the stop; then give the leases back."""
        stopping = asyncio.create_task(stop.wait())
        telling = asyncio.create_task(self._tell_lag(stop))
        try:
            while not stop.is_set():
                try:
                    await self._look(stop)
                except Unavailable as error:
                    log.warning("leases_unavailable", detail=error.detail)
                await asyncio.wait(
                    {stopping, *self._work.values()},
                    timeout=self._seconds / RENEWALS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                self._collect()
        finally:
            stopping.cancel()
            telling.cancel()
            await self._end_work()

    async def _look(self, stop: asyncio.Event) -> None:
        """Once around: new shards, and what is to be taken over."""
        # In this order, so that no lease is of a shard that began after the shards were listed.
        leases = await self._leases.all()
        present = await self._present()
        await self._tidy(leases, present)
        leases += await self._create_missing(leases, present)
        stale = self._watch.stale(leases, time.monotonic())
        work = ready(leases, present)
        random.shuffle(work)
        for lease in choose(work, me=self._name, held=self._work.keys(), stale=stale):
            await self._take(lease, present, stop)

    async def _present(self) -> Present:
        found: dict[str, Mapping[str, Shard]] = {}
        for context, source in self._sources.items():
            try:
                found[context] = {shard.id: shard for shard in await source.stream.shards()}
            except Unavailable as error:
                log.warning("stream_unavailable", context=context, detail=error.detail)
        return found

    async def _create_missing(self, leases: Sequence[Lease], present: Present) -> list[Lease]:
        known = {lease.key for lease in leases}
        contexts = {lease.context for lease in leases}
        missing: list[Lease] = []
        for context, shards in present.items():
            if context not in contexts:
                missing.append(unknown_past(context))
            missing += [Lease(context, shard, datetime.now(UTC)) for shard in shards]
        missing = [lease for lease in missing if lease.key not in known]
        for lease in missing:
            await self._leases.create(lease)
        return missing

    async def _tidy(self, leases: Sequence[Lease], present: Present) -> None:
        """A finished shard is remembered while the stream lists it: its children look for it."""
        for lease in leases:
            listed = lease.id in present.get(lease.context, {lease.id: None})
            if lease.finished and (not listed if lease.loss is None else is_over(lease)):
                await self._leases.drop(lease)

    async def _take(self, lease: Lease, present: Present, stop: asyncio.Event) -> None:
        asked = time.monotonic()
        taken = await self._leases.take(lease, self._name)
        if taken is None or taken.finished:
            return
        log.info("lease_taken", lease=lease.key, before=lease.owner, relay=self._name)
        held = HeldLease(self._leases, taken, seconds=self._seconds, asked=asked)
        shard = present[lease.context].get(lease.id)
        self._work[lease.key] = asyncio.create_task(self._hold(held, shard, stop))

    async def _hold(self, held: HeldLease, shard: Shard | None, stop: asyncio.Event) -> None:
        """Work under the lease, which is renewed beside it, and give it back at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(held.keep())
                try:
                    await self._do(held, shard, stop)
                finally:
                    keeper.cancel()
                    await self._give_back(held)
        except* LeaseLost:
            log.warning("lease_lost", lease=held.lease.key, relay=self._name)

    async def _do(self, held: HeldLease, shard: Shard | None, stop: asyncio.Event) -> None:
        source = self._sources[held.lease.context]
        if held.lease.loss is not None:
            await Repair(source, held, self._mark).run(stop)
        elif shard is None:
            await self._losses.gone(held)
        else:
            reader = ShardReader(
                source,
                shard,
                held,
                poll_interval=self._poll_interval,
                report_loss=self._losses.trimmed,
            )
            self._readers[held.lease.key] = reader
            await reader.read(stop)

    async def _give_back(self, held: HeldLease) -> None:
        """A failure only makes the next holder wait, and repeat more."""
        try:
            await held.give_back()
        except Unavailable as error:
            log.warning("lease_not_given_back", lease=held.lease.key, detail=error.detail)

    def _collect(self) -> None:
        """Take finished work off; an error in it ends the relay, and it starts anew."""
        for key, task in list(self._work.items()):
            if task.done():
                del self._work[key]
                self._readers.pop(key, None)
                if not task.cancelled():
                    task.result()

    async def _end_work(self) -> None:
        """Pages under way may end; then every lease goes back."""
        tasks = set(self._work.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_GRACE)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks)
        self._collect()

    async def _tell_lag(self, stop: asyncio.Event) -> None:
        """Per context, of the shards held here; the other relays tell of theirs."""
        while not stop.is_set():
            lags: dict[str, float] = {}
            for key, reader in self._readers.items():
                context = key.partition("/")[0]
                lags[context] = max(lags.get(context, 0.0), reader.lag())
            for context, lag in lags.items():
                self._metrics.gauge("RelayLag", round(lag, 3), "Seconds", context=context)
            await pause(stop, LAG_EVERY)
