"""A platform under traffic and attack: an app that insists, and somebody who pulls plugs."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from redis.asyncio import Redis

from adapters.inbound.cli.supervisor import Supervisor
from domain.devices.capabilities import DeviceKind
from tests.support.aws_proxy import AwsProxy
from tests.support.household import Household
from tests.support.ledger import Answer
from tests.support.platform import Platform
from tests.support.wayward import WaywardDevice

RETRIED = (429, 500, 502, 503, 504)
COMMANDS: dict[DeviceKind, Callable[[random.Random], tuple[str, dict[str, Any]]]] = {
    DeviceKind.ON_OFF_LIGHT: lambda dice: (f"OnOff.{dice.choice(('On', 'Off', 'Toggle'))}", {}),
    DeviceKind.DIMMABLE_LIGHT: lambda dice: (
        "LevelControl.MoveToLevel",
        {"level": dice.randint(1, 254), "transition_time": 0},
    ),
    DeviceKind.DOOR_LOCK: lambda dice: (f"DoorLock.{dice.choice(('LockDoor', 'UnlockDoor'))}", {}),
    DeviceKind.WINDOW_COVERING: lambda dice: (
        "WindowCovering.GoToLiftPercentage",
        {"lift_percent_100ths": dice.randint(0, 40) * 250},
    ),
}
"""Prompt ones, a slower one, and one with progress whose newer commands make older ones fail."""


@dataclass(frozen=True)
class Target:
    """A device to command, and what its commands are given beside their arguments."""

    device: WaywardDevice
    kind: DeviceKind
    ttl: int = 30
    execution_timeout: int = 20


class App:
    """Submits under keys of its own until it is answered; ``answers`` are what it was told.

    Every fourth submit waits for the outcome, two of three may be superseded, every ninth is
    cancelled at once.
    """

    def __init__(self, household: Household, targets: Sequence[Target]) -> None:
        self._household = household
        self._targets = targets
        self._dice = random.Random(11)
        self.answers: list[Answer] = []
        self.heard: Counter[str] = Counter()

    async def run(self, *, per_second: float, seconds: float) -> None:
        """Return when every command is answered."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as group:
            for index in range(int(per_second * seconds)):
                await asyncio.sleep(max(0.0, start + index / per_second - loop.time()))
                group.create_task(self._command(index))

    async def _command(self, index: int) -> None:
        target = self._targets[index % len(self._targets)]
        command, args = COMMANDS[target.kind](self._dice)
        more = {"ttl": target.ttl, "execution_timeout": target.execution_timeout}
        submit = partial(
            self._household.submit,
            target.device.device_id,
            command,
            args,
            wait=5 if index % 4 == 0 else 0,
            headers={"Idempotency-Key": f"key-{index}"},
            **(more | {"collapse_key": "c"} if index % 3 else more),
        )
        told = await self._insist(f"key-{index}", submit)
        if told is not None and index % 9 == 0:
            path = f"/v1/devices/{told.device_id}/commands/{told.number}/cancel"
            await self._insist(f"key-{index}", lambda: self._household.api.post(path))

    async def _insist(
        self, key: str, ask: Callable[[], Awaitable[httpx.Response]]
    ) -> Answer | None:
        """What it was told, kept among the answers; None for a conflict."""
        while True:
            said = await self._once(ask)
            if said is None:
                await asyncio.sleep(self._dice.uniform(0.1, 0.4))
                continue
            if said.status_code == httpx.codes.CONFLICT:
                return None
            assert said.status_code in (200, 202), said.text
            told = said.json()
            answer = Answer(key, told["device_id"], told["number"], told["status"])
            self.answers.append(answer)
            return answer

    async def _once(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response | None:
        """None: ask again."""
        try:
            said = await ask()
        except httpx.TransportError:
            self.heard["no answer"] += 1
            return None
        self.heard[str(said.status_code)] += 1
        return None if said.status_code in RETRIED else said


class Attack:
    """Kills, cuts and empties; ``done`` counts what it did."""

    def __init__(
        self, platform: Platform, proxy: AwsProxy, devices: Sequence[WaywardDevice]
    ) -> None:
        self._platform = platform
        self._proxy = proxy
        self._devices = devices
        self._dice = random.Random(5)
        self.done: Counter[str] = Counter()

    async def run(self, steps: Sequence[tuple[float, Callable[[], Awaitable[None]]]]) -> None:
        """Each step at its second."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for at, step in steps:
            await asyncio.sleep(max(0.0, start + at - loop.time()))
            await step()

    def kill(self, name: str) -> Callable[[], Awaitable[None]]:
        async def step() -> None:
            os.kill(self._platform.supervisor.pid(name), signal.SIGKILL)
            self.done["kills"] += 1

        return step

    async def flush_redis(self) -> None:
        """Empty, while all stay connected to it."""
        async with Redis.from_url(self._platform.redis_url) as client:
            await client.flushall()
        self.done["Redis emptied"] += 1

    async def kill_redis(self) -> None:
        """Killed, and back without any data."""
        await self.kill("redis")()
        for file in self._platform.engines.redis.directory.iterdir():
            file.unlink()
        self.done["Redis emptied"] += 1

    async def cut_some(self) -> None:
        for device in self._dice.sample(list(self._devices), 4):
            device.drop()


def with_restarts(platform: Platform) -> Platform:
    """The platform under the supervisor that people have: what dies is started again."""
    platform.supervisor = Supervisor(platform.directory, restarts=True)
    return platform
