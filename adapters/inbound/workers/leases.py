"""Several relays share the work by leases, after the rules of the Kinesis Client Library.

A lease counts as free when nobody owns it, or when its counter has not moved for the lease time on
the **observer's own** monotonic clock: no clock is compared with another machine's. Every write to
a lease is conditional on owning it, so that a relay that was stopped for a while finds out before
it publishes again. What two relays publish in a hand-over falls to deduplication and the gates.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from adapters.inbound.workers.ports import Lease, Leases, Shard
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.relay")

RENEWALS = 4
"""In a lease time."""


class HeldLease:
    """A lease of ours: where the work is, written down with each renewal."""

    def __init__(self, leases: Leases, lease: Lease, *, seconds: float, asked: float) -> None:
        """``asked``: monotonic time before it was taken; it can have been taken no earlier."""
        self.lease = lease
        self.valid_until = asked + seconds
        self._leases = leases
        self._seconds = seconds
        self._lock = asyncio.Lock()

    def advance(self, *, sequence: str, at: datetime) -> None:
        self.lease = replace(self.lease, sequence=sequence, at=at)

    def finish(self, *, events: int = 0) -> None:
        loss = self.lease.loss and replace(self.lease.loss, events=events)
        self.lease = replace(self.lease, finished=True, loss=loss)

    async def hold(self) -> None:
        """Return when something may be published. Raises ``LeaseLost``.

        While the table cannot be asked, nobody can take the lease through it either: go on.
        """
        if time.monotonic() < self.valid_until:
            return
        try:
            await self.renew()
        except Unavailable as error:
            log.warning("lease_not_renewed", lease=self.lease.key, detail=error.detail)
            self.valid_until = time.monotonic() + self._seconds / RENEWALS

    async def renew(self) -> None:
        """Raises ``LeaseLost``, ``StoreUnavailable``."""
        async with self._lock:
            asked = time.monotonic()
            counter = self.lease.counter + 1
            lease = replace(self.lease, counter=counter)
            await self._leases.save(lease, held_by=lease.owner)
            self.lease = replace(self.lease, counter=counter)
            self.valid_until = asked + self._seconds

    async def keep(self) -> None:
        """Renew for ever. Raises ``LeaseLost``."""
        while True:
            await asyncio.sleep(self._seconds / RENEWALS)
            try:
                await self.renew()
            except Unavailable as error:
                log.warning("lease_not_renewed", lease=self.lease.key, detail=error.detail)

    async def give_back(self) -> None:
        """Write the last position; anybody may go on from it at once. Raises ``LeaseLost``."""
        async with self._lock:
            lease = replace(self.lease, owner="", counter=self.lease.counter + 1)
            await self._leases.save(lease, held_by=self.lease.owner)


class Watch:
    """Which leases have not moved for the lease time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[int, float]] = {}

    def stale(self, leases: Sequence[Lease], now: float) -> set[str]:
        """Keys. ``now``: monotonic, after the leases were read."""
        seen: dict[str, tuple[int, float]] = {}
        for lease in leases:
            counter, since = self._seen.get(lease.key, (lease.counter, now))
            seen[lease.key] = (lease.counter, since if counter == lease.counter else now)
        self._seen = seen
        return {key for key, (_, since) in seen.items() if now - since >= self._seconds}


def ready(leases: Sequence[Lease], shards: Mapping[str, Mapping[str, Shard]]) -> list[Lease]:
    """What can be worked on: unfinished, and not the child of a shard that is not read to its end.

    ``shards``: those that are there, by context and id. A shard that is gone is ready: for repair.
    """
    unfinished = {lease.key for lease in leases if not lease.finished}

    def waits(lease: Lease) -> bool:
        shard = shards[lease.context].get(lease.id)
        return shard is not None and f"{lease.context}/{shard.parent}" in unfinished

    return [one for one in leases if not one.finished and one.context in shards and not waits(one)]


def choose(
    work: Sequence[Lease], *, me: str, held: Collection[str], stale: Collection[str]
) -> list[Lease]:
    """What to take now: free leases up to a fair share, else one from the relay with most.

    A lease that names this relay but is not held was taken with a lost answer: it is free.
    """
    others = [one for one in work if one.key not in held]
    free = [one for one in others if one.owner in ("", me) or one.key in stale]
    taken = [one for one in others if one.owner not in ("", me) and one.key not in stale]
    owners = Counter(one.owner for one in taken)
    mine = len(work) - len(others)
    wanted = math.ceil(len(work) / (len(owners) + 1)) - mine
    if wanted <= 0:
        return []
    if free or not owners:
        return free[:wanted]
    richest, most = owners.most_common(1)[0]
    return [one for one in taken if one.owner == richest][:1] if most >= mine + 2 else []
