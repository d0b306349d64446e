"""Rebuilding a read model in its idle slot, beside the live events, without anybody noticing.

The gate makes the scan of the store and the live events commute, so nothing has to be stopped. Each
phase can be repeated, and what a rebuild has done is kept in the control table, so that it goes on
from there wherever it was ended.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from domain.kernel.errors import Refused, Unavailable
from domain.kernel.recorded import Recorded
from projections.kernel.slots import (
    POINTER_SECONDS,
    ModelState,
    Phase,
    RebuildRunning,
    Run,
    Segment,
    Slot,
)

T = TypeVar("T")

LEASE = 10.0
SAVE_EVERY = 2.0
STREAMS_AT_ONCE = 64
CANARY_EVERY = 10.0
CANARY_LOOK = 0.5
CANARY_WITHIN = 20 * 60.0
"""A changed filter takes SNS up to 15 minutes."""
FAULT_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
PATIENCE = 300.0
SETTLE = 1.0
"""Beyond the age of pointers: the clock of a request that goes by one runs on."""


class CanaryLost(Unavailable):
    """The opened subscription delivered nothing: is a projector running?"""

    code = "canary_lost"


class NotVerified(Refused):
    """The new slot differs from the store, so nobody reads it."""

    code = "not_verified"


class NothingKept(Refused):
    """The old slot was retired, so there is no way back but another rebuild."""

    code = "nothing_kept"


class Control(Protocol):
    """The control table. Raises ``RebuildRunning`` when somebody else owns the rebuild."""

    async def state(self, model: str) -> ModelState: ...

    async def take(self, model: str, runner: str, seconds: float) -> ModelState: ...

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
    ) -> None: ...


class Slots(Protocol):
    """Tables and subscriptions of one model's slots."""

    async def definition(self, slot: Slot) -> str:
        """Of the table, as JSON: all that it takes to create it."""

    async def empty(self, slot: Slot, definition: str) -> None: ...

    async def open(self, slot: Slot) -> None:
        """Let the model's events and canaries through to the slot's queue."""

    async def close(self, slot: Slot) -> None: ...

    async def send_canary(self, slot: Slot, canary: str, mark: str) -> None:
        """``mark`` is fresh each time, for a topic drops what it has seen."""


@dataclass(frozen=True)
class ScanPage:
    """``after``: where the next page begins; None at the segment's end. ``units``: read units.

    ``scanned`` counts the items looked at, of whatever category. ``unreadable`` names the events
    that could not be decoded.
    """

    recorded: list[Recorded]
    after: str | None
    scanned: int
    units: float
    unreadable: Sequence[str] = ()


class Scan(Protocol):
    """A strongly consistent scan of the store; a stream lies within one segment, in order."""

    async def count(self) -> int:
        """About how many events there are, of all categories."""

    async def page(self, segment: int, of: int, after: str | None) -> ScanPage: ...


class Applies(Protocol):
    async def apply(self, recorded: Sequence[Recorded]) -> Sequence[object]: ...


class ReadUnits:
    """Slows reading down to so many units a second; None: as fast as it goes."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._free_at = 0.0

    async def spend(self, units: float) -> None:
        if self._per_second:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + units / self._per_second
            await asyncio.sleep(self._free_at - now)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Throttling and faults are waited for; the lease keeps others away meanwhile.

    What does not pass in five minutes is told: a rebuild goes on from there when it is run again.
    """
    deadline = time.monotonic() + PATIENCE
    for pause in itertools.chain(FAULT_PAUSES, itertools.repeat(FAULT_PAUSES[-1])):
        try:
            return await call()
        except Unavailable:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(pause)
    raise AssertionError("the pauses have no end")


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them, or none when one fails; its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


