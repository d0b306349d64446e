"""The sweeper: ends what the clock has ended, for devices whose gateway does not.

It looks at the index of open commands and leaves the decision to the lane, so any number of
sweepers race harmlessly.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from adapters.inbound.workers.ports import DueCommands
from adapters.inbound.workers.process import pause
from commands.devices import remote_commands
from commands.devices.remote_commands import SweepLane
from commands.kernel.dispatch import Dispatcher
from commands.kernel.ports import Clock, Ids
from domain.kernel.errors import Conflict, Unavailable
from domain.kernel.recorded import Context

log = structlog.get_logger("homecast.sweeper")

AT_ONCE = 16
GRACE = timedelta(seconds=1)
"""The session's own gateway comes first."""
FAILURE_PAUSE = 2.0


class Sweeper:
    def __init__(
        self,
        *,
        due: DueCommands,
        dispatcher: Dispatcher,
        clock: Clock,
        ids: Ids,
        interval: float,
    ) -> None:
        self._due = due
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
        devices = await self._due.due(now=self._clock.now() - GRACE)
        limit = asyncio.Semaphore(AT_ONCE)

        async def sweep(device_id: str) -> int:
            async with limit:
                return await self._sweep_lane(device_id)

        ended = await asyncio.gather(*(sweep(device_id) for device_id in devices))
        return sum(ended)

    async def _sweep_lane(self, device_id: str) -> int:
        sweep_id = self._ids.new()
        context = Context(correlation_id=sweep_id, causation_id=sweep_id, principal="platform")
        message = SweepLane(device_id=device_id)
        try:
            _, recorded = await self._dispatcher.execute(
                context, lambda unit: remote_commands.sweep(unit, message)
            )
        except (Unavailable, Conflict) as error:
            log.warning("lane_not_swept", device=device_id, code=error.code)
            return 0
        if recorded:
            log.info("swept", device=device_id, events=len(recorded), correlation=sweep_id)
        return len(recorded)
