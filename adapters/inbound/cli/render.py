"""What the command line shows: for people on a terminal, or as JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.inbound.cli.client import FINAL, Json
from adapters.inbound.cli.connection import Trouble

STATUS_STYLES = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "REJECTED": "red",
    "TIMED_OUT": "red",
    "EXPIRED": "yellow",
    "CANCELED": "yellow",
    "SUPERSEDED": "yellow",
}


def plain(value: object) -> str:
    """Text of others: what is not printable (escape sequences of a terminal too) is left out."""
    return "".join(char for char in str(value) if char.isprintable())


def percent(part: float) -> str:
    return f"{part:.0f} %"


def celsius(value: int) -> str:
    return f"{value / 100:.1f} °C"


def lift(value: int) -> str:
    named = {0: "open", 10000: "closed"}
    return named.get(value) or f"{percent(value / 100)} closed"


ATTRIBUTES: dict[str, Callable[[Any], str]] = {
    "OnOff.on_off": lambda on: "on" if on else "off",
    "LevelControl.current_level": lambda level: percent(level / 2.54),
    "ColorControl.current_hue": lambda hue: f"hue {hue * 360 / 254:.0f}°",
    "ColorControl.current_saturation": lambda part: f"saturation {percent(part / 2.54)}",
    "ColorControl.color_temperature_mireds": lambda m: f"{1e6 / m:.0f} K" if m else "",
    "Thermostat.local_temperature": celsius,
    "Thermostat.occupied_heating_setpoint": lambda value: f"heat to {celsius(value)}",
    "Thermostat.occupied_cooling_setpoint": lambda value: f"cool to {celsius(value)}",
    "Thermostat.system_mode": lambda mode: f"mode {str(mode).lower()}",
    "DoorLock.lock_state": lambda lock: {"NotFullyLocked": "not fully locked"}.get(
        lock, str(lock).lower()
    ),
    "WindowCovering.current_position_lift_percent_100ths": lift,
    "TemperatureMeasurement.measured_value": celsius,
    "RelativeHumidityMeasurement.measured_value": lambda value: percent(value / 100),
    "IlluminanceMeasurement.measured_value": lambda value: (
        f"{math.pow(10, (value - 1) / 10000):.0f} lx" if value else "dark"
    ),
    "OccupancySensing.occupied": lambda someone: "occupied" if someone else "nobody there",
    "BooleanState.state_value": lambda closed: "closed" if closed else "open",
}


def state_words(state: Mapping[str, Mapping[str, Any]]) -> str:
    """``on, 60 %``: the reported state in words and units."""
    words = [
        ATTRIBUTES.get(f"{cluster}.{name}", lambda value, name=name: f"{name} {value}")(value)
        for cluster, attributes in state.items()
        for name, value in attributes.items()
        if value is not None
    ]
    return plain(", ".join(word for word in words if word)) or "–"


def kind_words(device: Json) -> str:
    return plain(str(device["kind"]).replace("_", " "))


def presence(device: Json) -> Text:
    online = device.get("online")
    if device.get("status") == "LOST":
        return Text("lost", "yellow")
    if online is None:
        return Text("unknown", "dim")
    return Text("online", "green") if online else Text("offline", "red")


def status_text(status: str) -> Text:
    return Text(plain(status), STATUS_STYLES.get(status, "cyan"))


def clock(at: str) -> str:
    """Local time of day, with milliseconds."""
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S.%f")[:-3]


def milliseconds(since: str, until: str) -> float:
    spent = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(0.0, spent / timedelta(milliseconds=1))


class Output:
    """``as_json`` is set by the ``--json`` of whichever command runs."""

    def __init__(self) -> None:
        self.as_json = False
        self.out = Console(highlight=False, markup=False, soft_wrap=False)
        self.err = Console(stderr=True, highlight=False, markup=False)

    def json(self, value: object) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def show(self, value: object, people: Callable[[], object]) -> None:
        """``value`` for programs, or whatever ``people`` prints."""
        if self.as_json:
            self.json(value)
        else:
            people()

    def json_line(self, value: object) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def line(self, *parts: str | Text) -> None:
        self.out.print(*parts, soft_wrap=True)

    def note(self, text: str) -> None:
        self.err.print(text, style="dim", soft_wrap=True)

    def problem(self, error: Trouble) -> None:
        """One line and a hint; with ``--json`` the problem details."""
        if self.as_json:
            self.json(error.problem)
            return
        said = [plain(error), *reasons(error.problem)]
        self.err.print(Text(". ".join(said), "red"), soft_wrap=True)
        if error.hint:
            self.note(error.hint)

    def devices(self, devices: Iterable[Json]) -> None:
        """Two lines a device; the second tells what to write in ``homecast send``."""
        rows = [
            (Text(plain(one["name"]), "bold"), kind_words(one), presence(one), one)
            for one in devices
        ]
        name_width = max((len(row[0]) for row in rows), default=0)
        kind_width = max((len(row[1]) for row in rows), default=0)
        for name, kind, seen, one in rows:
            name.pad_right(name_width - len(name))
            seen.pad_right(7 - len(seen))
            self.line(name, "", kind.ljust(kind_width), "", seen, "", state_words(one["state"]))
            names = ", ".join(command["name"] for command in one["commands"])
            self.line(Text(plain(f"  {one['id']}  {names or 'no commands'}"), "dim"))
        if not rows:
            self.line("No devices.")

    def commands(self, commands: Iterable[Json]) -> None:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("Number", "Accepted", "Command", "Status", "Took", ""):
            table.add_column(column, overflow="fold")
        for one in commands:
            final = one["status"] in FINAL
            spent = milliseconds(one["accepted_at"], one["updated_at"])
            took = f"{spent:.0f} ms" if final else ""
            asked, why = f"{one['command']} {arguments(one['args'])}".strip(), explanation(one)
            accepted, status = clock(one["accepted_at"]), status_text(one["status"])
            table.add_row(str(one["number"]), accepted, plain(asked), status, took, why)
        self.out.print(table if table.row_count else "No commands.")

    def tokens(self, rows: Iterable[Json]) -> None:
        for one in rows:
            until = f"until {one['expires_at'][:16]}" if one["expires_at"] else "until revoked"
            self.line(Text(one["token_id"], "bold"), "", plain(one["label"]) or "–", "", until)
            about = f"  account {one['account_id']}, {' '.join(one['scopes'])}"
            self.line(Text(plain(about), "dim"))

    def steps(self, command: Json, *, after: int = 0) -> None:
        """The steps beyond this one, a line each."""
        start = command["accepted_at"]
        for one in command["history"]:
            if one["step"] > after:
                spent = f"+{milliseconds(start, one['at']):.0f} ms"
                self.line(clock(one["at"]), f"{spent:>9}", status_text(one["status"]), extras(one))

    def result(self, command: Json) -> None:
        why = explanation(command)
        if why:
            self.line(why)
        if command.get("result"):
            self.line(plain(json.dumps(command["result"], ensure_ascii=False)))


def extras(step: Json) -> str:
    """What explains a step; sessions and first attempts are of no interest to people."""
    left_out = ("step", "status", "at", "session", "result")
    named = {name: value for name, value in step.items() if name not in left_out and value}
    if named.get("attempt") == 1:
        del named["attempt"]
    return plain(arguments(named))


def arguments(given: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in given.items())


def explanation(command: Json) -> str:
    said = [command.get("error"), command.get("detail"), "late" if command.get("late") else None]
    return plain(": ".join(str(one) for one in said if one))


def reasons(problem: Json) -> list[str]:
    """Field errors, and the commands that a device does take."""
    errors = problem.get("errors")
    listed = errors if isinstance(errors, list) else []
    said = [f"{e.get('field')}: {e.get('reason')}" for e in listed if isinstance(e, dict)]
    if isinstance(problem.get("commands"), list):
        said.append("It takes " + ", ".join(map(str, problem["commands"])))
    return [plain(one) for one in said]


def live_line(output: Output, kind: str, data: Json, names: dict[str, str]) -> None:
    """One line for an event of the live stream, with devices by name."""
    device_id = str(data.get("device_id") or data.get("id") or "")
    name = Text(plain(names.get(device_id, device_id)), "bold")
    now = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
    match kind:
        case "snapshot":
            devices = data.get("devices", [])
            online = sum(1 for one in devices if one.get("online"))
            output.line(now, f"{len(devices)} devices, {online} online")
        case "command":
            at = clock(data["at"]) if data.get("at") else now
            about = f"{data.get('command', '')} #{data.get('number')}"
            output.line(at, name, plain(about), status_text(data["status"]), explanation(data))
        case "presence":
            output.line(now, name, presence(data))
        case "twin":
            output.line(now, name, state_words(data.get("state", {})))
        case "progress":
            part = "" if data.get("percent") is None else percent(data["percent"])
            output.line(now, name, f"#{data.get('number')}", part, plain(data.get("detail") or ""))
        case _:
            output.line(now, name, plain(kind))
