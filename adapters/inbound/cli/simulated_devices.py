"""What each kind of simulated device does: states that obey commands, drift and are measured."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.inbound.cli.device_client import Failed, Outcome, Rejected, State, TellProgress
from domain.devices.capabilities import KINDS, DeviceKind

BLIND_SPEED = 2500
"""0.01 % a second: four seconds for the whole way."""
BLIND_STEP = 0.5
DRIFT = 10.0
"""Seconds between measurements and between the steps of a temperature."""

START: dict[str, dict[str, Any]] = {
    "OnOff": {"on_off": False},
    "LevelControl": {"current_level": 128},
    "ColorControl": {"color_temperature_mireds": 370},
    "Thermostat": {
        "local_temperature": 1950,
        "occupied_heating_setpoint": 2100,
        "occupied_cooling_setpoint": 2600,
        "system_mode": "Heat",
    },
    "DoorLock": {"lock_state": "Locked"},
    "WindowCovering": {"current_position_lift_percent_100ths": 0},
    "TemperatureMeasurement": {"measured_value": 2140},
    "RelativeHumidityMeasurement": {"measured_value": 4700},
    "IlluminanceMeasurement": {"measured_value": 24771},
    "OccupancySensing": {"occupied": False},
    "BooleanState": {"state_value": True},
}

Report = Callable[[State], Awaitable[None]]
Execute = Callable[[dict[str, Any], TellProgress], Awaitable[State]]


class SimulatedDevice:
    """One of any kind: it has the clusters of its kind and obeys their commands.

    ``latency``: seconds that a command takes, from and to. ``drift``: between measurements.
    """

    def __init__(
        self,
        kind: DeviceKind,
        *,
        latency: tuple[float, float] = (0.02, 0.15),
        drift: float = DRIFT,
        seed: str | None = None,
    ) -> None:
        self.kind = kind
        self._latency = latency
        self._drift = drift
        self._dice = random.Random(seed)  # noqa: S311
        clusters = [capability.cluster for capability in KINDS[kind]]
        self._state: State = {cluster: dict(START[cluster]) for cluster in clusters}
        self._moving: asyncio.Event | None = None
        self._commands: dict[str, Execute] = {
            "OnOff": self._on_off,
            "LevelControl": self._level,
            "ColorControl": self._color,
            "Thermostat": self._thermostat,
            "DoorLock": self._lock,
            "WindowCovering": self._blind,
        }

    def state(self) -> State:
        return {cluster: dict(attributes) for cluster, attributes in self._state.items()}

    async def execute(self, command: str, args: dict[str, Any], progress: TellProgress) -> Outcome:
        cluster, _, name = command.partition(".")
        if cluster not in self._state or cluster not in self._commands:
            raise Rejected("unsupported_cluster")
        await asyncio.sleep(self._dice.uniform(*self._latency))
        changed = await self._commands[cluster]({"command": name, **args}, progress)
        return Outcome(state=changed)

    def _set(self, cluster: str, **attributes: Any) -> State:
        self._state[cluster].update(attributes)
        return {cluster: attributes}

    # --- commands ---------------------------------------------------------------------------------

    async def _on_off(self, args: dict[str, Any], _: TellProgress) -> State:
        now = self._state["OnOff"]["on_off"]
        wanted = {"On": True, "Off": False, "Toggle": not now}[args["command"]]
        return self._set("OnOff", on_off=wanted)

    async def _level(self, args: dict[str, Any], _: TellProgress) -> State:
        await asyncio.sleep(args.get("transition_time", 0) / 10)
        return self._set("LevelControl", current_level=args["level"])

    async def _color(self, args: dict[str, Any], _: TellProgress) -> State:
        await asyncio.sleep(args.get("transition_time", 0) / 10)
        if args["command"] == "MoveToColorTemperature":
            mireds = args["color_temperature_mireds"]
            return self._set("ColorControl", color_temperature_mireds=mireds)
        hue, saturation = args["hue"], args["saturation"]
        return self._set("ColorControl", current_hue=hue, current_saturation=saturation)

    async def _thermostat(self, args: dict[str, Any], _: TellProgress) -> State:
        if args["command"] == "WriteSystemMode":
            return self._set("Thermostat", system_mode=args["value"])
        if args["command"] == "WriteOccupiedHeatingSetpoint":
            return self._set("Thermostat", occupied_heating_setpoint=args["value"])
        if args["command"] == "WriteOccupiedCoolingSetpoint":
            return self._set("Thermostat", occupied_cooling_setpoint=args["value"])
        return self._raise_or_lower(args["mode"], args["amount"] * 10)

    def _raise_or_lower(self, mode: str, hundredths: int) -> State:
        """Limits as of ``domain.devices.capabilities.Thermostat``: it stops at them."""
        state, changed = self._state["Thermostat"], {}
        if mode in ("Heat", "Both"):
            wanted = state["occupied_heating_setpoint"] + hundredths
            changed["occupied_heating_setpoint"] = min(max(wanted, 700), 3000)
        if mode in ("Cool", "Both"):
            wanted = state["occupied_cooling_setpoint"] + hundredths
            changed["occupied_cooling_setpoint"] = min(max(wanted, 1600), 3200)
        return self._set("Thermostat", **changed)

    async def _lock(self, args: dict[str, Any], _: TellProgress) -> State:
        locked = args["command"] == "LockDoor"
        await asyncio.sleep(self._latency[1] * 2)
        return self._set("DoorLock", lock_state="Locked" if locked else "Unlocked")

    async def _blind(self, args: dict[str, Any], progress: TellProgress) -> State:
        """A new movement ends the one before it, which then has failed."""
        if self._moving is not None:
            self._moving.set()
        if args["command"] == "StopMotion":
            return self._set("WindowCovering", **self._state["WindowCovering"])
        target = {"UpOrOpen": 0, "DownOrClose": 10_000}.get(args["command"])
        target = args["lift_percent_100ths"] if target is None else target
        stopped = self._moving = asyncio.Event()
        return await self._move(target, stopped, progress)

    async def _move(self, target: int, stopped: asyncio.Event, progress: TellProgress) -> State:
        name = "current_position_lift_percent_100ths"
        start = at = self._state["WindowCovering"][name]
        while at != target:
            try:
                async with asyncio.timeout(BLIND_STEP):
                    await stopped.wait()
                raise Failed("stopped")
            except TimeoutError:
                step = min(BLIND_SPEED * BLIND_STEP, abs(target - at))
                at = int(at + math.copysign(step, target - at))
            self._set("WindowCovering", **{name: at})
            if at != target:
                await progress(100 * abs(at - start) // abs(target - start), None)
        return self._set("WindowCovering", **{name: at})

    # --- by itself --------------------------------------------------------------------------------

    async def live(self, report: Report) -> None:
        """Measure, drift, and report what has changed, until cancelled."""
        while True:
            await asyncio.sleep(self._drift * self._dice.uniform(0.8, 1.2))
            changed = self._measured()
            if changed:
                await report(changed)

    def _measured(self) -> State:
        changed: State = {}
        for cluster, state in self._state.items():
            if cluster == "Thermostat":
                changed |= self._warmed(state)
            elif cluster in STEPS:
                value = self._wandered(state["measured_value"], *STEPS[cluster])
                changed |= self._set(cluster, measured_value=value)
            elif cluster == "OccupancySensing" and self._dice.random() < 0.3:
                changed |= self._set(cluster, occupied=not state["occupied"])
            elif cluster == "BooleanState" and self._dice.random() < 0.15:
                changed |= self._set(cluster, state_value=not state["state_value"])
        return changed

    def _wandered(self, value: int, step: int, low: int, high: int) -> int:
        return min(max(value + self._dice.randint(-step, step), low), high)

    def _warmed(self, state: dict[str, Any]) -> State:
        """A tenth of the way to what the mode asks for; to 18 °C when it is off."""
        wanted = {
            "Heat": state["occupied_heating_setpoint"],
            "Cool": state["occupied_cooling_setpoint"],
            "Auto": state["occupied_heating_setpoint"],
        }.get(state["system_mode"], 1800)
        gap = wanted - state["local_temperature"]
        if abs(gap) < 5:
            return {}
        step = math.copysign(max(5, abs(gap) // 10), gap)
        return self._set("Thermostat", local_temperature=int(state["local_temperature"] + step))


STEPS = {
    "TemperatureMeasurement": (15, 1500, 2800),
    "RelativeHumidityMeasurement": (60, 3000, 7000),
    "IlluminanceMeasurement": (400, 10_000, 40_000),
}
"""Of measured values: how far they wander, and between what."""
