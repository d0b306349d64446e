"""What devices can do, named and ranged after the clusters of the Matter specification 1.4.

A capability is one cluster with the limits of one device; it lists the commands it takes, the
attributes it reports, and checks both. Temperatures are in 0.01 °C, levels 1-254, positions in
0.01 %, colour temperatures in mireds (10⁶ / kelvin), transition times in 0.1 s, as in Matter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, TypeAdapter, ValidationError

from domain.kernel.errors import InvalidInput, Refused


class CommandNotSupported(Refused):
    """The device has no such command; ``extra["commands"]`` lists those it has."""

    code = "command_not_supported"


class Arguments(BaseModel):
    """No arguments; the base of those with some. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


TransitionTime = Annotated[
    int, Field(strict=True, ge=0, le=65534, description="Tenths of a second")
]


class MoveToLevel(Arguments):
    level: int = Field(strict=True, ge=1, le=254)
    transition_time: TransitionTime = 0


class MoveToHueAndSaturation(Arguments):
    hue: int = Field(strict=True, ge=0, le=254)
    saturation: int = Field(strict=True, ge=0, le=254)
    transition_time: TransitionTime = 0


class MoveToColorTemperature(Arguments):
    color_temperature_mireds: int = Field(strict=True, ge=1, le=65279)
    transition_time: TransitionTime = 0


class SetpointMode(StrEnum):
    HEAT = "Heat"
    COOL = "Cool"
    BOTH = "Both"


class SystemMode(StrEnum):
    OFF = "Off"
    AUTO = "Auto"
    COOL = "Cool"
    HEAT = "Heat"


class SetpointRaiseLower(Arguments):
    mode: SetpointMode
    amount: int = Field(strict=True, ge=-128, le=127, description="Tenths of a degree Celsius")


class WriteOccupiedHeatingSetpoint(Arguments):
    value: int = Field(strict=True, ge=-27315, le=32767, description="0.01 °C")


class WriteOccupiedCoolingSetpoint(Arguments):
    value: int = Field(strict=True, ge=-27315, le=32767, description="0.01 °C")


class WriteSystemMode(Arguments):
    value: SystemMode


class GoToLiftPercentage(Arguments):
    lift_percent_100ths: int = Field(
        strict=True, ge=0, le=10000, description="0 open, 10000 closed"
    )


class Attributes(BaseModel):
    """Reported attributes of a cluster, all optional: a report may hold only what changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cluster(BaseModel):
    """Base of all capabilities. ``commands``: name → arguments; ``attributes``: what it reports."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    commands: ClassVar[dict[str, type[Arguments]]] = {}
    attributes: ClassVar[type[Attributes]] = Attributes

    def check(self, arguments: Arguments) -> None:
        """Raise ``InvalidInput`` where the arguments go beyond this device's own limits."""

    def available(self) -> dict[str, type[Arguments]]:
        """The commands that this device's features leave."""
        return self.commands


def within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"{name} must be from {low} to {high}", field=name, given=value)


class OnOffAttributes(Attributes):
    on_off: StrictBool | None = None


class OnOff(Cluster):
    cluster: Literal["OnOff"] = "OnOff"
    commands: ClassVar[dict[str, type[Arguments]]] = {
        "On": Arguments,
        "Off": Arguments,
        "Toggle": Arguments,
    }
    attributes: ClassVar[type[Attributes]] = OnOffAttributes


class LevelControlAttributes(Attributes):
    current_level: int | None = Field(None, strict=True, ge=0, le=254)


class LevelControl(Cluster):
    cluster: Literal["LevelControl"] = "LevelControl"
    min_level: int = Field(1, strict=True, ge=1, le=254)
    max_level: int = Field(254, strict=True, ge=1, le=254)
    commands: ClassVar[dict[str, type[Arguments]]] = {"MoveToLevel": MoveToLevel}
    attributes: ClassVar[type[Attributes]] = LevelControlAttributes

    def check(self, arguments: Arguments) -> None:
        if isinstance(arguments, MoveToLevel):
            within("level", arguments.level, self.min_level, self.max_level)


class ColorControlAttributes(Attributes):
    current_hue: int | None = Field(None, strict=True, ge=0, le=254)
    current_saturation: int | None = Field(None, strict=True, ge=0, le=254)
    color_temperature_mireds: int | None = Field(None, strict=True, ge=0, le=65279)


