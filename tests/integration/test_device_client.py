"""The device client against a real gateway: everything once, whatever happens to connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.inbound.cli.device_client import (
    DeviceClient,
    Failed,
    Outcome,
    Pauses,
    Rejected,
    State,
    TellProgress,
)
from adapters.inbound.gateway.protocol import Close
from domain.devices.lane import LANE
from tests.support.gateway import DEADLINE, QUICK, World
from tests.support.redis import RedisServer
from tests.support.waiting import eventually

SOON = Pauses(first=0.02, longest=0.1, drained=0.1, refused=0.1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    redis = RedisServer()
    await redis.start()
    world = World(redis)
    try:
        yield world
    finally:
        await world.close()
        await redis.close()


class Lamp:
    """Does what it is told, when ``gate`` is open; counts what it did."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.done: list[int] = []

    def state(self) -> State:
        return {"OnOff": {"on_off": bool(self.done)}}

    async def execute(self, command: str, args: dict[str, Any], progress: TellProgress) -> Outcome:
        self.done.append(args.get("level", 0))
        await progress(50, "half way")
        await self.gate.wait()
        if args.get("level") == 13:
            raise Failed("superstition")
        if args.get("level") == 14:
            raise Rejected("too_bright")
        return Outcome({"ok": True}, {"OnOff": {"on_off": True}})


@asynccontextmanager
async def running(client: DeviceClient) -> AsyncIterator[DeviceClient]:
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ended(world: World, device_id: str, *numbers: int) -> list[str]:
    async def all_ended() -> bool:
        lane = await world.lane(device_id)
        return not any(number in lane.open for number in numbers)

    await eventually(all_ended, within=DEADLINE * 2)
    return [(await world.history(device_id, number))[-1] for number in numbers]


async def level(world: World, device_id: str, value: int) -> int:
    return await world.submit(device_id, "LevelControl.MoveToLevel", args={"level": value})


async def test_commands_are_executed_and_answered(world: World) -> None:
    key, lamp = Ed25519PrivateKey.generate(), Lamp()
    device_id = await world.claim(key)
    async with (
        world.gateway() as gateway,
        running(DeviceClient(gateway.url, key, lamp, pauses=SOON)) as client,
    ):
        numbers = [await level(world, device_id, value) for value in (7, 13, 14)]
        outcomes = await ended(world, device_id, *numbers)
    assert outcomes == ["Succeeded", "Failed", "Rejected"]
    assert client.executed == numbers
    assert client.device_id == device_id


async def test_a_slow_command_is_received_and_survives_lost_connections(world: World) -> None:
    key, lamp = Ed25519PrivateKey.generate(), Lamp()
    device_id = await world.claim(key)
    lamp.gate.clear()
    async with world.gateway() as gateway:
        client = DeviceClient(gateway.url, key, lamp, receipt_after=0.05, pauses=SOON)
        async with running(client):
            number = await level(world, device_id, 7)
            for sessions in range(1, 4):
                await sessions_of(client, sessions)
                await attempt_of(world, device_id, number, sessions)
                gateway.server.gateway.sessions[device_id].close(Close.DRAINING, "test")
            await sessions_of(client, 4)
            with pytest.raises(AssertionError, match="within"):  # the receipt keeps the session
                await sessions_of(client, 5, within=QUICK.head * 1.2)
            lamp.gate.set()
            assert await ended(world, device_id, number) == ["Succeeded"]
    assert lamp.done == [7]


async def sessions_of(client: DeviceClient, count: int, within: float = DEADLINE) -> None:
    async def there() -> bool:
        return client.sessions >= count and client.session is not None

    await eventually(there, within=within)


async def attempt_of(world: World, device_id: str, number: int, attempt: int) -> None:
    async def sent() -> bool:
        return (await world.history(device_id, number)).count("Sent") >= attempt

    await eventually(sent, within=DEADLINE)


async def test_an_answer_outlives_the_connection_and_the_gateway(world: World) -> None:
    key, lamp = Ed25519PrivateKey.generate(), Lamp()
    device_id = await world.claim(key)
    lamp.gate.clear()
    async with world.gateway() as first:
        client = DeviceClient(first.url, key, lamp, pauses=SOON)
        async with running(client):
            await sessions_of(client, 1)
            number = await level(world, device_id, 7)
            await attempt_of(world, device_id, number, 1)
            await first.server.gateway.drain(0.1)
            lamp.gate.set()
            assert await ended(world, device_id, number) == ["Succeeded"]
    assert lamp.done == [7]


async def test_a_restarted_device_does_nothing_twice(world: World, tmp_path: Path) -> None:
    key, before, after = Ed25519PrivateKey.generate(), Lamp(), Lamp()
    device_id = await world.claim(key)
    memory = tmp_path / "memory.json"
    before.gate.clear()
    async with world.gateway() as gateway:
        async with running(DeviceClient(gateway.url, key, before, memory=memory, pauses=SOON)):
            number = await level(world, device_id, 7)
            await attempt_of(world, device_id, number, 1)

            async def begun() -> bool:
                return before.done == [7]

            await eventually(begun, within=DEADLINE)
        async with running(DeviceClient(gateway.url, key, after, memory=memory, pauses=SOON)):
            assert await ended(world, device_id, number) == ["Failed"]
    assert after.done == []


async def test_a_number_that_a_restored_store_gives_out_again_is_another_command(
    world: World, tmp_path: Path
) -> None:
    key, lamp, memory = Ed25519PrivateKey.generate(), Lamp(), tmp_path / "memory.json"
    device_id = await world.claim(key)
    async with (
        world.gateway() as gateway,
        running(DeviceClient(gateway.url, key, lamp, memory=memory, pauses=SOON)),
    ):
        number = await level(world, device_id, 7)
        assert await ended(world, device_id, number) == ["Succeeded"]
    restored = world.restored(LANE.stream(device_id), before=number)
    async with (
        restored.gateway() as gateway,
        running(DeviceClient(gateway.url, key, lamp, memory=memory, pauses=SOON)),
    ):
        assert await level(restored, device_id, 13) == number
        assert await ended(restored, device_id, number) == ["Failed"]
    assert lamp.done == [7, 13]


async def test_a_refused_result_is_told_again_when_the_store_is_back(world: World) -> None:
    key, lamp = Ed25519PrivateKey.generate(), Lamp()
    device_id = await world.claim(key)
    lamp.gate.clear()

    async def refused() -> bool:
        return world.store.refused > 0

    async with (
        world.gateway() as gateway,
        running(DeviceClient(gateway.url, key, lamp, pauses=SOON)),
    ):
        number = await level(world, device_id, 7)
        await attempt_of(world, device_id, number, 1)
        world.store.away = True
        lamp.gate.set()
        await eventually(refused, within=DEADLINE)
        world.store.away = False
        assert await ended(world, device_id, number) == ["Succeeded"]
    assert lamp.done == [7]
