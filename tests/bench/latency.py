"""How long a command takes, beside the floor in the same run; how far the read model lags."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles

import orjson

from tests.bench.floor import Floor, floor
from tests.bench.load import last_numbers, live
from tests.bench.sizes import Sizes
from tests.bench.stage import Home, Stage

PAUSES = (0.02, 0.1)
"""Seconds, random, so that no poll keeps step with the samples."""
UNTIL_PUBLISHED = 0.12
"""Seconds after which the events of the floor are out of the way too."""
LOOK_EVERY = 0.005


@dataclass(frozen=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        cut = quantiles(seconds, n=100, method="inclusive")
        return cls(*(1000 * cut[percent - 1] for percent in (50, 95, 99)))


@dataclass(frozen=True)
class Latency:
    """``lag``: from an event's time until its row could be read, with polls every 5 ms."""

    samples: int
    to_device: Spread
    to_outcome: Spread
    floor_to_device: Spread
    floor_to_outcome: Spread
    lag_samples: int
    lag_accepted: Spread
    lag_succeeded: Spread
    stream_poll_ms: float
    queue_poll_ms: float


async def measure(stage: Stage, sizes: Sizes) -> Latency:
    async with floor(stage.settings) as under:
        lives, floors = await interleaved(stage, under, sizes)
    lags = [await lag(stage, home) for home in chosen(stage, sizes.lag_samples)]
    return Latency(
        samples=len(lives),
        to_device=Spread.of([at_device for at_device, _ in lives]),
        to_outcome=Spread.of([outcome for _, outcome in lives]),
        floor_to_device=Spread.of([at_device for at_device, _ in floors]),
        floor_to_outcome=Spread.of([outcome for _, outcome in floors]),
        lag_samples=len(lags),
        lag_accepted=Spread.of([accepted for accepted, _ in lags]),
        lag_succeeded=Spread.of([succeeded for _, succeeded in lags]),
        stream_poll_ms=1000 * stage.settings.stream_poll_interval,
        queue_poll_ms=1000 * stage.settings.queue_poll_interval,
    )


def chosen(stage: Stage, count: int) -> list[Home]:
    return [stage.homes[index % len(stage.homes)] for index in range(count)]


async def pause(least: float = 0.0) -> None:
    await asyncio.sleep(least + random.uniform(*PAUSES))


async def interleaved(
    stage: Stage, under: Floor, sizes: Sizes
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """One of ours, one of the floor's, and so on, after each home has warmed up.

    Neither begins before the work behind the other is done: it would be the one to pay for it. On a
    machine that is busy otherwise the time is over before the samples are complete.
    """
    lives, floors = [], []
    for home in stage.homes:
        await live(home)
        await under.run()
    until = time.perf_counter() + sizes.latency_seconds
    for home in chosen(stage, sizes.latency_samples):
        await pause(UNTIL_PUBLISHED)
        life = await live(home)
        lives.append((life.to_device, life.to_outcome))
        await stage.until_projected(last_numbers([life]))
        await pause()
        floors.append(await under.run())
        if time.perf_counter() > until:
            break
    return lives, floors


async def lag(stage: Stage, home: Home) -> tuple[float, float]:
    """Seconds behind the acceptance, and behind the outcome."""
    await pause(UNTIL_PUBLISHED)
    _, body = await home.caller.submit(home.device.device_id, wait=0)
    accepted = 0.0
    async with asyncio.timeout(30):
        while True:
            row = await stage.row(home.device.device_id, body["number"])
            now = time.time()
            if row is not None:
                shown = orjson.loads(row["body"]["S"])
                accepted = accepted or now - moment(shown["accepted_at"])
                if row["status"]["S"] == "SUCCEEDED":
                    return accepted, now - moment(shown["updated_at"])
            await asyncio.sleep(LOOK_EVERY)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
