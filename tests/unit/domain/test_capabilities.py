"""Arguments and limits of every command, one row a case."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from domain.devices.capabilities import (
    CAPABILITIES,
    KINDS,
    BooleanState,
    Capabilities,
    Capability,
    ColorControl,
    CommandNotSupported,
    DeviceKind,
    DoorLock,
    LevelControl,
    OccupancySensing,
    OnOff,
    Thermostat,
    WindowCovering,
    check_command,
    check_report,
    command_names,
)
from domain.kernel.errors import InvalidInput

LIGHT: Capabilities = (OnOff(), LevelControl(min_level=10, max_level=200), ColorControl())
HEATER: Capabilities = (Thermostat(),)
BLIND: Capabilities = (WindowCovering(),)
HUE, TEMPERATURE = "ColorControl.MoveToHueAndSaturation", "ColorControl.MoveToColorTemperature"
HEAT, COOL = "Thermostat.WriteOccupiedHeatingSetpoint", "Thermostat.WriteOccupiedCoolingSetpoint"
LEVEL, LIFT = "LevelControl.MoveToLevel", "WindowCovering.GoToLiftPercentage"

NOW = {"transition_time": 0}
VALID: list[tuple[Capabilities, str, dict[str, Any], dict[str, Any]]] = [
    (LIGHT, "OnOff.On", {}, {}),
    (LIGHT, "OnOff.Off", {}, {}),
    (LIGHT, "OnOff.Toggle", {}, {}),
    (LIGHT, LEVEL, {"level": 10}, NOW),
    (LIGHT, LEVEL, {"level": 200, "transition_time": 65534}, {}),
    (LIGHT, HUE, {"hue": 0, "saturation": 254}, NOW),
    (LIGHT, TEMPERATURE, {"color_temperature_mireds": 153}, NOW),
    (LIGHT, TEMPERATURE, {"color_temperature_mireds": 500}, NOW),
    (HEATER, "Thermostat.SetpointRaiseLower", {"mode": "Both", "amount": -128}, {}),
    (HEATER, HEAT, {"value": 700}, {}),
    (HEATER, HEAT, {"value": 3000}, {}),
    (HEATER, COOL, {"value": 1600}, {}),
    (HEATER, COOL, {"value": 3200}, {}),
    (HEATER, "Thermostat.WriteSystemMode", {"value": "Auto"}, {}),
    ((DoorLock(),), "DoorLock.LockDoor", {}, {}),
    ((DoorLock(),), "DoorLock.UnlockDoor", {}, {}),
    (BLIND, "WindowCovering.UpOrOpen", {}, {}),
    (BLIND, "WindowCovering.DownOrClose", {}, {}),
    (BLIND, "WindowCovering.StopMotion", {}, {}),
    (BLIND, LIFT, {"lift_percent_100ths": 0}, {}),
    (BLIND, LIFT, {"lift_percent_100ths": 10000}, {}),
]
INVALID: list[tuple[Capabilities, str, dict[str, Any], str]] = [
    (LIGHT, "OnOff.On", {"level": 1}, "level"),
    (LIGHT, LEVEL, {}, "level"),
    (LIGHT, LEVEL, {"level": 9}, "level"),
    (LIGHT, LEVEL, {"level": 201}, "level"),
    (LIGHT, LEVEL, {"level": 0}, "level"),
    (LIGHT, LEVEL, {"level": 255}, "level"),
    (LIGHT, LEVEL, {"level": None}, "level"),
    (LIGHT, LEVEL, {"level": "high"}, "level"),
    (LIGHT, LEVEL, {"level": 10**40}, "level"),
    (LIGHT, LEVEL, {"level": "100"}, "level"),
    (LIGHT, LEVEL, {"level": True}, "level"),
    (LIGHT, LEVEL, {"level": 100.0}, "level"),
    (LIGHT, LEVEL, {"level": 100, "transition_time": 65535}, "transition_time"),
    (LIGHT, LEVEL, {"level": 100, "transition_time": -1}, "transition_time"),
    (LIGHT, LEVEL, {"level": 100, "speed": 1}, "speed"),
    (LIGHT, HUE, {"hue": 255, "saturation": 0}, "hue"),
    (LIGHT, HUE, {"hue": 0, "saturation": -1}, "saturation"),
    (LIGHT, TEMPERATURE, {"color_temperature_mireds": 152}, "color_temperature_mireds"),
    (LIGHT, TEMPERATURE, {"color_temperature_mireds": 501}, "color_temperature_mireds"),
    (HEATER, HEAT, {"value": 699}, "value"),
    (HEATER, HEAT, {"value": 3001}, "value"),
    (HEATER, COOL, {"value": 1599}, "value"),
    (HEATER, COOL, {"value": 3201}, "value"),
    (HEATER, "Thermostat.SetpointRaiseLower", {"mode": "Warm", "amount": 1}, "mode"),
    (HEATER, "Thermostat.SetpointRaiseLower", {"mode": "Heat", "amount": 128}, "amount"),
    (HEATER, "Thermostat.WriteSystemMode", {"value": "Warm"}, "value"),
    (BLIND, LIFT, {"lift_percent_100ths": 10001}, "lift_percent_100ths"),
    (BLIND, LIFT, {"lift_percent_100ths": -1}, "lift_percent_100ths"),
]


@pytest.mark.parametrize(("capabilities", "command", "given", "filled_in"), VALID)
def test_valid_arguments_are_stored_with_their_defaults(
    capabilities: Capabilities, command: str, given: dict[str, Any], filled_in: dict[str, Any]
) -> None:
    assert check_command(capabilities, command, given) == given | filled_in


@pytest.mark.parametrize(("capabilities", "command", "given", "field"), INVALID)
def test_invalid_arguments_are_refused_with_the_field(
    capabilities: Capabilities, command: str, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_command(capabilities, command, given)
    extra = refused.value.extra
    fields = [one["field"] for one in extra["errors"]] if "errors" in extra else [extra["field"]]
    assert field in fields


def test_every_command_of_every_cluster_has_a_valid_case() -> None:
    tried = {command for _, command, _, _ in VALID}
    everything = tuple(cluster() for cluster in get_args(get_args(Capability)[0]))
    assert tried == set(command_names(everything))


@pytest.mark.parametrize(
    "command", ["OnOff.Explode", "Fan.On", "OnOff", "", ".", "OnOff.", ".On", "onoff.on", "A.B.C"]
)
def test_an_unknown_command_lists_the_known_ones(command: str) -> None:
    with pytest.raises(CommandNotSupported) as refused:
        check_command((OnOff(), LevelControl()), command, {})
    known = ["LevelControl.MoveToLevel", "OnOff.Off", "OnOff.On", "OnOff.Toggle"]
    assert refused.value.extra["commands"] == known


def test_a_light_without_hue_has_no_command_for_it() -> None:
    white = (ColorControl(hue_saturation=False),)
    with pytest.raises(CommandNotSupported) as refused:
        check_command(white, HUE, {"hue": 1, "saturation": 1})
    assert refused.value.extra["commands"] == [TEMPERATURE]


def test_a_sensor_has_no_commands() -> None:
    with pytest.raises(CommandNotSupported) as refused:
        check_command((BooleanState(),), "BooleanState.Toggle", {})
    assert refused.value.extra["commands"] == []


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_the_capabilities_of_a_kind_survive_json_and_have_one_cluster_each(
    kind: DeviceKind,
) -> None:
    capabilities = KINDS[kind]
    assert CAPABILITIES.validate_json(CAPABILITIES.dump_json(capabilities)) == capabilities
    clusters = [capability.cluster for capability in capabilities]
    assert len(set(clusters)) == len(clusters)


def test_a_report_keeps_only_what_was_given() -> None:
    state = check_report(LIGHT, {"OnOff": {"on_off": True}, "LevelControl": {}})
    assert state == {"OnOff": {"on_off": True}, "LevelControl": {}}


@pytest.mark.parametrize(
    "state",
    [
        {"OnOff": {"on_off": "perhaps"}},
        {"OnOff": {"colour": 1}},
        {"OnOff": None},
        {"LevelControl": {"current_level": 255}},
        {"Thermostat": {"local_temperature": 2000}},
    ],
)
def test_a_report_that_does_not_fit_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        check_report(LIGHT, state)


def test_an_unknown_cluster_of_a_report_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_report((OnOff(), OccupancySensing()), {"Fan": {}})
    assert refused.value.extra["clusters"] == ["OccupancySensing", "OnOff"]
