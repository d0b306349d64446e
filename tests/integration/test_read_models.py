"""Rebuild, verify and repair of read models on the engines; the workers run in the test's process.

Each test has a stack of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.bootstrap.operators import read_side
from adapters.bootstrap.read_models import PROJECTIONS
from adapters.inbound.cli import connection, main
from adapters.inbound.workers import feeds
from adapters.outbound.read_side import ReadSide
from adapters.settings import Settings
from commands.devices.ownership import (
    ReleaseDevice,
    RenameDevice,
    release_device,
    rename_device,
)
from domain.devices.device import DeviceRenamed
from domain.kernel.event import Event
from projections.devices.counters import PREFIX, of_account
from projections.devices.devices import DEVICES, DeviceRow, fold
from projections.kernel import rebuild as rebuilding
from projections.kernel import slots
from projections.kernel.slots import ModelState, Phase, RebuildRunning, Run, Slot
from projections.kernel.verify import Kind
from tests.integration.test_pipeline import ACCOUNT, CONTEXT, claim, projector, relay, submit
from tests.support.platform import settings_from
from tests.support.waiting import eventually


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pointers and all who wait for them at a fifth of their age; tests/e2e has the real one."""
    for module in (slots, rebuilding):
        monkeypatch.setattr(module, "POINTER_SECONDS", 1.0)
    monkeypatch.setattr(slots, "REFRESH_AFTER", 0.4)
    monkeypatch.setattr(rebuilding, "SETTLE", 0.2)
    monkeypatch.setattr(feeds, "LOOK_EVERY", 0.3)


NO_GRACE = timedelta(0)
"""Tests look at what was stored a moment ago."""


class Home:
    """A platform of workers with an account that has devices and commands."""

    def __init__(self, api: Api, side: ReadSide) -> None:
        self.api = api
        self.side = side
        self.phases: list[Phase] = []

    async def settled(self) -> None:
        """Every event stored so far has reached the live rows."""

        async def verified() -> bool:
            reports = [await self.side.verify(model, grace=NO_GRACE) for model in self.side.models]
            return all(report.clean for report in reports)

        await eventually(verified, within=20)

    def rebuild(self, model: str, **options: Any) -> rebuilding.Rebuild:
        def report(phase: Phase, _: Run) -> None:
            if self.phases[-1:] != [phase]:
                self.phases.append(phase)

        return self.side.rebuild(model, report=report, **options)

    async def state(self, model: str) -> ModelState:
        return await self.side.control.state(model)

    async def rows(self, model: str, slot: Slot) -> list[dict[str, Any]]:
        table = self.side.settings.slot(model, slot).table
        found = await self.side.dynamodb.scan(TableName=table, ConsistentRead=True)
        return sorted((dict(item) for item in found["Items"]), key=str)


def is_counter(row: dict[str, Any]) -> bool:
    return str(row["device_id"]["S"]).startswith(PREFIX)


@asynccontextmanager
async def home(settings: Settings, *, devices: int = 5, commands: int = 4) -> AsyncIterator[Home]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(http.api(settings))
        await stack.enter_async_context(relay(settings))
        await stack.enter_async_context(projector(settings))
        side = await stack.enter_async_context(read_side(settings))
        for number in range(1, devices + 1):
            device_id = await claim(api, number)
            await asyncio.gather(*(submit(api, device_id) for _ in range(commands)))
        found = Home(api, side)
        await found.settled()
        yield found


@pytest.mark.parametrize("model", ["devices", "remote_commands"])
async def test_a_rebuild_fills_the_idle_slot_and_switches_to_it(
    settings: Settings, model: str
) -> None:
    async with home(settings) as here:
        before = await here.rows(model, Slot.BLUE)
        await here.rebuild(model).run()
        state = await here.state(model)
        assert (state.live, state.phase, state.run) == (Slot.GREEN, Phase.IDLE, None)
        assert state.versions[Slot.GREEN] == here.side.models[model].projection.version
        assert await here.rows(model, Slot.GREEN) == before
        listed, _ = await here.api.devices.list(ACCOUNT, limit=50, cursor=None)
        assert len(listed) == 5
        device_id = await claim(here.api, 99)
        await submit(here.api, device_id)
        await here.settled()
        gained = [row for row in await here.rows(model, Slot.GREEN) if not is_counter(row)]
        assert len(gained) == len([row for row in before if not is_counter(row)]) + 1
        assert await here.rows(model, Slot.BLUE) == [], "the retired slot keeps nothing"
        status = {one.model: one for one in await here.side.statuses.all()}[model]
        assert (status.version, status.live, status.outdated) == (1, Slot.GREEN, False)
        assert (status.lag_seconds, status.dead_letters) == (0.0, 0)


