"""What AWS would be asked to do, and paid for, for one life of a command.

The processes reach the engine through a proxy that counts; callers, devices and the polls of this
program do not. A life is accepted, sent and succeeded, and everything that follows from it up to
its final row: relay, topic, queue, read model, checkpoints, snapshots.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from adapters.settings import Settings
from tests.bench.counting import CountingProxy
from tests.bench.load import Life, last_numbers, saturating, steadily
from tests.bench.prices import Usage
from tests.bench.sizes import Sizes
from tests.bench.stage import Home, Stage, set_up
from tests.support.platform import Platform

STEADY_HOMES = 12
SLOW = 0.5
"""Seconds that keep a life's events apart: each reaches its row alone."""
TABLES = {
    "devices_events_table": "events",
    "devices_snapshots_table": "snapshots",
    "remote_commands_table": "remote commands",
    "devices_table": "devices",
    "twins_table": "twins",
    "relay_table": "relay leases",
    "vault_table": "vault",
    "read_models_table": "control of read models",
    "timeouts_table": "time-outs",
}
CLOCKWORK = ("relay leases", "control of read models", "time-outs")
"""Tables that are read and written by the clock, with or without commands."""
SQS_BILLED = (
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
)


@dataclass(frozen=True)
class Counts:
    """Sums over ``lives`` commands and ``seconds``; units by table, an index as ``table/index``.

    ``calls`` leaves out ``rhythm``: what the platform calls with and without commands.
    """

    lives: int
    seconds: float
    calls: dict[str, int]
    rhythm: dict[str, int]
    refused: int
    write_units: dict[str, float]
    read_units: dict[str, float]
    published: int
    published_bytes: int

    @property
    def sqs_requests(self) -> int:
        return self.calls.get("sqs ReceiveMessage", 0) + sum(
            self.calls.get(f"sqs {operation}", 0) for operation in SQS_BILLED
        )

    @property
    def usage(self) -> Usage:
        """Without the twins and the rhythm, which are shown apart."""
        return Usage(
            write_units=sum(self.of_lives(self.write_units).values()),
            read_units=sum(self.of_lives(self.read_units).values()),
            stream_reads=self.calls.get("dynamodbstreams GetRecords", 0),
            published=self.published,
            published_bytes=self.published_bytes,
            sqs_requests=self.sqs_requests,
        )

    def of_lives(self, units: Mapping[str, float]) -> dict[str, float]:
        """Units by table, without the twins and what the clock does; the sweeper's reads of the
        index are its work."""
        reads = units is self.read_units
        apart = (*CLOCKWORK, "twins", *(["remote commands/open"] if reads else []))
        return {name: amount for name, amount in units.items() if name not in apart}

    def each(self, amount: float) -> float:
        return amount / self.lives

    def dollars_per_million(self) -> float:
        return self.usage.dollars() / self.lives * 1_000_000


@dataclass(frozen=True)
class Cost:
    """``slow``: as ``steady``, with devices that take a while. ``with_reports``: saturated, and
    every result brings a changed state."""

    idle: Counts
    steady_rate: float
    steady: Counts
    slow: Counts
    at_once: int
    saturated: Counts
    with_reports: Counts


async def measure(directory: Path, sizes: Sizes) -> Cost:
    platform = Platform(directory)
    async with AsyncExitStack() as stack:
        proxy = CountingProxy(platform.endpoint_url)
        await stack.enter_async_context(proxy)
        platform.endpoint_for_processes = proxy.url
        scene = Scene(await set_up(platform, stack), proxy, sizes)
        await scene.warm_up()
        idle = await scene.idle(sizes.idle_seconds)
        few = scene.stage.homes[:STEADY_HOMES]
        steady = await scene.steady(few, sizes.cost_lives)
        slow = await scene.steady(few, sizes.cost_slow_lives, takes=SLOW)
        saturated = await scene.saturated(sizes.cost_saturated_seconds)
        for home in scene.stage.homes:
            home.device.reports = True
        with_reports = await scene.saturated(sizes.reports_seconds)
    return Cost(idle, sizes.cost_rate, steady, slow, sizes.at_once, saturated, with_reports)


@dataclass
class Scene:
    stage: Stage
    proxy: CountingProxy
    sizes: Sizes

    async def warm_up(self) -> None:
        lives = await saturating(self.stage.homes, at_once=len(self.stage.homes), seconds=0.5)
        await self.stage.until_projected(last_numbers(lives))
        await asyncio.sleep(self.sizes.settle_seconds)

    async def idle(self, seconds: float) -> Counts:
        self.proxy.reset()
        await asyncio.sleep(seconds)
        return counts(self.proxy, self.stage.settings, 0, seconds)

    async def steady(self, homes: Sequence[Home], lives: int, *, takes: float = 0.0) -> Counts:
        for home in homes:
            home.device.takes = takes
        counted = await self.counted(steadily(homes, rate=self.sizes.cost_rate, count=lives))
        for home in homes:
            home.device.takes = 0.0
        return counted

    async def saturated(self, seconds: float) -> Counts:
        homes, at_once = self.stage.homes, self.sizes.at_once
        return await self.counted(saturating(homes, at_once=at_once, seconds=seconds))

    async def counted(self, load: Awaitable[list[Life]]) -> Counts:
        self.proxy.reset()
        began = time.perf_counter()
        lives = await load
        await self.stage.until_projected(last_numbers(lives))
        await asyncio.sleep(self.sizes.settle_seconds)
        seconds = time.perf_counter() - began
        return counts(self.proxy, self.stage.settings, len(lives), seconds)


def counts(proxy: CountingProxy, settings: Settings, lives: int, seconds: float) -> Counts:
    names = {getattr(settings, setting): name for setting, name in TABLES.items()}
    published = proxy.entries["sns", "PublishBatch"] + proxy.entries["sns", "Publish"]
    return Counts(
        lives=lives,
        seconds=seconds,
        calls=named(proxy.calls - proxy.rhythm),
        rhythm=named(proxy.rhythm),
        refused=proxy.refused.total(),
        write_units=by_table(proxy.capacity.write_units, names),
        read_units=by_table(proxy.capacity.read_units, names),
        published=published,
        published_bytes=proxy.published_bytes,
    )


def named(calls: Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{service} {operation}": n for (service, operation), n in sorted(calls.items())}


def by_table(units: dict[str, float] | Counter[str], names: dict[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for place, amount in sorted(units.items()):
        table, slash, index = place.partition("/")
        found[f"{names.get(table, table)}{slash}{index}"] = float(amount)
    return found
