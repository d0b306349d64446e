"""The phases of a rebuild, ended anywhere and taken up again; what is throttled is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from domain.kernel.errors import ContractError, StoreUnavailable
from domain.kernel.recorded import Recorded
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel import rebuild as rebuilding
from projections.kernel.gate import Gate
from projections.kernel.rebuild import ReadUnits, Rebuild, ScanPage
from projections.kernel.slots import ModelState, Phase, Run, Slot
from tests.properties.test_gate import in_order, recorded
from tests.support.gated import HistorySource, MemoryRows
from tests.support.streams import accepted, opened, sent, succeeded, walk

PAGE = 3


class Killed(Exception):
    """The process ended here."""


class MemoryControl:
    def __init__(self) -> None:
        self.held = ModelState(model="remote_commands")
        self.phases: list[Phase] = []

    async def state(self, model: str) -> ModelState:
        return self.held

    async def take(self, model: str, runner: str, seconds: float) -> ModelState:
        return self.held

    async def release(self, model: str, runner: str) -> None: ...

    async def save(
        self,
        model: str,
        runner: str,
        seconds: float,
        *,
        phase: Phase,
        run: Run | None,
        versions: Mapping[Slot, int] | None = None,
        live: Slot | None = None,
    ) -> None:
        copied = run.model_copy(deep=True) if run else None
        changes = {"phase": phase, "run": copied, "live": live or self.held.live}
        self.held = self.held.model_copy(update=changes)
        if self.phases[-1:] != [phase]:
            self.phases.append(phase)


class MemorySlots:
    """``canaries`` arrive at once."""

    def __init__(self, control: MemoryControl) -> None:
        self.control = control
        self.open_ones = {Slot.BLUE}
        self.emptied: list[Slot] = []

    async def definition(self, slot: Slot) -> str:
        return "{}"

    async def empty(self, slot: Slot, definition: str) -> None:
        self.emptied.append(slot)

    async def open(self, slot: Slot) -> None:
        self.open_ones.add(slot)

    async def close(self, slot: Slot) -> None:
        self.open_ones.discard(slot)

    async def send_canary(self, slot: Slot, canary: str, mark: str) -> None:
        self.control.held = self.control.held.model_copy(update={"canary_seen": canary})


class PagedScan:
    """One segment. Reads after ``ends_after`` pages find the process killed."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.events = events
        self.pages: list[int] = []
        self.ends_after = 1000
        self.faults: list[Exception] = []

    async def count(self) -> int:
        return len(self.events)

    async def page(self, segment: int, of: int, after: str | None) -> ScanPage:
        if self.faults:
            raise self.faults.pop()
        if len(self.pages) >= self.ends_after:
            raise Killed
        start = int(after or 0)
        self.pages.append(start)
        end = start + PAGE
        return ScanPage(
            list(self.events[start:end]), str(end) if end < len(self.events) else None, PAGE, 1.0
        )


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("POINTER_SECONDS", "SETTLE", "CANARY_LOOK"):
            monkeypatch.setattr(rebuilding, name, 0.0)
        steps = [opened(), accepted(), accepted(), sent(2), sent(3), succeeded(2), succeeded(3)]
        _, self.history = walk(steps)
        events = recorded(self.history)
        self.control = MemoryControl()
        self.slots = MemorySlots(self.control)
        self.scan = PagedScan(events)
        self.rows = MemoryRows()
        gate = Gate(REMOTE_COMMANDS, self.rows, HistorySource(events))
        self.gates = {Slot.GREEN: gate, Slot.BLUE: gate}

    def rebuild(self, *, version: int = 1) -> Rebuild:
        async def check(_: Slot) -> list[str]:
            return []

        return Rebuild(
            model="remote_commands",
            version=version,
            control=self.control,
            slots=self.slots,
            scan=self.scan,
            gates=self.gates,
            check=check,
            runner="me",
            new_id=lambda: f"{time.monotonic_ns()}",
            segments=1,
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_a_rebuild_goes_through_its_phases_and_leaves_one_slot_open(world: World) -> None:
    await world.rebuild().run()
    steps = [Phase.EMPTYING, Phase.OPENING, Phase.SCANNING, Phase.VERIFYING]
    assert world.control.phases == [*steps, Phase.SWITCHED, Phase.RETIRING, Phase.IDLE]
    assert world.control.held.live is Slot.GREEN
    assert world.slots.open_ones == {Slot.GREEN}
    assert world.rows.rows == in_order(REMOTE_COMMANDS, world.history)


async def test_a_killed_scan_goes_on_after_the_last_page_that_was_saved(world: World) -> None:
    world.scan.ends_after = 2
    ended = world.rebuild()
    with pytest.raises(Killed):
        await ended.run()
    await ended._save()  # as every two seconds; nothing is saved by a process that is killed
    assert world.control.held.phase is Phase.SCANNING
    world.scan.ends_after = 1000
    await world.rebuild().run()
    assert world.scan.pages == sorted(set(world.scan.pages)), "no page was read twice"
    assert world.slots.emptied == [Slot.GREEN, Slot.BLUE], "the target, and the old slot"
    assert world.rows.rows == in_order(REMOTE_COMMANDS, world.history)


async def test_newer_code_begins_anew_what_older_code_has_not_finished(world: World) -> None:
    world.scan.ends_after = 1
    with pytest.raises(Killed):
        await world.rebuild().run()
    world.scan.ends_after = 1000
    await world.rebuild(version=2).run()
    assert world.slots.emptied == [Slot.GREEN, Slot.GREEN, Slot.BLUE]


async def test_throttling_is_waited_for_and_what_no_wait_can_cure_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "FAULT_PAUSES", (0.0,))
    world.scan.faults = [StoreUnavailable("throttled"), StoreUnavailable("throttled")]
    await world.rebuild().run()
    assert world.control.held.live is Slot.GREEN
    world.scan.faults = [ContractError("no")]
    with pytest.raises(ContractError):
        await world.rebuild().run()


