"""A read model is rebuilt under live writes, in real processes that are killed on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.inbound.cli import local
from adapters.outbound.dynamodb.streams import scan_items
from commands.devices import ownership
from commands.devices.ownership import ClaimDevice, RenameDevice
from domain.devices.capabilities import DeviceKind
from domain.kernel.event import id_of
from domain.kernel.recorded import Context, Recorded
from projections.devices.counters import PREFIX
from projections.devices.ports import FeedReset
from projections.kernel.slots import ModelState, Phase, Slot
from tests.support.household import make_token
from tests.support.ledger_rows import Item, device_rows_equal
from tests.support.platform import Platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

HOME, ELSEWHERE = f"01{'H' * 24}", f"01{'E' * 24}"
STILL, LIVELY, OTHERS = 60, 20, 140
PER_SECOND = 5
RATE = 12
"""Read units a second: the scan takes some ten seconds."""
CONTEXT = Context("correlation", "causation", "test")


@dataclass
class Home:
    """``still``: devices of the home that nobody touches; ``lively``: those that are renamed."""

    platform: Platform
    api: Api
    client: httpx.AsyncClient
    still: list[str] = field(default_factory=list)
    lively: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    written: int = 0

    async def claim(self, number: int, account_id: str) -> str:
        message = ClaimDevice(
            account_id=account_id,
            public_key=number.to_bytes(32, "big"),
            name=f"Lamp {number}",
            kind=DeviceKind.ON_OFF_LIGHT,
        )
        (device_id, _), _ = await self.api.dispatcher.execute(
            CONTEXT, lambda unit: ownership.claim_device(unit, message)
        )
        return device_id

    async def rename(self, device_id: str, name: str) -> None:
        message = RenameDevice(
            account_id=HOME, device_id=device_id, name=name, expected_version=None
        )
        await self.api.dispatcher.execute(
            CONTEXT, lambda unit: ownership.rename_device(unit, message)
        )

    async def settle_in(self) -> None:
        ids = [await self.claim(number, HOME) for number in range(1, STILL + LIVELY + 1)]
        self.still, self.lively = ids[:STILL], ids[STILL:]
        for number in range(1000, 1000 + OTHERS):
            await self.claim(number, ELSEWHERE)

        async def projected() -> bool:
            return await self.devices_listed() == STILL + LIVELY

        await eventually(projected, within=60)

    async def devices_listed(self) -> int:
        """As the API lists them, page by page."""
        found, cursor = 0, ""
        while True:
            answer = await self.client.get(f"/v1/devices?limit=50{cursor}")
            answer.raise_for_status()
            page = answer.json()
            found += len(page["items"])
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    # --- what goes on meanwhile ------------------------------------------------------------------

    async def write(self) -> None:
        """Renames in the home, and claims elsewhere, five a second."""
        while True:
            self.written += 1
            if self.written % 5 == 0:
                await self.claim(10_000 + self.written, ELSEWHERE)
            else:
                await self.rename(self.lively[self.written % LIVELY], f"Name {self.written}")
            await asyncio.sleep(1 / PER_SECOND)

    async def read(self) -> None:
        while True:
            self.seen.append(await self.devices_listed())
            await asyncio.sleep(0.1)

    async def listen(self) -> None:
        """Which devices the projectors tell watchers of."""
        async with self.api.feed.watch(HOME) as messages:
            async for message in messages:
                if not isinstance(message, FeedReset) and message["type"] == "event":
                    self.told.add(id_of(message["event"]["subject"]))

    # --- operators -------------------------------------------------------------------------------

    async def rebuild(self, *options: str) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "adapters.inbound.cli", "rebuild", "devices", *options)
        return await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | self.platform.process_environment,
            cwd=self.platform.directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def done(self, process: asyncio.subprocess.Process) -> str:
        async with asyncio.timeout(180):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def state(self) -> ModelState:
        return await self.api.control.state("devices")

    async def items(self, slot: Slot) -> list[Item]:
        table = self.platform.settings.slot("devices", slot).table
        found = [item async for item in scan_items(self.api.dynamodb, table)]
        return [item for item in found if not item["device_id"]["S"].startswith(PREFIX)]

    async def differences(self, slot: Slot) -> list[str]:
        """Between the slot's rows and a fold of the store, byte for byte."""
        table = self.platform.settings.devices_events_table
        streams: dict[str, list[Recorded]] = {}
        async for item in scan_items(self.api.dynamodb, table):
            for one in await self.api.sealer.from_items([item]):
                streams.setdefault(one.event.originator_id, []).append(one)
        return list(device_rows_equal(await self.items(slot), streams))


@asynccontextmanager
async def home(directory: Path) -> AsyncIterator[Home]:
    """With two projectors."""
    platform = Platform(
        directory,
        processes=("api", "relay", "projector"),
        extra={"HOMECAST_RATE_LIMIT_PER_MINUTE": "100000"},
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(platform)
        second = replace(local.process("projector", platform.process_environment), name="second")
        await platform.supervisor.start(second)
        api = await stack.enter_async_context(http.api(platform.settings))
        token = await make_token(platform.settings, platform.endpoint_url, HOME)
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=platform.api_url,
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
            )
        )
        found = Home(platform, api, client)
        await found.settle_in()
        yield found


@asynccontextmanager
async def busy(here: Home) -> AsyncIterator[None]:
    """Live writes, readers and watchers, none of which may fail."""
    tasks = [asyncio.create_task(work()) for work in (here.write, here.read, here.listen)]
    try:
        yield
    finally:
        failed = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in failed:
            task.result()


async def test_a_rebuild_that_is_killed_goes_on_and_nobody_notices(tmp_path: Path) -> None:
    async with home(tmp_path) as here:
        async with busy(here):
            first = await here.rebuild("--rate", str(RATE))
            await eventually(lambda: scanned(here), within=60)
            first.send_signal(signal.SIGKILL)
            await first.wait()
            await here.platform.kill("projector")
            stopped = await here.state()
            assert (stopped.live, stopped.phase) == (Slot.BLUE, Phase.SCANNING)
            assert stopped.run is not None
            assert 0 < stopped.run.events < stopped.run.total
            await asyncio.sleep(2)
            await here.platform.restart("projector")
            await here.done(await here.rebuild("--rate", str(4 * RATE), "--keep"))
        state = await here.state()
        assert (state.live, state.phase) == (Slot.GREEN, Phase.KEPT)

        async def both_are_true() -> bool:
            return not [one for slot in Slot for one in await here.differences(slot)]

        await eventually(both_are_true, within=60, every=0.5)
        assert set(here.seen) == {STILL + LIVELY}
        assert here.told & set(here.lively), "watchers are told of what happens"
        assert not here.told & set(here.still), "the slot being built told of old events"
        await here.done(await here.rebuild("--back"))
        assert (await here.state()).live is Slot.BLUE
        assert await here.devices_listed() == STILL + LIVELY


async def scanned(here: Home) -> bool:
    """The scan has begun, its position is saved, and it is not at its end."""
    state = await here.state()
    return state.phase is Phase.SCANNING and state.run is not None and state.run.events > 0
