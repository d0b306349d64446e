"""Two relays in real processes: one is killed, one stands still, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.bootstrap.process import aws
from adapters.inbound.cli import local
from adapters.inbound.cli.supervisor import Supervisor
from adapters.inbound.workers.ports import Lease
from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.dynamodb.leases import DynamoDbLeases
from adapters.settings import Settings
from commands.devices import ownership, remote_commands
from commands.devices.ownership import ClaimDevice
from commands.devices.remote_commands import SubmitRemoteCommand
from domain.devices.capabilities import DeviceKind
from domain.kernel.recorded import Context
from tests.support.platform import Engines, settings_from
from tests.support.waiting import eventually

ACCOUNT = "01ACCOUNT00000000000000000"
CONTEXT = Context("correlation", "causation", "test")
LEASE_SECONDS = 1.0
RELAYS = ("relay-1", "relay-2")


@dataclass
class Watcher:
    """Takes everything from the queue of the lanes, as a projector would. Ids in their order."""

    place: Place
    queue: str
    seen: list[str] = field(default_factory=list)

    async def run(self) -> None:
        async with self.place.client("sqs") as client:
            while True:
                answer = await client.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
                for message in answer.get("Messages", []):
                    self.seen.append(json.loads(message["Body"])["id"])
                    handle = message["ReceiptHandle"]
                    await client.delete_message(QueueUrl=self.queue, ReceiptHandle=handle)
                if not answer.get("Messages"):
                    await asyncio.sleep(0.05)

    def versions(self) -> dict[str, list[int]]:
        """By stream, as each event came for the first time."""
        found: dict[str, list[int]] = defaultdict(list)
        for event_id in dict.fromkeys(self.seen):
            _, stream, version = event_id.split(":")
            found[stream].append(int(version))
        return found


@dataclass
class World:
    settings: Settings
    supervisor: Supervisor
    api: Api
    leases: DynamoDbLeases
    watcher: Watcher
    devices: list[str] = field(default_factory=list)

    async def shard(self) -> Lease:
        """The devices' one."""
        found = await self.leases.all()
        (lease,) = [one for one in found if one.context == "devices" and one.loss is None]
        return lease

    def process_of(self, owner: str) -> str:
        """Which of the processes calls itself so."""
        for name in RELAYS:
            if any(line.get("relay") == owner for line in self.lines(name)):
                return name
        return ""

    def lines(self, process: str) -> list[dict[str, Any]]:
        """Of its log, but for one that is just being written."""
        lines = self.supervisor.log(process).read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def holder(self) -> str:
        return self.process_of((await self.shard()).owner)

    async def shared(self) -> bool:
        """Each of the two has one of the two shards."""
        found = [one for one in await self.leases.all() if one.loss is None]
        return {self.process_of(one.owner) for one in found} == set(RELAYS)

    async def claim(self, number: int) -> None:
        message = ClaimDevice(
            account_id=ACCOUNT,
            public_key=bytes([number]) * 32,
            name="Lamp",
            kind=DeviceKind.ON_OFF_LIGHT,
        )
        (device_id, _), _ = await self.api.dispatcher.execute(
            CONTEXT, lambda unit: ownership.claim_device(unit, message)
        )
        self.devices.append(device_id)

    async def submit_everywhere(self, times: int = 3) -> None:
        for device_id in self.devices * times:
            message = SubmitRemoteCommand(
                account_id=ACCOUNT, client_id="t", device_id=device_id, command="OnOff.On", ttl=600
            )
            submit = partial(remote_commands.submit, message=message)
            await self.api.dispatcher.execute(CONTEXT, submit)

    async def everything_arrived(self) -> bool:
        seen = self.watcher.versions()
        for device_id in self.devices:
            stored = await self.api.store.read(f"lane-{device_id}")
            if len(seen.get(f"lane-{device_id}", [])) < len(stored):
                return False
        return True


@pytest.fixture
async def world(
    shared_engines: Engines, stack_environment: dict[str, str], tmp_path: Path
) -> AsyncIterator[World]:
    environment = stack_environment | {"HOMECAST_RELAY_LEASE_SECONDS": str(LEASE_SECONDS)}
    settings = settings_from(environment)
    supervisor = Supervisor(tmp_path, restarts=False)
    place = shared_engines.engines.place
    watcher = Watcher(place, settings.remote_commands_queue)
    async with (
        http.api(settings) as api,
        aws(settings).dynamodb() as client,
        asyncio.TaskGroup() as group,
    ):
        watching = group.create_task(watcher.run())
        leases = DynamoDbLeases(client, settings.relay_table)
        world = World(settings, supervisor, api, leases, watcher)
        try:
            for name in RELAYS:
                await supervisor.start(replace(local.process("relay", environment), name=name))
            for number in range(1, 4):
                await world.claim(number)
            await eventually(world.everything_arrived, within=20)
            await eventually(world.shared, within=20, what="each relay holds a shard")
            yield world
        finally:
            await supervisor.stop_all()
            watching.cancel()


async def test_a_killed_relay_is_followed_by_the_other_and_nothing_is_lost(world: World) -> None:
    victim = await world.holder()
    (other,) = set(RELAYS) - {victim}
    writing = asyncio.create_task(world.submit_everywhere(times=8))
    await asyncio.sleep(0.1)
    await world.supervisor.kill(victim)
    await writing

    async def taken_over() -> bool:
        return await world.holder() == other

    await eventually(taken_over, within=20)
    await eventually(world.everything_arrived, within=20)
    assert_in_order(world)


async def test_a_relay_that_stood_still_finds_out_that_it_lost_its_lease(world: World) -> None:
    frozen = await world.holder()
    (other,) = set(RELAYS) - {frozen}
    pid = world.supervisor.pid(frozen)
    os.kill(pid, signal.SIGSTOP)
    try:
        await world.submit_everywhere()

        async def taken_over() -> bool:
            return await world.holder() == other

        await eventually(taken_over, within=20)
        await eventually(world.everything_arrived, within=20)
    finally:
        os.kill(pid, signal.SIGCONT)
    shard = (await world.shard()).key

    async def noticed() -> bool:
        return any(
            line.get("event") == "lease_lost" and line.get("lease") == shard
            for line in world.lines(frozen)
        )

    await eventually(noticed, within=20)
    await world.submit_everywhere()
    await eventually(world.everything_arrived, within=20)
    await eventually(world.shared, within=20, what="it has a share again")
    assert_in_order(world)


async def test_a_relay_that_is_stopped_hands_over_at_once(world: World) -> None:
    leaving = await world.holder()
    (other,) = set(RELAYS) - {leaving}
    await world.supervisor.stop(leaving)
    given_back = await world.shard()
    assert world.process_of(given_back.owner) in ("", other)

    async def taken_over() -> bool:
        return await world.holder() == other

    await eventually(taken_over, within=LEASE_SECONDS * 0.9)
    await world.submit_everywhere()
    await eventually(world.everything_arrived, within=20)
    assert_in_order(world)


def assert_in_order(world: World) -> None:
    for stream, versions in world.watcher.versions().items():
        assert versions == sorted(versions), stream