class ColorControl(Cluster):
    cluster: Literal["ColorControl"] = "ColorControl"
    hue_saturation: bool = True
    color_temp_physical_min_mireds: int = Field(153, strict=True, ge=1, le=65279)
    color_temp_physical_max_mireds: int = Field(500, strict=True, ge=1, le=65279)
    commands: ClassVar[dict[str, type[Arguments]]] = {
        "MoveToHueAndSaturation": MoveToHueAndSaturation,
        "MoveToColorTemperature": MoveToColorTemperature,
    }
    attributes: ClassVar[type[Attributes]] = ColorControlAttributes

    def available(self) -> dict[str, type[Arguments]]:
        if self.hue_saturation:
            return self.commands
        return {"MoveToColorTemperature": MoveToColorTemperature}

    def check(self, arguments: Arguments) -> None:
        if isinstance(arguments, MoveToColorTemperature):
            low, high = self.color_temp_physical_min_mireds, self.color_temp_physical_max_mireds
            within("color_temperature_mireds", arguments.color_temperature_mireds, low, high)


class ThermostatAttributes(Attributes):
    local_temperature: int | None = Field(None, strict=True, ge=-27315, le=32767)
    occupied_heating_setpoint: int | None = Field(None, strict=True, ge=-27315, le=32767)
    occupied_cooling_setpoint: int | None = Field(None, strict=True, ge=-27315, le=32767)
    system_mode: SystemMode | None = None


class Thermostat(Cluster):
    cluster: Literal["Thermostat"] = "Thermostat"
    min_heat_setpoint_limit: int = Field(700, strict=True, ge=-27315, le=32767)
    max_heat_setpoint_limit: int = Field(3000, strict=True, ge=-27315, le=32767)
    min_cool_setpoint_limit: int = Field(1600, strict=True, ge=-27315, le=32767)
    max_cool_setpoint_limit: int = Field(3200, strict=True, ge=-27315, le=32767)
    commands: ClassVar[dict[str, type[Arguments]]] = {
        "SetpointRaiseLower": SetpointRaiseLower,
        "WriteOccupiedHeatingSetpoint": WriteOccupiedHeatingSetpoint,
        "WriteOccupiedCoolingSetpoint": WriteOccupiedCoolingSetpoint,
        "WriteSystemMode": WriteSystemMode,
    }
    attributes: ClassVar[type[Attributes]] = ThermostatAttributes

    def check(self, arguments: Arguments) -> None:
        if isinstance(arguments, WriteOccupiedHeatingSetpoint):
            low, high = self.min_heat_setpoint_limit, self.max_heat_setpoint_limit
            within("value", arguments.value, low, high)
        if isinstance(arguments, WriteOccupiedCoolingSetpoint):
            low, high = self.min_cool_setpoint_limit, self.max_cool_setpoint_limit
            within("value", arguments.value, low, high)


class LockState(StrEnum):
    NOT_FULLY_LOCKED = "NotFullyLocked"
    LOCKED = "Locked"
    UNLOCKED = "Unlocked"


class DoorLockAttributes(Attributes):
    lock_state: LockState | None = None


class DoorLock(Cluster):
    """No PIN travels in a command: it would be stored in an event."""

    cluster: Literal["DoorLock"] = "DoorLock"
    commands: ClassVar[dict[str, type[Arguments]]] = {
        "LockDoor": Arguments,
        "UnlockDoor": Arguments,
    }
    attributes: ClassVar[type[Attributes]] = DoorLockAttributes


class WindowCoveringAttributes(Attributes):
    current_position_lift_percent_100ths: int | None = Field(None, strict=True, ge=0, le=10000)


class WindowCovering(Cluster):
    cluster: Literal["WindowCovering"] = "WindowCovering"
    commands: ClassVar[dict[str, type[Arguments]]] = {
        "UpOrOpen": Arguments,
        "DownOrClose": Arguments,
        "StopMotion": Arguments,
        "GoToLiftPercentage": GoToLiftPercentage,
    }
    attributes: ClassVar[type[Attributes]] = WindowCoveringAttributes


class TemperatureAttributes(Attributes):
    measured_value: int | None = Field(
        None, strict=True, ge=-27315, le=32767, description="0.01 °C"
    )


class TemperatureMeasurement(Cluster):
    cluster: Literal["TemperatureMeasurement"] = "TemperatureMeasurement"
    attributes: ClassVar[type[Attributes]] = TemperatureAttributes


class HumidityAttributes(Attributes):
    measured_value: int | None = Field(None, strict=True, ge=0, le=10000, description="0.01 %")


class RelativeHumidityMeasurement(Cluster):
    cluster: Literal["RelativeHumidityMeasurement"] = "RelativeHumidityMeasurement"
    attributes: ClassVar[type[Attributes]] = HumidityAttributes


class IlluminanceAttributes(Attributes):
    measured_value: int | None = Field(
        None, strict=True, ge=0, le=65534, description="10000·log10(lux) + 1"
    )


class IlluminanceMeasurement(Cluster):
    cluster: Literal["IlluminanceMeasurement"] = "IlluminanceMeasurement"
    attributes: ClassVar[type[Attributes]] = IlluminanceAttributes


