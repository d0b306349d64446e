"""What the projector tells watchers about devices: the events, sealed, and only to their owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.inbound.workers.projector import Projector
from adapters.outbound.dynamodb.codec import to_cloud_event
from domain.devices.capabilities import KINDS, DeviceKind
from domain.devices.device import DeviceClaimed, DeviceReleased, DeviceRenamed
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.devices import DEVICES
from projections.kernel.gate import Gate
from projections.kernel.slots import ModelState, Pointer, Slot, Slotted
from tests.support.gated import HistorySource, MemoryRows
from tests.support.sealing import opened, sealed
from tests.support.streams import OTHER, OWNER, at

DEVICE = "a" * 26


class Told:
    """Watchers and lanes: what was told to whom."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []

    async def tell(self, account_id: str, message: dict[str, Any]) -> None:
        self.messages.append((account_id, message))

    async def nudge(self, device_ids: Sequence[str]) -> None:
        return

    @property
    def events(self) -> list[tuple[str, Event]]:
        return [(account, opened(message["event"]).event) for account, message in self.messages]


def recorded(event_type: type[Event], version: int, **fields: Any) -> Recorded:
    event = event_type(
        originator_id=f"device-{DEVICE}",
        originator_version=version,
        timestamp=at(version),
        **fields,
    )
    return sealed(Recorded(event, Context("c", "m", "token:t"), ""))


def claimed(version: int, account: str) -> Recorded:
    kind = DeviceKind.ON_OFF_LIGHT
    return recorded(
        DeviceClaimed, version, account_id=account, name="Lamp", kind=kind, capabilities=KINDS[kind]
    )


HISTORY = [
    claimed(1, OWNER),
    recorded(DeviceRenamed, 2, name="Grandmother's", account_id=OWNER),
    recorded(DeviceReleased, 3, by="token:t"),
    claimed(4, OTHER),
    recorded(DeviceRenamed, 5, name="Mine now", account_id=OTHER),
]


async def nothing_known() -> dict[str, ModelState]:
    return {}


async def told_after(*batches: list[Recorded]) -> tuple[Told, MemoryRows]:
    told, rows, source = Told(), MemoryRows(), HistorySource(HISTORY)
    gate = Gate(DEVICES, rows, source)
    pointer = Pointer(nothing_known)
    projector = Projector(
        devices=Slotted("devices", {Slot.BLUE: gate, Slot.GREEN: gate}, pointer),
        remote_commands=Slotted("remote_commands", {}, pointer),
        pointer=pointer,
        watchers=told,
        lanes=told,
        encode=to_cloud_event,
    )
    for batch in batches:
        await projector.on_devices(batch, Slot.BLUE)
    return told, rows


async def test_the_owner_is_told_each_event() -> None:
    told, _ = await told_after(HISTORY[:1], HISTORY[1:2])
    assert told.events == [(OWNER, HISTORY[0].event), (OWNER, HISTORY[1].event)]


async def test_the_next_owner_is_told_nothing_from_before_its_claim() -> None:
    told, _ = await told_after(HISTORY)
    assert told.events == [(OTHER, HISTORY[3].event), (OTHER, HISTORY[4].event)]


async def test_no_message_holds_a_name_in_clear() -> None:
    told, _ = await told_after(HISTORY)
    assert told.messages
    assert not [one for one in told.messages if "Mine now" in repr(one)]


async def test_an_event_from_before_names_were_sealed_stays_untold() -> None:
    old = Recorded(HISTORY[1].event, HISTORY[1].context, "")
    told, rows = await told_after([HISTORY[0], old])
    assert told.events == [(OWNER, HISTORY[0].event)]
    assert rows.rows[DEVICE,].name == "Grandmother's"


async def test_the_row_of_a_released_device_has_no_name() -> None:
    _, rows = await told_after(HISTORY[:3])
    assert (rows.rows[DEVICE,].name, rows.rows[DEVICE,].account_id) == ("", None)
