"""Lives of commands: one, some at a steady rate, or as many as go.

A life: a caller submits and waits (``?wait=``), the device gets the command and answers at once,
the caller has the outcome. A home has one command under way at a time, as most homes have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.stage import Home

WAIT = 20
"""Seconds that a caller waits for the outcome."""


class LifeFailed(Exception):
    """A command did not succeed while its caller waited: then no number is worth anything."""


@dataclass(frozen=True)
class Life:
    """Seconds from the submit until the device had it, and until the caller had the outcome."""

    device_id: str
    number: int
    to_device: float
    to_outcome: float


async def live(home: Home) -> Life:
    """Waits until the life before it in this home is over; neither that nor connecting counts."""
    async with home.free:
        await home.caller.ready()
        return await live_alone(home)


async def live_alone(home: Home) -> Life:
    device = home.device
    began = time.perf_counter()
    status, body = await home.caller.submit(device.device_id, wait=WAIT)
    ended = time.perf_counter()
    if status != 200 or body["status"] != "SUCCEEDED":
        raise LifeFailed(f"{status} {body}")
    number = int(body["number"])
    arrived = device.arrived.pop(number)
    return Life(device.device_id, number, arrived - began, ended - began)


async def steadily(homes: Sequence[Home], *, rate: float, count: int) -> list[Life]:
    """One begins every ``1 / rate`` seconds, whatever became of those before."""
    began = time.perf_counter()
    under_way = []
    for index in range(count):
        await asyncio.sleep(began + index / rate - time.perf_counter())
        under_way.append(asyncio.create_task(live(homes[index % len(homes)])))
    return list(await asyncio.gather(*under_way))


async def saturating(homes: Sequence[Home], *, at_once: int, seconds: float) -> list[Life]:
    """A closed loop: so many callers, each with homes of its own, and the next one at once."""
    until = time.perf_counter() + seconds
    lives: list[Life] = []

    async def call(own: Sequence[Home]) -> None:
        while True:
            for home in own:
                if time.perf_counter() >= until:
                    return
                lives.append(await live(home))

    await asyncio.gather(*(call(homes[index::at_once]) for index in range(at_once)))
    return lives


def last_numbers(lives: Sequence[Life]) -> dict[str, int]:
    last: dict[str, int] = {}
    for life in lives:
        last[life.device_id] = max(life.number, last.get(life.device_id, 0))
    return last