@dataclass
class Rebuild:
    """``check``: heals the slot and returns what still differs from the store, in words.

    ``runner`` names this process; ``report`` is told of every step.
    """

    model: str
    version: int
    control: Control
    slots: Slots
    scan: Scan
    gates: Mapping[Slot, Applies]
    check: Callable[[Slot], Awaitable[list[str]]]
    runner: str
    new_id: Callable[[], str]
    report: Callable[[Phase, Run], None] = lambda _phase, _run: None
    segments: int = 8
    units: ReadUnits = field(default_factory=lambda: ReadUnits(None))
    verify: bool = True
    keep: bool = False
    patience: float = LEASE
    _phase: Phase = Phase.IDLE
    _run: Run | None = None
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- what an operator asks for ---------------------------------------------------------------

    async def run(self) -> None:
        """Begin, or go on with what was begun by the same code. Raises ``RebuildRunning``."""
        state = await self._take()
        self._phase, self._run = state.phase, state.run
        outdated = self._run is not None and self._run.version != self.version
        unswitched = self._phase not in (Phase.SWITCHED, Phase.RETIRING)
        if self._run is None or (outdated and unswitched):
            await self._begin(state.live.other)
        await self._owned(self._advance)

    async def back(self) -> None:
        """Make the kept slot live again. Raises ``NothingKept``."""
        state = await self._take()
        if state.phase is not Phase.KEPT:
            await self.control.release(self.model, self.runner)
            raise NothingKept(f"{self.model} has no other slot that is up to date")
        old = state.live.other
        self._run = self._new_run(old, version=state.versions.get(old, self.version))
        await self._switch()
        await self._owned(self._advance)

    async def cancel(self) -> None:
        """Give a rebuild or a kept slot up: only the live slot is fed from then on."""
        state = await self._take()
        emptying = state.run.definition if state.run and state.phase is Phase.EMPTYING else None
        self._phase = state.phase
        self._run = self._new_run(state.live, version=self.version)
        await self._leave(self._run, emptying)
        await self._owned(self._advance)

    # --- ownership -------------------------------------------------------------------------------

    async def _take(self) -> ModelState:
        """A runner that was killed holds the lease for some seconds still; a living one renews."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return await self.control.take(self.model, self.runner, LEASE)
            except RebuildRunning:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(CANARY_LOOK)

    async def _owned(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work while the lease holds; give it back at the end, however that comes."""
        working, keeping = asyncio.ensure_future(work()), asyncio.create_task(self._keep())
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (keeping, working):
                if task.done():
                    task.result()
        finally:
            for task in (keeping, working):
                task.cancel()
            await asyncio.gather(keeping, working, return_exceptions=True)
            await self.control.release(self.model, self.runner)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await patiently(self._save)
            self._tell()

    async def _save(self) -> None:
        """One at a time, with the switch: an answer that is late must not take that back."""
        async with self._saving:
            await self.control.save(
                self.model, self.runner, LEASE, phase=self._phase, run=self._run
            )

    async def _to(self, phase: Phase, run: Run | None) -> None:
        self._phase, self._run = phase, run
        await patiently(self._save)
        self._tell()

    def _tell(self) -> None:
        if self._run is not None:
            self.report(self._phase, self._run)

    # --- phases ----------------------------------------------------------------------------------

    def _new_run(self, target: Slot, *, version: int) -> Run:
        return Run(id=self.new_id(), version=version, target=target, started_at=datetime.now(UTC))

    async def _begin(self, target: Slot) -> None:
        run = self._new_run(target, version=self.version)
        run.definition = await self.slots.definition(target)
        run.total = await self.scan.count()
        run.segments = [Segment() for _ in range(self.segments)]
        await self._to(Phase.EMPTYING, run)

    async def _advance(self) -> None:
        steps = {
            Phase.EMPTYING: self._empty,
            Phase.OPENING: self._open,
            Phase.SCANNING: self._scan,
            Phase.VERIFYING: self._verify_and_switch,
            Phase.SWITCHED: self._switched,
            Phase.RETIRING: self._retire,
        }
        self._tell()
        while self._run is not None and (step := steps.get(self._phase)) is not None:
            await step(self._run)

    async def _empty(self, run: Run) -> None:
        """Stray events that a projector applies meanwhile do no harm: they are true."""
        await self.slots.close(run.target)
        await self.slots.empty(run.target, run.definition)
        await self._to(Phase.OPENING, run)

    async def _open(self, run: Run) -> None:
        """Scanning before live events surely arrive would lose what happens in between."""
        await self.slots.open(run.target)
        deadline = time.monotonic() + CANARY_WITHIN
        while time.monotonic() < deadline:
            await self.slots.send_canary(run.target, run.id, self.new_id())
            if await self._canary_arrives(run.id):
                await asyncio.sleep(POINTER_SECONDS + SETTLE)  # until nobody takes it for unfed
                await self._to(Phase.SCANNING, run)
                return
        raise CanaryLost(f"no projector has seen the canary of {self.model} in 20 minutes")

    async def _canary_arrives(self, canary: str) -> bool:
        until = time.monotonic() + CANARY_EVERY
        while time.monotonic() < until:
            await asyncio.sleep(CANARY_LOOK)
            if (await self.control.state(self.model)).canary_seen == canary:
                return True
        return False

    async def _scan(self, run: Run) -> None:
        gate, limit = self.gates[run.target], asyncio.Semaphore(STREAMS_AT_ONCE)

        async def apply(part: list[Recorded]) -> None:
            async with limit:
                await patiently(lambda: gate.apply(part))

        async def read(index: int, segment: Segment) -> None:
            while not segment.done:
                page = await patiently(partial(self._page, run, index))
                await self.units.spend(page.units)
                await asyncio.gather(*map(apply, by_stream(page.recorded)))
                segment.events += page.scanned
                segment.after, segment.done = page.after, page.after is None
                self._tell()

        await together(read(index, segment) for index, segment in enumerate(run.segments))
        await self._to(Phase.VERIFYING, run)

    async def _page(self, run: Run, index: int) -> ScanPage:
        return await self.scan.page(index, len(run.segments), run.segments[index].after)

    async def _verify_and_switch(self, run: Run) -> None:
        differences = await self.check(run.target) if self.verify else []
        if differences:
            raise NotVerified("; ".join(differences), model=self.model)
        await self._switch()

    async def _switch(self) -> None:
        run = self._run
        assert run is not None
        async with self._saving:
            await self.control.save(
                self.model,
                self.runner,
                LEASE,
                phase=Phase.SWITCHED,
                run=run,
                versions={run.target: run.version},
                live=run.target,
            )
            self._phase = Phase.SWITCHED
        self._tell()

    async def _switched(self, run: Run) -> None:
        """Both slots stay fed until nobody can go by the old pointer any more."""
        await asyncio.sleep(POINTER_SECONDS + SETTLE)
        if self.keep:
            await self._to(Phase.KEPT, None)
        else:
            await self._leave(run)

    async def _leave(self, run: Run, definition: str | None = None) -> None:
        """``definition``: of the table to be emptied, where that may be gone already."""
        run.definition = definition or await self.slots.definition(run.target.other)
        await self._to(Phase.RETIRING, run)

    async def _retire(self, run: Run) -> None:
        """A table that is fed no more would keep what is forgotten meanwhile."""
        old = run.target.other
        await self.slots.close(old)
        await asyncio.sleep(POINTER_SECONDS + SETTLE)
        await self.slots.empty(old, run.definition)
        await self._to(Phase.IDLE, None)


def by_stream(recorded: Sequence[Recorded]) -> list[list[Recorded]]:
    """Streams lie together. A stream that goes on in the next page is applied in two parts."""
    grouped = itertools.groupby(recorded, key=lambda one: one.event.originator_id)
    return [list(part) for _, part in grouped]