async def test_what_is_damaged_is_found_and_repaired_through_the_queue(settings: Settings) -> None:
    async with home(settings, devices=4, commands=2) as here:
        table = here.side.settings.remote_commands_table
        rows = await here.rows("remote_commands", Slot.BLUE)
        deleted, set_back, ahead = rows[0], rows[3], rows[6]
        for item in (deleted, set_back, ahead):
            key = {name: item[name] for name in ("device_id", "number")}
            await here.side.dynamodb.delete_item(TableName=table, Key=key)
        await here.side.dynamodb.put_item(TableName=table, Item=set_back | at_step(set_back, 0))
        await here.side.dynamodb.put_item(TableName=table, Item=ahead | at_step(ahead, 7))

        found = await here.side.verify("remote_commands", grace=NO_GRACE)
        assert found.counts == {Kind.MISSING: 1, Kind.BEHIND: 1, Kind.AHEAD: 1}
        assert f"{deleted['device_id']['S']}.{deleted['number']['N']} missing" in str(
            next(one for one in found.findings if one.kind is Kind.MISSING)
        )
        _, mended = await here.side.repair("remote_commands", grace=NO_GRACE)
        assert mended == 3
        await here.settled()
        assert await here.rows("remote_commands", Slot.BLUE) == rows
        again, mended = await here.side.repair("remote_commands", grace=NO_GRACE)
        assert (again.clean, mended) == (True, 0)


def at_step(item: dict[str, Any], step: int) -> dict[str, Any]:
    """The row's attributes, had it applied so many steps; its first event is the command's own."""
    version = int(item["number"]["N"]) + step - 1
    body = json.loads(item["body"]["S"]) | {"applied": step, "stream_version": version}
    return {"applied": {"N": str(step)}, "body": {"S": json.dumps(body)}}


async def test_a_young_event_and_a_purged_row_are_no_findings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(settings, devices=1, commands=2) as here:
        await here.side.dynamodb.delete_item(
            TableName=settings.remote_commands_table,
            Key={
                name: (await here.rows("remote_commands", Slot.BLUE))[0][name]
                for name in ("device_id", "number")
            },
        )
        assert (await here.side.verify("remote_commands")).clean, "within the grace"
        assert not (await here.side.verify("remote_commands", grace=NO_GRACE)).clean
        known = here.side.models["remote_commands"]
        forgetful = replace(known.projection, kept=timedelta(microseconds=1))
        monkeypatch.setitem(
            here.side.models,
            "remote_commands",
            replace(known, projection=forgetful),
        )
        assert (await here.side.verify("remote_commands", grace=NO_GRACE)).clean, "purged"


async def test_a_kept_slot_stays_up_to_date_and_can_be_made_live_again(
    settings: Settings,
) -> None:
    async with home(settings, devices=2, commands=1) as here:
        await here.rebuild("devices", keep=True).run()
        assert (await here.state("devices")).phase is Phase.KEPT
        await claim(here.api, 77)
        await here.settled()

        async def both() -> bool:
            blue = await here.rows("devices", Slot.BLUE)
            devices = [row for row in blue if not is_counter(row)]
            return len(devices) == 3 and blue == await here.rows("devices", Slot.GREEN)

        await eventually(both, within=10)
        await here.rebuild("devices").back()
        state = await here.state("devices")
        assert (state.live, state.phase) == (Slot.BLUE, Phase.IDLE)
        with pytest.raises(rebuilding.NothingKept):
            await here.rebuild("devices").back()


async def test_one_rebuild_a_model_and_a_dead_ones_lease_runs_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(settings, devices=2, commands=1) as here:
        first = here.rebuild("devices")
        await here.side.control.take("devices", first.runner, 3)
        with pytest.raises(RebuildRunning):
            await here.rebuild("devices", patience=0).run()
        await here.rebuild("devices").run()
        assert (await here.state("devices")).live is Slot.GREEN


async def test_a_slot_that_differs_from_the_store_is_not_switched_to(settings: Settings) -> None:
    async with home(settings, devices=2, commands=1) as here:

        async def differs(_: Slot) -> list[str]:
            return ["a row is missing"]

        doubtful = here.rebuild("devices")
        doubtful.check = differs
        with pytest.raises(rebuilding.NotVerified):
            await doubtful.run()
        state = await here.state("devices")
        assert (state.live, state.phase) == (Slot.BLUE, Phase.VERIFYING)
        await here.rebuild("devices").run()
        assert (await here.state("devices")).live is Slot.GREEN
        assert Phase.SCANNING not in here.phases[-2:]


async def test_devices_are_counted_as_they_come_and_go(settings: Settings) -> None:
    async with home(settings, devices=4, commands=0) as here:
        listed, _ = await here.api.devices.list(ACCOUNT, limit=50, cursor=None)
        message = ReleaseDevice(account_id=ACCOUNT, device_id=listed[0].device_id)
        await here.api.dispatcher.execute(CONTEXT, lambda unit: release_device(unit, message))
        await here.settled()
        assert await here.api.devices.count(ACCOUNT) == 3
        assert await here.api.devices.count_by_kind() == {"on_off_light": 3}