async def test_a_fault_that_does_not_pass_is_told_and_the_rebuild_goes_on_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "FAULT_PAUSES", (0.0,))
    monkeypatch.setattr(rebuilding, "PATIENCE", 0.0)
    world.scan.faults = [StoreUnavailable("away")]
    with pytest.raises(StoreUnavailable):
        await world.rebuild().run()
    assert world.control.held.phase is Phase.SCANNING
    await world.rebuild().run()
    assert world.control.held.live is Slot.GREEN


async def test_a_rebuild_given_up_feeds_the_live_slot_only(world: World) -> None:
    world.scan.ends_after = 1
    with pytest.raises(Killed):
        await world.rebuild().run()
    assert world.slots.open_ones == set(Slot)
    await world.rebuild().cancel()
    assert world.slots.open_ones == {Slot.BLUE}
    assert world.slots.emptied == [Slot.GREEN, Slot.GREEN], "at its start and at its end"
    assert (world.control.held.phase, world.control.held.run) == (Phase.IDLE, None)


class SlowControl(MemoryControl):
    """The second save of ``VERIFYING`` renews the lease; it is stored after a switch, if that does
    not wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.renewing, self.switched = asyncio.Event(), asyncio.Event()
        self.verifying = 0

    async def save(self, *args: Any, **changes: Any) -> None:
        self.verifying += changes["phase"] is Phase.VERIFYING
        if self.verifying == 2 and changes["phase"] is Phase.VERIFYING:
            self.renewing.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self.switched.wait()
        await super().save(*args, **changes)
        if changes.get("live"):
            self.switched.set()
            await asyncio.sleep(0)


async def test_renewing_the_lease_never_takes_a_switch_back_to_verifying(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SAVE_EVERY", 0.001)
    control = world.control = world.slots.control = SlowControl()
    rebuild = world.rebuild()

    async def check(_: Slot) -> list[str]:
        await control.renewing.wait()
        return []

    rebuild.check = check
    await rebuild.run()
    assert control.phases[-4:-1] == [Phase.VERIFYING, Phase.SWITCHED, Phase.RETIRING]


async def test_reading_is_slowed_down_to_so_many_units_a_second() -> None:
    units, started = ReadUnits(100), time.monotonic()
    for _ in range(4):
        await units.spend(5)
    assert 0.19 <= time.monotonic() - started < 1
