"""Rows as the API shows them. The models describe the JSON for OpenAPI; a test holds them to it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict, JsonValue

from adapters.inbound.http.container import ReportedState
from domain.devices.capabilities import Arguments, Capabilities, DeviceKind, command_names
from domain.devices.device import DeviceStatus
from domain.devices.remote_command import CommandStatus
from projections.devices.devices import DeviceRow
from projections.devices.remote_commands import RemoteCommandRow


class View(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CommandShape(View):
    name: str
    args: dict[str, JsonValue]


class DeviceView(View):
    """``online`` null: not known at the moment. ``state``: cluster → attribute → value."""

    id: str
    name: str
    kind: DeviceKind
    status: DeviceStatus
    online: bool | None
    state: dict[str, dict[str, JsonValue]]
    reported_at: datetime | None
    capabilities: list[dict[str, JsonValue]]
    commands: list[CommandShape]
    version: int
    claimed_at: datetime


class DevicePage(View):
    items: list[DeviceView]
    next_cursor: str | None


class CommandView(View):
    """``history``: one entry per step, with ``step``, ``status``, ``at`` and what explains it."""

    id: str
    device_id: str
    number: int
    command: str
    args: dict[str, JsonValue]
    status: CommandStatus
    accepted_at: datetime
    expires_at: datetime
    deadline: datetime | None
    updated_at: datetime
    attempt: int
    result: dict[str, JsonValue] | None
    error: str | None
    detail: str | None
    late: bool
    collapse_key: str | None
    step: int
    history: list[dict[str, JsonValue]]


class CommandPage(View):
    items: list[CommandView]
    next_cursor: str | None


def iso(at: datetime | str | None) -> str | None:
    if at is None or isinstance(at, str):
        return at
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def device_json(
    row: DeviceRow, *, online: bool | None, twin: ReportedState | None
) -> dict[str, Any]:
    return {
        "id": row.device_id,
        "name": row.name,
        "kind": row.kind,
        "status": row.status,
        "online": online,
        "state": twin.state if twin else {},
        "reported_at": iso(twin.reported_at) if twin else None,
        "capabilities": [one.model_dump(mode="json") for one in row.capabilities],
        "commands": command_shapes(row.capabilities),
        "version": row.version,
        "claimed_at": iso(row.claimed_at),
    }


@lru_cache(maxsize=64)
def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    return arguments.model_json_schema()


@lru_cache(maxsize=1024)
def command_shapes(capabilities: Capabilities) -> list[dict[str, Any]]:
    """What a device takes; not to be changed, for it is shared."""
    names = command_names(capabilities)
    return [{"name": name, "args": schema_of(shape)} for name, shape in names.items()]


def command_json(row: RemoteCommandRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "device_id": row.device_id,
        "number": row.number,
        "command": row.command,
        "args": row.args,
        "status": row.status,
        "accepted_at": iso(row.accepted_at),
        "expires_at": iso(row.expires_at),
        "deadline": iso(row.deadline),
        "updated_at": iso(row.updated_at),
        "attempt": row.attempt,
        "result": row.result,
        "error": row.error,
        "detail": row.detail,
        "late": row.late,
        "collapse_key": row.collapse_key,
        "step": row.step,
        "history": row.history,
    }


READ_MODEL: dict[str, Any] = {
    "headers": {
        "Read-Model": {
            "description": "What this was read from: name, version, and at most how many seconds "
            "behind, as a structured field (RFC 9651): `devices;version=1;lag=0.400`",
            "schema": {"type": "string"},
        }
    }
}
"""Of the lists that a read model serves, for the OpenAPI document."""


def answer(content: Any, status: int = 200, **headers: str) -> Response:
    """``headers``: with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(orjson.dumps(content), status, named, media_type="application/json")
