"""Simulated devices: each kind obeys all of its commands and reports only what it has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.cli import simulated_devices
from adapters.inbound.cli.device_client import Failed, Rejected, State
from adapters.inbound.cli.simulated_devices import SimulatedDevice
from adapters.inbound.cli.simulator import HOME, home, kept_key
from domain.devices.capabilities import (
    KINDS,
    DeviceKind,
    check_command,
    check_report,
    command_names,
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "LevelControl.MoveToLevel": {"level": 9},
    "ColorControl.MoveToHueAndSaturation": {"hue": 1, "saturation": 2},
    "ColorControl.MoveToColorTemperature": {"color_temperature_mireds": 200},
    "Thermostat.SetpointRaiseLower": {"mode": "Both", "amount": 127},
    "Thermostat.WriteOccupiedHeatingSetpoint": {"value": 2200},
    "Thermostat.WriteOccupiedCoolingSetpoint": {"value": 2500},
    "Thermostat.WriteSystemMode": {"value": "Off"},
    "WindowCovering.GoToLiftPercentage": {"lift_percent_100ths": 5000},
}


async def unheard(percent: int, detail: str | None) -> None:
    return None


def quick(kind: DeviceKind) -> SimulatedDevice:
    return SimulatedDevice(kind, latency=(0, 0), drift=0.001, seed="1")


@pytest.fixture(autouse=True)
def fast_blinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_devices, "BLIND_STEP", 0.01)
    monkeypatch.setattr(simulated_devices, "BLIND_SPEED", 100_000)


@pytest.mark.parametrize("kind", DeviceKind)
async def test_every_command_of_a_kind_is_obeyed(kind: DeviceKind) -> None:
    device = quick(kind)
    check_report(KINDS[kind], device.state())
    for name in command_names(KINDS[kind]):
        arguments = check_command(KINDS[kind], name, ARGUMENTS.get(name, {}))
        outcome = await device.execute(name, arguments, unheard)
        assert outcome.state is not None
        check_report(KINDS[kind], outcome.state)
        for cluster, attributes in outcome.state.items():
            assert attributes.items() <= device.state()[cluster].items()


async def test_a_command_of_another_kind_is_rejected() -> None:
    with pytest.raises(Rejected):
        await quick(DeviceKind.DOOR_LOCK).execute("OnOff.On", {}, unheard)


async def test_toggling_twice_leads_back() -> None:
    device = quick(DeviceKind.ON_OFF_LIGHT)
    before = device.state()
    await device.execute("OnOff.Toggle", {}, unheard)
    assert device.state() != before
    await device.execute("OnOff.Toggle", {}, unheard)
    assert device.state() == before


async def test_a_setpoint_stops_at_its_limits() -> None:
    device = quick(DeviceKind.THERMOSTAT)
    for _ in range(3):
        await device.execute(
            "Thermostat.SetpointRaiseLower", {"mode": "Heat", "amount": 127}, unheard
        )
    assert device.state()["Thermostat"]["occupied_heating_setpoint"] == 3000


async def test_a_blind_tells_its_progress_and_can_be_stopped() -> None:
    device = quick(DeviceKind.WINDOW_COVERING)
    told: list[int] = []
    moved = asyncio.Event()

    async def progress(percent: int, detail: str | None) -> None:
        told.append(percent)
        moved.set()

    moving = asyncio.create_task(device.execute("WindowCovering.DownOrClose", {}, progress))
    await moved.wait()
    await device.execute("WindowCovering.StopMotion", {}, unheard)
    with pytest.raises(Failed, match="stopped"):
        await moving
    position = device.state()["WindowCovering"]["current_position_lift_percent_100ths"]
    assert 0 < position < 10_000
    assert told == sorted(told)


async def test_a_thermostat_drifts_to_its_setpoint_and_stays_there() -> None:
    device = quick(DeviceKind.THERMOSTAT)
    reports: list[State] = []

    async def report(state: State) -> None:
        reports.append(state)

    living = asyncio.create_task(device.live(report))
    async with asyncio.timeout(5):
        while abs(device.state()["Thermostat"]["local_temperature"] - 2100) >= 5:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    living.cancel()
    temperatures = [one["Thermostat"]["local_temperature"] for one in reports]
    assert temperatures == sorted(temperatures)


def test_the_home_has_every_kind_and_no_name_twice() -> None:
    assert {kind for _, kind in HOME} == set(DeviceKind)
    names = [name for _, name, _ in home(40)]
    assert len(set(names)) == 40
    assert home(2, [DeviceKind.DOOR_LOCK])[1] == (2, "Front door 2", DeviceKind.DOOR_LOCK)


def test_a_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    key = kept_key(file)
    assert kept_key(file).private_bytes_raw() == key.private_bytes_raw()
    assert file.stat().st_mode & 0o077 == 0