class OccupancyAttributes(Attributes):
    occupied: StrictBool | None = None


class OccupancySensing(Cluster):
    cluster: Literal["OccupancySensing"] = "OccupancySensing"
    attributes: ClassVar[type[Attributes]] = OccupancyAttributes


class BooleanStateAttributes(Attributes):
    state_value: StrictBool | None = None


class BooleanState(Cluster):
    """A contact sensor: true while closed."""

    cluster: Literal["BooleanState"] = "BooleanState"
    attributes: ClassVar[type[Attributes]] = BooleanStateAttributes


Capability = Annotated[
    OnOff
    | LevelControl
    | ColorControl
    | Thermostat
    | DoorLock
    | WindowCovering
    | TemperatureMeasurement
    | RelativeHumidityMeasurement
    | IlluminanceMeasurement
    | OccupancySensing
    | BooleanState,
    Field(discriminator="cluster"),
]
Capabilities = tuple[Capability, ...]
CAPABILITIES: TypeAdapter[Capabilities] = TypeAdapter(Capabilities)


class DeviceKind(StrEnum):
    """Device types of the Matter device library."""

    ON_OFF_LIGHT = "on_off_light"
    DIMMABLE_LIGHT = "dimmable_light"
    EXTENDED_COLOR_LIGHT = "extended_color_light"
    ON_OFF_PLUG_IN_UNIT = "on_off_plug_in_unit"
    THERMOSTAT = "thermostat"
    DOOR_LOCK = "door_lock"
    WINDOW_COVERING = "window_covering"
    TEMPERATURE_SENSOR = "temperature_sensor"
    HUMIDITY_SENSOR = "humidity_sensor"
    LIGHT_SENSOR = "light_sensor"
    OCCUPANCY_SENSOR = "occupancy_sensor"
    CONTACT_SENSOR = "contact_sensor"


KINDS: dict[DeviceKind, Capabilities] = {
    DeviceKind.ON_OFF_LIGHT: (OnOff(),),
    DeviceKind.DIMMABLE_LIGHT: (OnOff(), LevelControl()),
    DeviceKind.EXTENDED_COLOR_LIGHT: (OnOff(), LevelControl(), ColorControl()),
    DeviceKind.ON_OFF_PLUG_IN_UNIT: (OnOff(),),
    DeviceKind.THERMOSTAT: (Thermostat(),),
    DeviceKind.DOOR_LOCK: (DoorLock(),),
    DeviceKind.WINDOW_COVERING: (WindowCovering(),),
    DeviceKind.TEMPERATURE_SENSOR: (TemperatureMeasurement(),),
    DeviceKind.HUMIDITY_SENSOR: (RelativeHumidityMeasurement(),),
    DeviceKind.LIGHT_SENSOR: (IlluminanceMeasurement(),),
    DeviceKind.OCCUPANCY_SENSOR: (OccupancySensing(),),
    DeviceKind.CONTACT_SENSOR: (BooleanState(),),
}
"""The capabilities that a device of a kind has unless its claim says otherwise."""


def command_names(capabilities: Capabilities) -> dict[str, type[Arguments]]:
    """All commands of a device, by full name (``OnOff.On``)."""
    return {
        f"{capability.cluster}.{name}": arguments
        for capability in capabilities
        for name, arguments in capability.available().items()
    }


def check_command(
    capabilities: Capabilities, command: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """The arguments as they are stored, defaults filled in.

    Raises ``CommandNotSupported`` or ``InvalidInput`` (``extra["errors"]``: field and reason).
    """
    cluster, _, name = command.partition(".")
    owner = next((c for c in capabilities if c.cluster == cluster), None)
    shape = owner.available().get(name) if owner else None
    if owner is None or shape is None:
        known = sorted(command_names(capabilities))
        raise CommandNotSupported(f"the device has no command {command!r}", commands=known)
    parsed = parse(shape, arguments)
    owner.check(parsed)
    return parsed.model_dump(mode="json")


def check_report(
    capabilities: Capabilities, state: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Reported state by cluster, only what was given; raises ``InvalidInput``."""
    known: dict[str, type[Attributes]] = {c.cluster: c.attributes for c in capabilities}
    unknown = sorted(set(state) - set(known))
    if unknown:
        raise InvalidInput(f"the device has no {', '.join(unknown)}", clusters=sorted(known))
    return {
        cluster: parse(known[cluster], attributes).model_dump(mode="json", exclude_unset=True)
        for cluster, attributes in state.items()
    }


P = TypeVar("P", Arguments, Attributes)


def parse(shape: type[P], given: dict[str, Any]) -> P:
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        errors = [
            {"field": ".".join(map(str, one["loc"])), "reason": one["msg"]}
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidInput("the arguments do not fit", errors=errors) from error
