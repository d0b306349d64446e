"""The sweeper: ends what the clock has ended, for devices whose gateway does not.

It looks at the index of open commands and leaves the decision to the lane, so any number of
sweepers race harmlessly. A row that stays open though its lane has ended the command has lost an
event on the way; the sweeper brings it up to date from the store. If the row is parked, it leaves
the index: looking at it again and again would help nobody.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from adapters.inbound.process import pause
from adapters.inbound.workers.ports import Applies, DueCommand, DueCommands
from commands.devices import remote_commands
from commands.devices.remote_commands import SweepLane
from commands.kernel.dispatch import Dispatcher
from commands.kernel.ports import Clock, EventStore, Ids
from domain.devices.lane import Lane
from domain.kernel.errors import Conflict, Unavailable
from domain.kernel.recorded import Context
from projections.devices.remote_commands import key_of

log = structlog.get_logger("homecast.sweeper")

AT_ONCE = 16
GRACE = timedelta(seconds=1)
"""The session's own gateway comes first."""
FAILURE_PAUSE = 2.0
REPAIR_AFTER = timedelta(minutes=2)
"""Longer than read models lag in ordinary trouble."""


class Sweeper:
    def __init__(
        self,
        *,
        due: DueCommands,
        gate: Applies,
        store: EventStore,
        dispatcher: Dispatcher,
        clock: Clock,
        ids: Ids,
        interval: float,
    ) -> None:
        self._due = due
        self._gate = gate
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._ids = ids
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.sweep_once()
            except Unavailable as error:
                log.warning("sweep_failed", code=error.code, detail=error.detail)
                await pause(stop, FAILURE_PAUSE)
            await pause(stop, self._interval)

    async def sweep_once(self) -> int:
        """Look once at everything that may be due; the number of events that this stored."""
        commands: dict[str, list[DueCommand]] = {}
        for command in await self._due.due(now=self._clock.now() - GRACE):
            commands.setdefault(command.device_id, []).append(command)
        limit = asyncio.Semaphore(AT_ONCE)

        async def sweep(device_id: str, due: list[DueCommand]) -> int:
            async with limit:
                return await self._sweep_lane(device_id, due)

        ended = await asyncio.gather(*(sweep(device, due) for device, due in commands.items()))
        return sum(ended)

    async def _sweep_lane(self, device_id: str, due: list[DueCommand]) -> int:
        """Never raises: one lane's trouble must not keep the others waiting."""
        sweep_id = self._ids.new()
        context = Context(correlation_id=sweep_id, causation_id=sweep_id, principal="platform")
        message = SweepLane(device_id=device_id)
        try:
            lane, recorded = await self._dispatcher.execute(
                context, lambda unit: remote_commands.sweep(unit, message)
            )
            if not recorded:
                await self._repair(lane, due)
        except (Unavailable, Conflict) as error:
            log.warning("lane_not_swept", device=device_id, code=error.code)
            return 0
        except Exception:  # the edge of the process: see the docstring
            log.exception("lane_not_sweepable", device=device_id)
            return 0
        if recorded:
            log.info("swept", device=device_id, events=len(recorded), correlation=sweep_id)
        return len(recorded)

    async def _repair(self, lane: Lane, due: list[DueCommand]) -> None:
        """Rows that are long overdue, and whose command the lane has ended."""
        overdue = self._clock.now() - REPAIR_AFTER
        numbers = [c.number for c in due if c.due_at < overdue and c.number not in lane.open]
        if not numbers:
            return
        events = await self._store.read(lane.stream, after=min(numbers) - 1)
        wanted = {(lane.device_id, number) for number in numbers}
        missed = [one for one in events if key_of(one.event) in wanted]
        await self._gate.apply(missed)
        parked = [n for n in numbers if await self._due.leave_parked(lane.device_id, n)]
        log.warning(
            "rows_repaired",
            device=lane.device_id,
            commands=len(numbers) - len(parked),
            parked=len(parked),
        )
