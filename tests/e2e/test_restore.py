"""A backup is put back as the runbook says, and everything goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.cli import local
from tests.support.household import Household, connected
from tests.support.platform import Platform
from tests.support.runbook import Operator, commands
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def outcome(household: Household, device_id: str, command: str) -> tuple[int, str]:
    answer = await household.submit(device_id, command, wait=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["number"], answer.json()["status"]


async def names(household: Household) -> list[str]:
    answer = await household.api.get("/v1/devices")
    return sorted(one["name"] for one in answer.json()["items"])


async def renamed(household: Household, device_id: str, name: str) -> None:
    tag = (await household.device(device_id)).headers["ETag"]
    answer = await household.api.patch(
        f"/v1/devices/{device_id}", json={"name": name}, headers={"If-Match": tag}
    )
    assert answer.status_code == 200, answer.text


async def restarted(platform: Platform, environment: dict[str, str]) -> None:
    """The processes with the restored tables, as ``homecast up`` would start them."""
    platform.environment |= environment
    await platform.supervisor.start_together(
        local.process(name, platform.process_environment) for name in platform.processes
    )


async def test_a_restored_backup_is_the_truth_again_for_apps_devices_and_read_models(
    tmp_path: Path,
) -> None:
    section = commands("A backup must be restored")
    async with (
        Platform(tmp_path) as platform,
        await Household.found(platform.settings, platform.endpoint_url) as household,
    ):
        operator = Operator(platform.environment, tmp_path)
        _, lamp = await household.new_device("Lamp")
        async with connected(lamp):
            kept = await outcome(household, lamp.device_id, "OnOff.On")
            assert (await operator.type("homecast backup create evening")).code == 0
            lost = await outcome(household, lamp.device_id, "OnOff.Off")
            await renamed(household, lamp.device_id, "Lost name")
            await household.new_device("Lost device")
            await all_named(household, ["Lost device", "Lost name"])
            assert (kept[1], lost[1]) == ("SUCCEEDED", "SUCCEEDED")

            listed, restoring, *afterwards = section
            assert "evening" in (await operator.type(listed)).text
            for name in reversed(platform.processes):
                await platform.supervisor.stop(name)
            said = await operator.type(restoring, BACKUP="evening")
            assert said.code == 0, said.text
            await restarted(platform, settings_in(said.text))

            operator = Operator(platform.environment, tmp_path)
            again = await outcome(household, lamp.device_id, "OnOff.Off")
            assert again == (lost[0], "SUCCEEDED"), "the lost number, done anew by the device"
            assert lamp.executed == [kept[0], lost[0], lost[0]]
            for command in afterwards:
                done = await operator.type(command)
                assert done.code == 0, done.text
            assert await names(household) == ["Lamp"]
            history = (await household.command(lamp.device_id, lost[0]))["history"]
            assert [one["status"] for one in history] == ["ACCEPTED", "SENT", "SUCCEEDED"]


async def all_named(household: Household, wanted: list[str]) -> None:
    async def there() -> bool:
        return await names(household) == wanted

    await eventually(there, within=10)


def settings_in(text: str) -> dict[str, str]:
    found: dict[str, Any] = {}
    for line in text.splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and name.startswith("HOMECAST_"):
            found[name] = value
    assert found["HOMECAST_STORE_GENERATION"] == "2"
    return found
