"""Messages of an account's feed as the events of its live stream, each told once.

Hints come early, doubled and from two sides (whoever committed, and the projector), so commands
are compared by (device, number, step) and devices by version.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from adapters.inbound.http.feeds import Message
from adapters.inbound.http.reading import folded
from adapters.inbound.http.views import command_json, device_json, iso
from domain.devices.device import DEVICE, DeviceClaimed, DeviceReleased, DeviceRenamed, DeviceStatus
from domain.devices.device import DeviceReportedLost as ReportedLost
from domain.devices.lane import LaneOpened
from domain.devices.remote_command import FINAL, STATUS_AFTER, RemoteCommandEvent
from domain.kernel.event import Event, category_of, id_of
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.ports import FeedReset
from projections.devices.remote_commands import REMOTE_COMMANDS, RemoteCommandRow

REMEMBERED = 2_000
ROOM = 1_000_000
"""Bytes of rows kept for an account."""
K = TypeVar("K")
V = TypeVar("V")
Told = tuple[str, dict[str, Any]]
"""Name and data of a live event."""
Sees = Callable[[RemoteCommandRow], bool]
"""Whether a command is told of."""


class Recent(Generic[K, V]):
    """The newest entries of a mapping, bounded in number and in the sum of their weights."""

    def __init__(self, size: int = REMEMBERED, room: int = ROOM) -> None:
        self._size = size
        self._room = room
        self._weight = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        held = self._entries.get(key)
        return held[0] if held else None

    def put(self, key: K, value: V, weight: int = 0) -> None:
        self.drop(key)
        self._entries[key] = (value, weight)
        self._weight += weight
        while len(self._entries) > self._size or self._weight > self._room:
            self.drop(next(iter(self._entries)))

    def drop(self, key: K) -> None:
        _, weight = self._entries.pop(key, (None, 0))
        self._weight -= weight


class Translation:
    """``online``: the account's devices, and what was last told about their presence.

    Of other devices, such as those that it has released, nothing is told. ``sees``: of which of its
    commands; then nothing is told of one whose beginning was missed, for it says not whose it is.
    """

    def __init__(self, account_id: str, sees: Sees | None = None) -> None:
        self._sees = sees
        self.online: dict[str, bool | None] = {}
        self._account_id = account_id
        self._claimed: set[str] = set()
        """Devices that no snapshot has shown yet."""
        self._opened: Recent[str, int] = Recent()
        """Lane version of a device's last claim: earlier commands are an earlier owner's."""
        self._steps: Recent[tuple[str, int], int] = Recent()
        self._rows: Recent[tuple[str, int], bytes] = Recent()
        self._versions: Recent[str, int] = Recent()

    def of(self, message: Message) -> Iterator[Told]:
        if isinstance(message, FeedReset):
            self._claimed.clear()  # their release may be among what was missed
            return
        if isinstance(message, Recorded):
            yield from self._of_event(message)
        elif message.get("type") == "command":
            yield from self._of_command(RemoteCommandRow.model_validate(message["command"]))
        elif message.get("type") == "presence":
            yield from self.of_presence(message["device_id"], online=message["online"])
        elif message.get("device_id") not in self.online:
            return
        elif message.get("type") == "twin":
            yield "twin", _only(message, "device_id", "state", "reported_at")
        elif message.get("type") == "progress" and self._tells_of(message):
            yield "progress", _only(message, "device_id", "number", "percent", "detail")

    def _tells_of(self, message: dict[str, Any]) -> bool:
        """Of progress, which says not whose it is."""
        key = (message["device_id"], message["number"])
        return self._sees is None or self._rows.get(key) is not None

    def of_presence(self, device_id: str, *, online: bool) -> Iterator[Told]:
        if device_id in self.online and self.online[device_id] != online:
            self.online[device_id] = online
            yield "presence", {"device_id": device_id, "online": online}

    def shown(self, devices: Sequence[dict[str, Any]]) -> None:
        """A snapshot has told this: the account has these devices, and those claimed since."""
        told = {one["id"]: one["online"] for one in devices if not self._has_left(one)}
        self._claimed -= told.keys()
        self.online = told | {one: self.online.get(one) for one in self._claimed}

    def _has_left(self, device: dict[str, Any]) -> bool:
        """Whether the snapshot lags behind the device's release."""
        newest = self._versions.get(device["id"]) or 0
        return device["id"] not in self.online and device["version"] < newest

    def _of_event(self, recorded: Recorded) -> Iterator[Told]:
        event = recorded.event
        if isinstance(event, RemoteCommandEvent):
            yield from self._of_step(recorded, event)
        elif isinstance(event, LaneOpened):
            self._opened.put(id_of(event.originator_id), event.originator_version)
        elif category_of(event.originator_id) == DEVICE.category:
            yield from self._of_device_event(recorded)

    # --- commands ---------------------------------------------------------------------------------

    def _of_command(self, row: RemoteCommandRow) -> Iterator[Told]:
        mine = row.account_id == self._account_id and (self._sees is None or self._sees(row))
        if mine and self._is_news(row.device_id, row.number, row.step):
            self._keep(row)
            yield "command", {**command_json(row), "at": iso(row.updated_at)}

    def _keep(self, row: RemoteCommandRow) -> None:
        """While it is open, and as JSON: objects would take twenty times the room."""
        key = (row.device_id, row.number)
        if row.status in FINAL:
            self._rows.drop(key)
        else:
            text = row.model_dump_json(exclude_defaults=True).encode()
            self._rows.put(key, text, len(text))

    def _of_step(self, recorded: Recorded, event: RemoteCommandEvent) -> Iterator[Told]:
        device_id = id_of(event.originator_id)
        if event.number < (self._opened.get(device_id) or 0):
            return
        kept = self._rows.get((device_id, event.number))
        known = RemoteCommandRow.model_validate_json(kept) if kept else None
        row = folded(REMOTE_COMMANDS, known, [recorded])
        if row is not None and row.step == event.step:
            yield from self._of_command(row)
        elif self._sees is None and self._is_news(device_id, event.number, event.step):
            yield "command", _step(device_id, event)

    def _is_news(self, device_id: str, number: int, step: int) -> bool:
        known = self._steps.get((device_id, number)) or 0
        if step > known:
            self._steps.put((device_id, number), step)
        return step > known

    # --- devices ----------------------------------------------------------------------------------

    def _of_device(self, row: DeviceRow) -> Iterator[Told]:
        mine = row.account_id == self._account_id
        if mine and self._is_new_version(row.device_id, row.version):
            if row.device_id not in self.online:
                self.online[row.device_id] = None
                self._claimed.add(row.device_id)
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
                self._claimed.discard(device_id)
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
