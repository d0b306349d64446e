"""How the brokers are doing: numbers of the last hour, minute by minute.

They are hints. Whoever keeps them may lose them, and nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Outcome = Literal["fill", "no_ad", "timeout", "error"]
Status = Literal["idle", "ok", "degraded", "down"]

BOUNDS = (10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000)
"""Upper bounds of the histogram's buckets, in milliseconds; one more bucket has the rest."""
KEPT_MINUTES = 60
WINDOW_MINUTES = 5
"""What a status is judged by."""
FEW = 5
"""Requests below which no broker is called degraded or down, unless all of them failed."""
DOWN, DEGRADED = 0.5, 0.05
"""Shares of time-outs and errors."""
SLOW_MS = 2_000
"""A p95 above it is degraded: brokers have three seconds."""


@dataclass
class Tally:
    """Of one broker in one span of time. ``latency_ms``: the sum. ``buckets``: as ``BOUNDS``."""

    fills: int = 0
    no_ads: int = 0
    timeouts: int = 0
    errors: int = 0
    latency_ms: int = 0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    @property
    def requests(self) -> int:
        return self.fills + self.no_ads + self.timeouts + self.errors

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.fills + other.fills,
            self.no_ads + other.no_ads,
            self.timeouts + other.timeouts,
            self.errors + other.errors,
            self.latency_ms + other.latency_ms,
            tuple(a + b for a, b in zip(self.buckets, other.buckets, strict=True)),
        )


@dataclass(frozen=True)
class LastError:
    text: str
    at: datetime


@dataclass(frozen=True)
class BrokerHealth:
    """Rates are shares of ``requests``, of the last ``WINDOW_MINUTES``; percentiles and mean in
    milliseconds, None without requests; ``hour``: all that is kept."""

    broker: str
    status: Status
    requests: int
    fill_rate: float
    timeout_rate: float
    error_rate: float
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    last_error: LastError | None
    hour: Tally


class BrokerHealths(Protocol):
    """Where the numbers are kept. Neither call raises, and ``record`` waits for nothing."""

    def record(
        self, broker: str, outcome: Outcome, milliseconds: float, error: str = ""
    ) -> None: ...

    async def read(self) -> list[BrokerHealth]:
        """Of all brokers that were asked within the hour, by name; none when nothing is known."""


def bucket_of(milliseconds: float) -> int:
    return next((i for i, bound in enumerate(BOUNDS) if milliseconds <= bound), len(BOUNDS))


def assess(
    broker: str, recent: Tally, hour: Tally, last_error: LastError | None = None
) -> BrokerHealth:
    count = recent.requests
    return BrokerHealth(
        broker=broker,
        status=status_of(recent),
        requests=count,
        fill_rate=share(recent.fills, count),
        timeout_rate=share(recent.timeouts, count),
        error_rate=share(recent.errors, count),
        mean_ms=round(recent.latency_ms / count, 1) if count else None,
        p50_ms=percentile(recent.buckets, 0.5),
        p95_ms=percentile(recent.buckets, 0.95),
        last_error=last_error,
        hour=hour,
    )


def status_of(tally: Tally) -> Status:
    count, failed = tally.requests, tally.timeouts + tally.errors
    if not count:
        return "idle"
    if failed == count or (count >= FEW and failed >= count * DOWN):
        return "down"
    slow = (percentile(tally.buckets, 0.95) or 0) > SLOW_MS
    return "degraded" if count >= FEW and (slow or failed >= count * DEGRADED) else "ok"


def percentile(buckets: Sequence[int], part: float) -> float | None:
    """Within its bucket in proportion; in the last one, its lower bound."""
    rank, before = sum(buckets) * part, 0
    for index, count in enumerate(buckets):
        if count and before + count >= rank:
            low = BOUNDS[index - 1] if index else 0
            high = BOUNDS[index] if index < len(BOUNDS) else low
            return round(low + (high - low) * (rank - before) / count, 1)
        before += count
    return None


def share(count: int, of: int) -> float:
    return round(count / of, 4) if of else 0.0


def total(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())
