"""Who is told by a slot that is not live, which queues are read, and how old a pointer may be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.faststream_aws import SQSBroker
from adapters.inbound.workers import feeds as feeding
from adapters.inbound.workers.feeds import Progress, SlotFeeds
from adapters.inbound.workers.projector import Projector
from adapters.outbound.dynamodb.codec import to_cloud_event
from domain.kernel.errors import StoreUnavailable
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel import slots
from projections.kernel.gate import Gate
from projections.kernel.slots import CANARY, ModelState, Phase, Pointer, Slot, Slotted
from tests.properties.test_gate import recorded
from tests.support.gated import HistorySource, MemoryRows
from tests.support.relays import FakeMetrics
from tests.support.streams import accepted, opened, walk
from tests.support.waiting import eventually

AT = datetime(2026, 11, 1, tzinfo=UTC)


class Control:
    """What the control table says, and what is written there."""

    def __init__(self, *states: ModelState) -> None:
        self.states = {one.model: one for one in states}
        self.reads = 0
        self.away = False
        self.canaries: list[str] = []
        self.applied: list[datetime] = []
        self.registered: dict[str, int] = {}

    async def read(self) -> dict[str, ModelState]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        return dict(self.states)

    async def register(self, model: str, version: int) -> None:
        self.registered[model] = version

    async def note_canary(self, model: str, canary: str) -> None:
        self.canaries.append(canary)

    async def note_applied(self, model: str, slot: Slot, at: datetime) -> None:
        self.applied.append(at)


class Told:
    def __init__(self) -> None:
        self.accounts: list[str] = []
        self.nudged: list[str] = []

    async def tell(self, account_id: str, message: dict[str, Any]) -> None:
        self.accounts.append(account_id)

    async def nudge(self, device_ids: Sequence[str]) -> None:
        self.nudged += device_ids


def lane_events() -> list[Recorded]:
    _, history = walk([opened(), accepted()])
    return recorded(history)


async def projected(phase: Phase, slot: Slot) -> tuple[Told, int]:
    """Who was told, and how many rows there are, after a command's acceptance came to the slot."""
    state = ModelState(model="remote_commands", live=Slot.GREEN, phase=phase)
    pointer = Pointer(Control(state).read)
    events, told, rows = lane_events(), Told(), {one: MemoryRows() for one in Slot}
    source = HistorySource(events)
    worker = Projector(
        devices=Slotted("devices", {}, pointer),
        remote_commands=Slotted(
            "remote_commands",
            {one: Gate(REMOTE_COMMANDS, rows[one], source) for one in Slot},
            pointer,
        ),
        pointer=pointer,
        watchers=told,
        lanes=told,
        encode=to_cloud_event,
    )
    await worker.on_remote_commands(events, slot)
    return told, len(rows[slot].rows)


@pytest.mark.parametrize("slot", list(Slot))
async def test_only_the_live_slot_tells_anybody_and_both_have_the_row(slot: Slot) -> None:
    told, rows = await projected(Phase.KEPT, slot)
    live = slot is Slot.GREEN
    assert (rows, bool(told.accounts), bool(told.nudged)) == (1, live, live)


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.RETIRING, Phase.EMPTYING])
async def test_what_comes_late_to_a_slot_that_is_fed_no_more_is_dropped(phase: Phase) -> None:
    told, rows = await projected(phase, Slot.BLUE)
    assert (rows, told.accounts, told.nudged) == (0, [], [])
    assert (await projected(phase, Slot.GREEN))[1] == 1


async def test_a_pointer_is_read_once_by_many_and_never_older_than_five_seconds() -> None:
    control = Control(ModelState(model="devices"))
    now = 1000.0
    pointer = Pointer(control.read, lambda: now)
    await asyncio.gather(*(pointer.state("devices") for _ in range(20)))
    assert control.reads == 1
    now += 3
    control.states["devices"] = ModelState(model="devices", live=Slot.GREEN)
    assert (await pointer.state("devices")).live is Slot.BLUE, "nobody waits"
    await asyncio.sleep(0.01)
    assert (await pointer.state("devices")).live is Slot.GREEN, "refreshed behind their backs"
    control.away = True
    now += 5
    with pytest.raises(StoreUnavailable):
        await pointer.state("devices")


class Subscriber:
    def __init__(self) -> None:
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


@pytest.mark.parametrize(
    ("phase", "fed"),
    [
        (Phase.IDLE, {Slot.BLUE}),
        (Phase.EMPTYING, {Slot.BLUE}),
        (Phase.OPENING, set(Slot)),
        (Phase.SCANNING, set(Slot)),
        (Phase.SWITCHED, set(Slot)),
        (Phase.RETIRING, {Slot.BLUE}),
        (Phase.KEPT, set(Slot)),
    ],
)
async def test_queues_are_read_while_their_slot_is_live_or_being_built(
    phase: Phase, fed: set[Slot]
) -> None:
    control = Control(ModelState(model="devices", phase=phase))
    subscribers = {("devices", slot): Subscriber() for slot in Slot}
    feeds = SlotFeeds(
        SQSBroker(region_name="eu-central-1"),
        subscribers,
        pointer=Pointer(control.read),
        control=control,
        versions={"devices": DEVICES.version},
    )
    await feeds.start()
    assert {slot for (_, slot), one in subscribers.items() if one.running} == fed
    assert control.registered == {"devices": DEVICES.version}
    await feeds.stop()


class Stubborn(Subscriber):
    """Fails at its first start, as for a queue that cannot be found yet."""

    failures = 1

    async def start(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("no such queue")
        await super().start()


async def test_a_queue_that_cannot_be_read_at_once_is_read_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeding, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(slots, "REFRESH_AFTER", 0.0)
    control = Control(ModelState(model="devices"))
    green = Stubborn()
    feeds = SlotFeeds(
        SQSBroker(region_name="eu-central-1"),
        {("devices", Slot.BLUE): Subscriber(), ("devices", Slot.GREEN): green},
        pointer=Pointer(control.read),
        control=control,
        versions={"devices": DEVICES.version},
    )
    await feeds.start()
    control.states["devices"] = ModelState(model="devices", phase=Phase.SCANNING)

    async def is_read() -> bool:
        return green.running

    await eventually(is_read, within=10)
    await feeds.stop()


async def test_progress_is_noted_now_and_then_and_canaries_of_others_are_left_alone() -> None:
    control = Control()
    progress = Progress(control, "devices", Slot.GREEN, FakeMetrics())
    for second in range(5):
        await progress.applied(AT + timedelta(seconds=second))
    assert control.applied == [AT]
    for model, slot in (("devices", "green"), ("devices", "blue"), ("remote_commands", "green")):
        body = {"type": CANARY, "id": f"{model} {slot}", "data": {"model": model, "slot": slot}}
        await progress.canary(body)
    assert control.canaries == ["devices green"]
