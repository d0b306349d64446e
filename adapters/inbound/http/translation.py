"""Messages of an account's feed as the events of its live stream, each told once.

Hints come early, doubled and from two sides (whoever committed, and the projector), so commands
are compared by (device, number, step) and devices by version.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from adapters.inbound.http.feeds import Message
from adapters.inbound.http.reading import folded
from adapters.inbound.http.views import command_json, device_json, iso
from commands.kernel.ports import Recorded
from domain.devices.device import DEVICE, DeviceClaimed, DeviceReleased, DeviceRenamed, DeviceStatus
from domain.devices.device import DeviceReportedLost as ReportedLost
from domain.devices.remote_command import STATUS_AFTER, RemoteCommandEvent
from domain.kernel.event import Event, category_of, id_of
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.ports import FeedReset
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow

REMEMBERED = 2_000
K = TypeVar("K")
V = TypeVar("V")
Told = tuple[str, dict[str, Any]]
"""Name and data of a live event."""


class Recent(Generic[K, V]):
    """The newest entries of a mapping."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)


class Translation:
    """``online``: the account's devices, and what was last told about their presence."""

    def __init__(self) -> None:
        self.online: dict[str, bool | None] = {}
        self._steps: Recent[tuple[str, int], int] = Recent()
        self._rows: Recent[tuple[str, int], RemoteCommandRow] = Recent()
        self._versions: Recent[str, int] = Recent()

    def of(self, message: Message) -> Iterator[Told]:
        if isinstance(message, FeedReset):
            return
        if isinstance(message, Recorded):
            yield from self._of_event(message)
        elif message.get("type") == "command":
            yield from self._of_command(RemoteCommandRow.model_validate(message["command"]))
        elif message.get("type") == "device":
            yield from self._of_device(DeviceRow.model_validate(message["device"]))
        elif message.get("type") == "presence":
            yield from self.of_presence(message["device_id"], online=message["online"])
        elif message.get("type") == "twin":
            yield "twin", _only(message, "device_id", "state", "reported_at")
        elif message.get("type") == "progress":
            yield "progress", _only(message, "device_id", "number", "percent", "detail")

    def of_presence(self, device_id: str, *, online: bool) -> Iterator[Told]:
        if self.online.get(device_id) != online:
            self.online[device_id] = online
            yield "presence", {"device_id": device_id, "online": online}

    def shown(self, device: dict[str, Any]) -> None:
        """A snapshot has told this of a device."""
        self.online[device["id"]] = device["online"]

    def _of_event(self, recorded: Recorded) -> Iterator[Told]:
        event = recorded.event
        if isinstance(event, RemoteCommandEvent):
            yield from self._of_step(recorded, event)
        elif category_of(event.originator_id) == DEVICE.category:
            yield from self._of_device_event(recorded)

    # --- commands ---------------------------------------------------------------------------------

    def _of_command(self, row: RemoteCommandRow) -> Iterator[Told]:
        if self._is_news(row.device_id, row.number, row.step):
            self._rows.put((row.device_id, row.number), row)
            yield "command", {**command_json(row), "at": iso(row.updated_at)}

    def _of_step(self, recorded: Recorded, event: RemoteCommandEvent) -> Iterator[Told]:
        device_id = id_of(event.originator_id)
        key = (device_id, event.number)
        row = folded(REMOTE_COMMANDS, self._rows.get(key), [recorded])
        if row is not None and row.step == event.step:
            yield from self._of_command(row)
        elif self._is_news(device_id, event.number, event.step):
            yield "command", _step(device_id, event)

    def _is_news(self, device_id: str, number: int, step: int) -> bool:
        known = self._steps.get((device_id, number)) or 0
        if step > known:
            self._steps.put((device_id, number), step)
        return step > known

    # --- devices ----------------------------------------------------------------------------------

    def _of_device(self, row: DeviceRow) -> Iterator[Told]:
        if self._is_new_version(row.device_id, row.version):
            self.online.setdefault(row.device_id, None)
            shown = device_json(row, online=None, twin=None)
            yield "device", {k: v for k, v in shown.items() if k not in DYNAMIC}

    def _of_device_event(self, recorded: Recorded) -> Iterator[Told]:
        event = recorded.event
        device_id = id_of(event.originator_id)
        if isinstance(event, DeviceClaimed):
            row = DEVICES.fold(None, event)
            yield from self._of_device(row)
        elif self._is_new_version(device_id, event.originator_version):
            if isinstance(event, DeviceReleased):
                self.online.pop(device_id, None)
            changed = {"id": device_id, "version": event.originator_version, **_changed(event)}
            yield "device", changed

    def _is_new_version(self, device_id: str, version: int) -> bool:
        known = self._versions.get(device_id) or 0
        if version > known:
            self._versions.put(device_id, version)
        return version > known


DYNAMIC = ("online", "state", "reported_at")
"""Told by events of their own; absent here, so that nobody takes them for news."""


def _changed(event: Event) -> dict[str, Any]:
    match event:
        case DeviceRenamed():
            return {"name": event.name}
        case ReportedLost():
            return {"status": DeviceStatus.LOST}
        case DeviceReleased():
            return {"status": DeviceStatus.RELEASED}
        case _:
            return {}


def _step(device_id: str, event: RemoteCommandEvent) -> dict[str, Any]:
    """What one event alone tells of a command whose beginning was not seen here."""
    return {
        "id": f"{device_id}.{event.number}",
        "device_id": device_id,
        "number": event.number,
        "status": STATUS_AFTER[type(event)],
        "step": event.step,
        "at": iso(event.timestamp),
        "updated_at": iso(event.timestamp),
        **{
            name: getattr(event, name)
            for name in ("result", "error", "detail", "late", "attempt")
            if hasattr(event, name)
        },
    }


def _only(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: message[name] for name in names if name in message}
