"""Numbers of brokers, in Redis: one hash per broker and minute, gone after an hour.

Counted in the process and sent once a second, all in one round trip: an ad request pays for some
additions. What cannot be sent is dropped; it was a hint.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.outbound.redis.link import PATIENT_LIMIT, Link
from commands.kernel.ports import Clock
from domain.kernel.errors import HintsUnavailable
from projections.media.broker_health import (
    BOUNDS,
    KEPT_MINUTES,
    WINDOW_MINUTES,
    BrokerHealth,
    LastError,
    Outcome,
    Tally,
    assess,
    bucket_of,
    total,
)

BROKERS = "homecast:brokers"
"""Sorted set: names of brokers by the minute in which they were last asked."""
EVERY = 1.0
KEPT_SECONDS = KEPT_MINUTES * 60 + 120
LONGEST_NAME = 128
LONGEST_ERROR = 200
MOST_BUFFERED = 2_000
"""Brokers and minutes; more were never registered."""


@dataclass
class Buffer:
    counts: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    errors: dict[str, tuple[str, float]] = field(default_factory=dict)


class RedisBrokerHealth:
    """The port ``BrokerHealths``. ``run`` is a task of the process, to be cancelled at its end."""

    def __init__(self, link: Link, clock: Clock, *, every: float = EVERY) -> None:
        self._link = link
        self._clock = clock
        self._every = every
        self._buffer = Buffer()

    def record(self, broker: str, outcome: Outcome, milliseconds: float, error: str = "") -> None:
        """``error``: for people, without secrets and URLs."""
        now = self._clock.now().timestamp()
        key = broker[:LONGEST_NAME], int(now // 60)
        counts = self._buffer.counts.get(key)
        if counts is None:
            if len(self._buffer.counts) >= MOST_BUFFERED:
                return
            counts = self._buffer.counts[key] = Counter()
        counts[outcome] += 1
        counts["ms"] += round(milliseconds)
        counts[f"b{bucket_of(milliseconds)}"] += 1
        if outcome in ("timeout", "error"):
            self._buffer.errors[key[0]] = (error or outcome)[:LONGEST_ERROR], now

    async def run(self) -> None:
        """Ends by cancellation, and sends what is left then."""
        try:
            while True:
                await asyncio.sleep(self._every)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        buffer, self._buffer = self._buffer, Buffer()
        if not buffer.counts:
            return
        with suppress(HintsUnavailable):
            await self._link.call(lambda: self._send(buffer), PATIENT_LIMIT)

    async def _send(self, buffer: Buffer) -> None:
        pipeline = self._link.client.pipeline(transaction=False)
        for (broker, minute), counts in buffer.counts.items():
            key = minute_key(broker, minute)
            for name, amount in counts.items():
                pipeline.hincrby(key, name, amount)
            pipeline.expire(key, KEPT_SECONDS)
            pipeline.zadd(BROKERS, {broker: minute}, gt=True)
        for broker, (text, at) in buffer.errors.items():
            pipeline.hset(error_key(broker), mapping={"text": text, "at": repr(at)})
            pipeline.expire(error_key(broker), KEPT_SECONDS)
        pipeline.expire(BROKERS, KEPT_SECONDS)
        await pipeline.execute()

    async def read(self) -> list[BrokerHealth]:
        minute = int(self._clock.now().timestamp() // 60)
        try:
            return [await self._of(broker, minute) for broker in await self._brokers(minute)]
        except HintsUnavailable:
            return []

    async def _brokers(self, minute: int) -> list[str]:
        async def names() -> list[Any]:
            pipeline = self._link.client.pipeline(transaction=False)
            pipeline.zremrangebyscore(BROKERS, "-inf", minute - KEPT_MINUTES)
            pipeline.zrange(BROKERS, 0, -1)
            return await pipeline.execute()

        _, found = await self._link.call(names, PATIENT_LIMIT)
        return sorted(name.decode() for name in found)

    async def _of(self, broker: str, minute: int) -> BrokerHealth:
        minutes = range(minute, minute - KEPT_MINUTES, -1)

        async def rows() -> list[Any]:
            pipeline = self._link.client.pipeline(transaction=False)
            for one in minutes:
                pipeline.hgetall(minute_key(broker, one))
            pipeline.hgetall(error_key(broker))
            return await pipeline.execute()

        *hashes, error = await self._link.call(rows, PATIENT_LIMIT)
        tallies = [tally_of(one) for one in hashes]
        recent = total(tallies[:WINDOW_MINUTES])
        return assess(broker, recent, total(tallies), last_error_of(error))


def minute_key(broker: str, minute: int) -> str:
    return f"homecast:broker:{broker}:{minute}"


def error_key(broker: str) -> str:
    return f"homecast:broker-error:{broker}"


def tally_of(row: Mapping[bytes, bytes]) -> Tally:
    def of(name: str) -> int:
        return int(row.get(name.encode(), 0))

    if not row:
        return Tally()
    return Tally(
        fills=of("fill"),
        no_ads=of("no_ad"),
        timeouts=of("timeout"),
        errors=of("error"),
        latency_ms=of("ms"),
        buckets=tuple(of(f"b{index}") for index in range(len(BOUNDS) + 1)),
    )


def last_error_of(row: Mapping[bytes, bytes]) -> LastError | None:
    if not row:
        return None
    at = datetime.fromtimestamp(float(row[b"at"]), UTC)
    return LastError(row[b"text"].decode(), at)
