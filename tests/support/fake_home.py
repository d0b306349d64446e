"""A home without a platform: the HTTP API's shapes, twelve devices and strings to pull.

For the web page's browser tests: what is hard to provoke in a real platform is one call here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from adapters.inbound.dashboard import mount
from domain.devices.capabilities import KINDS, DeviceKind, command_names
from tests.support.fake_oauth import FakeOAuth

TOKEN = "hc_" + "x" * 43
HOME = "01M83HZ9BTRM3T4TJHKCWEYMQ9"
NAMES = {
    DeviceKind.ON_OFF_LIGHT: "Hall light",
    DeviceKind.DIMMABLE_LIGHT: "Kitchen light",
    DeviceKind.EXTENDED_COLOR_LIGHT: "Reading lamp",
    DeviceKind.ON_OFF_PLUG_IN_UNIT: "Coffee machine",
    DeviceKind.THERMOSTAT: "Living room heating",
    DeviceKind.DOOR_LOCK: "Front door",
    DeviceKind.WINDOW_COVERING: "Bedroom blind",
    DeviceKind.TEMPERATURE_SENSOR: "Balcony",
    DeviceKind.HUMIDITY_SENSOR: "Bathroom",
    DeviceKind.LIGHT_SENSOR: "South window",
    DeviceKind.OCCUPANCY_SENSOR: "Stairs",
    DeviceKind.CONTACT_SENSOR: "Garden gate",
}
STATES: dict[str, dict[str, Any]] = {
    "OnOff": {"on_off": False},
    "LevelControl": {"current_level": 127},
    "ColorControl": {"color_temperature_mireds": 370},
    "Thermostat": {
        "local_temperature": 2050,
        "occupied_heating_setpoint": 2150,
        "occupied_cooling_setpoint": 2600,
        "system_mode": "Heat",
    },
    "DoorLock": {"lock_state": "Locked"},
    "WindowCovering": {"current_position_lift_percent_100ths": 4000},
    "TemperatureMeasurement": {"measured_value": 2150},
    "RelativeHumidityMeasurement": {"measured_value": 4800},
    "IlluminanceMeasurement": {"measured_value": 25001},
    "OccupancySensing": {"occupied": False},
    "BooleanState": {"state_value": True},
}
EFFECTS: dict[str, dict[str, Any]] = {
    "OnOff.On": {"on_off": True},
    "OnOff.Off": {"on_off": False},
    "DoorLock.LockDoor": {"lock_state": "Locked"},
    "DoorLock.UnlockDoor": {"lock_state": "Unlocked"},
    "WindowCovering.UpOrOpen": {"current_position_lift_percent_100ths": 0},
    "WindowCovering.DownOrClose": {"current_position_lift_percent_100ths": 10000},
}
RENAMED = {
    "LevelControl.MoveToLevel": {"level": "current_level"},
    "ColorControl.MoveToHueAndSaturation": {
        "hue": "current_hue",
        "saturation": "current_saturation",
    },
    "ColorControl.MoveToColorTemperature": {"color_temperature_mireds": "color_temperature_mireds"},
    "Thermostat.WriteOccupiedHeatingSetpoint": {"value": "occupied_heating_setpoint"},
    "Thermostat.WriteOccupiedCoolingSetpoint": {"value": "occupied_cooling_setpoint"},
    "Thermostat.WriteSystemMode": {"value": "system_mode"},
    "WindowCovering.GoToLiftPercentage": {
        "lift_percent_100ths": "current_position_lift_percent_100ths"
    },
}


class FakeHome:
    """``async with FakeHome() as home``: served at ``home.url`` on a free port."""

    def __init__(self) -> None:
        self.devices = {one["id"]: one for one in (_device(kind) for kind in DeviceKind)}
        self.commands: dict[str, dict[str, Any]] = {}
        self.streams: set[asyncio.Queue[tuple[str, Any] | None]] = set()
        self.keys: list[str] = []
        self.problems: list[tuple[int, dict[str, Any]]] = []
        """Answers for the next submits, instead of accepting them."""
        self.outcome = "SUCCEEDED"
        self.pace = asyncio.Event()
        """Devices act only while it is set."""
        self.pace.set()
        self.reachable = True
        self.refused = 0
        """Streams that were asked for while it was not reachable."""
        self.url = ""
        self.oauth = FakeOAuth()
        self.homes = [{"home_id": HOME, "role": "owner", "since": None, "ends_at": None}]
        self.elsewhere: dict[str, list[dict[str, Any]]] = {}
        """Devices of other homes, by the home's id."""
        self._tasks: set[asyncio.Task[None]] = set()

    def id_of(self, name: str) -> str:
        return str(next(one["id"] for one in self.devices.values() if one["name"] == name))

    def tell(self, event: str, data: Any) -> None:
        for stream in self.streams:
            stream.put_nowait((event, data))

    def presence(self, name: str, *, online: bool) -> None:
        device_id = self.id_of(name)
        self.devices[device_id]["online"] = online
        self.tell("presence", {"device_id": device_id, "online": online})

    def report(self, device_id: str, cluster: str, state: dict[str, Any]) -> None:
        self.devices[device_id]["state"].setdefault(cluster, {}).update(state)
        self.tell("twin", {"device_id": device_id, "state": {cluster: state}})

    def lose_streams(self) -> None:
        """End all live streams and refuse new ones until ``reachable`` is set again."""
        self.reachable = False
        for stream in self.streams:
            stream.put_nowait(None)

    # --- commands -------------------------------------------------------------------------------

    def accept(self, device_id: str, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.commands) + 2
        now = datetime.now(UTC)
        command = {
            "id": f"{device_id}.{number}",
            "device_id": device_id,
            "number": number,
            "command": body["command"],
            "args": body.get("args", {}),
            "status": "ACCEPTED",
            "accepted_at": _iso(now),
            "expires_at": _iso(now + timedelta(seconds=body.get("ttl", 60))),
            "updated_at": _iso(now),
            "result": None,
            "error": None,
            "detail": None,
            "late": False,
            "step": 1,
            "history": [{"step": 1, "status": "ACCEPTED", "at": _iso(now)}],
        }
        self.commands[command["id"]] = command
        self._tell_command(command)
        if self.devices[device_id]["online"]:
            task = asyncio.get_running_loop().create_task(self._execute(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return command

    def move(self, command: dict[str, Any], status: str, **extra: Any) -> None:
        at = _iso(datetime.now(UTC))
        command.update(status=status, step=command["step"] + 1, updated_at=at, **extra)
        command["history"].append({"step": command["step"], "status": status, "at": at})
        self._tell_command(command, **extra)

    def _tell_command(self, command: dict[str, Any], **extra: Any) -> None:
        names = ("device_id", "number", "id", "status", "step", "command", "args")
        self.tell("command", {k: command[k] for k in names} | {"at": command["updated_at"]} | extra)

    async def _execute(self, command: dict[str, Any]) -> None:
        await self.pace.wait()
        self.move(command, "SENT")
        if self.outcome != "SUCCEEDED":
            self.move(command, self.outcome, error="obstructed", detail="something is in the way")
            return
        name, args = command["command"], command["args"]
        renamed = {to: args[at] for at, to in RENAMED.get(name, {}).items() if at in args}
        self.move(command, "SUCCEEDED", result={})
        self.report(command["device_id"], name.split(".")[0], EFFECTS.get(name, {}) | renamed)

    # --- HTTP -----------------------------------------------------------------------------------

    def app(self) -> FastAPI:
        app = FastAPI()
        mount(app)
        self.oauth.mount(app)
        app.add_api_route("/v1/homes", self._homes, methods=["GET"])
        app.add_api_route("/v1/live", self._live, methods=["GET"])
        commands = "/v1/devices/{device_id}/commands"
        app.add_api_route(commands, self._submit, methods=["POST"])
        app.add_api_route(f"{commands}/{{number}}", self._command, methods=["GET"])
        app.add_api_route(f"{commands}/{{number}}/cancel", self._cancel, methods=["POST"])
        return app

    async def _submit(self, device_id: str, request: Request) -> Response:
        self.keys.append(request.headers["idempotency-key"])
        if self.problems:
            status, content = self.problems.pop(0)
            return JSONResponse(content, status, media_type="application/problem+json")
        return JSONResponse(self.accept(device_id, await request.json()), 202)

    async def _command(self, device_id: str, number: int) -> Response:
        return JSONResponse(self.commands[f"{device_id}.{number}"])

    async def _cancel(self, device_id: str, number: int) -> Response:
        command = self.commands[f"{device_id}.{number}"]
        self.move(command, "CANCELED")
        return JSONResponse(command)

    def lets_in(self, request: Request) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return token == TOKEN or self.oauth.accepts(token)

    async def _homes(self, request: Request) -> Response:
        if not self.lets_in(request):
            return problem(401, "unauthenticated")
        return JSONResponse({"items": self.homes})

    async def _live(self, request: Request, home: str = HOME) -> Response:
        if not self.reachable:
            self.refused += 1
            return Response(status_code=503)
        if not self.lets_in(request):
            return problem(401, "unauthenticated")
        if home not in (HOME, *self.elsewhere):
            return problem(404, "home_not_found")
        devices = [*self.devices.values()] if home == HOME else self.elsewhere[home]
        return StreamingResponse(self._events(devices), media_type="text/event-stream")

    async def _events(self, devices: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        stream: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        commands = [*reversed(self.commands.values())]
        stream.put_nowait(("snapshot", {"devices": devices, "commands": commands}))
        self.streams.add(stream)
        try:
            while (message := await stream.get()) is not None:
                event, data = message
                yield b"event: %s\ndata: %s\n\n" % (event.encode(), orjson.dumps(data))
        finally:
            self.streams.discard(stream)

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = self.oauth.issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self.app(), log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._served = asyncio.create_task(self._server.serve([listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.lose_streams()
        self.pace.set()
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._served


def problem(status: int, code: str) -> Response:
    content = {"title": code, "status": status, "code": code}
    return JSONResponse(content, status, media_type="application/problem+json")


def _device(kind: DeviceKind) -> dict[str, Any]:
    capabilities = KINDS[kind]
    commands = command_names(capabilities).items()
    return {
        "id": f"{kind.value.replace('_', ''):a<26}"[:26],
        "name": NAMES[kind],
        "kind": kind.value,
        "status": "CLAIMED",
        "online": True,
        "state": {one.cluster: dict(STATES[one.cluster]) for one in capabilities},
        "reported_at": _iso(datetime.now(UTC)),
        "capabilities": [one.model_dump(mode="json") for one in capabilities],
        "commands": [{"name": name, "args": args.model_json_schema()} for name, args in commands],
        "version": 1,
        "claimed_at": _iso(datetime.now(UTC)),
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