async def test_a_counter_that_is_off_is_found_by_a_recount_and_put_right(
    settings: Settings,
) -> None:
    async with home(settings, devices=3, commands=0) as here:
        key = of_account(ACCOUNT)
        await here.side.dynamodb.put_item(
            TableName=settings.devices_table, Item={"device_id": {"S": key}, "total": {"N": "7"}}
        )
        report = await here.side.verify("devices")
        assert report.miscounted == {key: -4}
        assert report.in_words() == [f"counter {key} lacks -4"]
        await here.side.repair("devices")
        assert (await here.side.verify("devices")).clean
        assert await here.api.devices.count(ACCOUNT) == 3


def broken(row: DeviceRow | None, event: Event) -> DeviceRow:
    assert not isinstance(event, DeviceRenamed), "a fold that was not thought through"
    return fold(row, event)


async def test_events_that_nobody_can_read_are_told_and_end_no_look(settings: Settings) -> None:
    async with home(settings, devices=2, commands=1) as here:
        table, dynamodb = here.side.settings.devices_events_table, here.side.dynamodb
        rows = await here.rows("devices", Slot.BLUE)
        first = next(row for row in rows if not is_counter(row))
        device_id = str(first["device_id"]["S"])
        key = {"stream": {"S": f"device-{device_id}"}, "version": {"N": "1"}}
        item: Any = (await dynamodb.get_item(TableName=table, Key=key))["Item"]
        beyond = {"version": {"N": "2"}, "type": {"S": "devices.of_tomorrow"}}
        await dynamodb.put_item(TableName=table, Item=item | beyond)
        found = await here.side.verify("devices", grace=NO_GRACE)
        assert found.unreadable == [f"device-{device_id} 2"]
        assert not found.clean
        assert f"device-{device_id} 2 is unreadable" in found.in_words()
        _, mended = await here.side.repair("devices", grace=NO_GRACE)
        assert mended == 0
        with pytest.raises(rebuilding.NotVerified, match="is unreadable"):
            await here.rebuild("devices").run()


async def test_a_broken_version_parks_in_its_own_slot_and_is_never_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(settings, devices=3, commands=0) as here:
        listed, _ = await here.api.devices.list(ACCOUNT, limit=50, cursor=None)
        message = RenameDevice(
            account_id=ACCOUNT, device_id=listed[0].device_id, name="Desk", expected_version=None
        )
        await here.api.dispatcher.execute(CONTEXT, lambda unit: rename_device(unit, message))
        await here.settled()
        monkeypatch.setitem(PROJECTIONS, "devices", replace(DEVICES, fold=broken, version=2))
        async with read_side(settings) as newer:
            with pytest.raises(rebuilding.NotVerified, match="parked"):
                await newer.rebuild("devices", report=lambda *_: None).run()
            [status] = [one for one in await newer.statuses.all() if one.model == "devices"]
            assert (status.live, status.parked, status.outdated) == (Slot.BLUE, 1, True)
        names = {
            row.name for row in (await here.api.devices.list(ACCOUNT, limit=9, cursor=None))[0]
        }
        assert "Desk" in names
        monkeypatch.setitem(PROJECTIONS, "devices", replace(DEVICES, version=3))
        async with read_side(settings) as mended:
            await mended.rebuild("devices", report=lambda *_: None).run()
            state = await here.state("devices")
            assert (state.live, state.versions[Slot.GREEN]) == (Slot.GREEN, 3)
            assert (await mended.verify("devices", grace=NO_GRACE)).clean


async def test_operators_see_find_and_mend_it_all_from_the_command_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "platform_settings", lambda: settings)

    async def typed(*words: str) -> tuple[int, str]:
        result = await asyncio.to_thread(CliRunner().invoke, main.app, list(words))
        return result.exit_code, result.stdout

    async with home(settings, devices=2, commands=1) as here:
        code, text = await typed("read-models")
        assert code == 0
        assert "devices: version 1, blue live, idle" in text
        assert "devices claimed: 2 (2 on_off_light)" in text
        row = next(one for one in await here.rows("devices", Slot.BLUE) if not is_counter(one))
        await here.side.dynamodb.delete_item(
            TableName=settings.devices_table, Key={"device_id": row["device_id"]}
        )
        code, text = await typed("verify", "devices", "--grace", "0", "--json")
        [found] = json.loads(text)
        assert (code, found["findings"]) == (1, {"missing": 1})
        code, text = await typed("repair", "devices", "--grace", "0")
        assert (code, "on their way" in text) == (0, True)
        await here.settled()
        assert (await typed("verify"))[0] == 0
        assert (await typed("verify", "nothing"))[0] == 2
