"""Processor time of each process, idle, at a steady rate and at saturation."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from tests.bench.latency import Spread
from tests.bench.load import Life, last_numbers, saturating, steadily
from tests.bench.processes import CpuMeter
from tests.bench.sizes import Sizes
from tests.bench.stage import Stage


@dataclass(frozen=True)
class Load:
    """``lives`` commands whose last row was final after ``seconds``; ``cpu``: seconds of it.

    ``calling``: seconds until the last caller had its outcome. ``to_outcome`` in milliseconds.
    """

    lives: int
    calling: float
    seconds: float
    cpu: dict[str, float]
    to_outcome: Spread

    def milliseconds_each(self, name: str) -> float:
        return 1000 * self.cpu[name] / self.lives


@dataclass(frozen=True)
class Cpu:
    """``idle``: share of one core of each process while nothing happens."""

    cores: int
    idle: dict[str, float]
    steady_rate: float
    steady: Load
    at_once: int
    saturated: Load


async def measure(stage: Stage, sizes: Sizes) -> Cpu:
    meter = CpuMeter(stage.pids)
    await saturating(stage.homes, at_once=len(stage.homes), seconds=1)
    await asyncio.sleep(2)
    meter.start()
    await asyncio.sleep(sizes.idle_seconds)
    idle = {name: spent / sizes.idle_seconds for name, spent in meter.spent().items()}
    steady = await loaded(
        stage, meter, steadily(stage.homes, rate=sizes.steady_rate, count=sizes.steady_lives)
    )
    saturated = await loaded(
        stage,
        meter,
        saturating(stage.homes, at_once=sizes.at_once, seconds=sizes.saturated_seconds),
    )
    cores = os.cpu_count() or 1
    return Cpu(cores, idle, sizes.steady_rate, steady, sizes.at_once, saturated)


async def loaded(stage: Stage, meter: CpuMeter, load: Awaitable[list[Life]]) -> Load:
    """Until the read model has caught up, for that is part of a command's work."""
    meter.start()
    began = time.perf_counter()
    lives = await load
    calling = time.perf_counter() - began
    await stage.until_projected(last_numbers(lives))
    seconds = time.perf_counter() - began
    outcomes = Spread.of([life.to_outcome for life in lives])
    return Load(len(lives), calling, seconds, meter.spent(), outcomes)
