"""Unsent commands are hinted again after 1, 2 and 4 s: a hint may be lost, a command never.

One task for all. What the feed has shown to be sent is forgotten; so is a device that is not
online, for its gateway reads the lane when it connects. Before a device is nudged, the store is
asked whether the feed has only missed it.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from dataclasses import dataclass

from adapters.inbound.http.container import Container
from adapters.inbound.http.feeds import Message
from domain.devices.lane import LANE
from domain.devices.remote_command import RemoteCommandEvent
from domain.kernel.errors import HintsUnavailable, Unavailable
from domain.kernel.event import id_of
from domain.kernel.recorded import Recorded

AFTER = (1.0, 2.0, 4.0)
"""Seconds after the submit."""
PENDING = 10_000
"""Commands that are watched at most; those beyond are left to the gateway's own rounds."""
TICK = 0.25

Key = tuple[str, int]


@dataclass(frozen=True)
class Pending:
    """``due`` counts the hints given so far."""

    submitted_at: float
    hints: int = 0

    @property
    def due(self) -> float:
        return self.submitted_at + AFTER[self.hints]


class Rehints:
    def __init__(self, container: Container, *, size: int = PENDING) -> None:
        self._store = container.store
        self._presence = container.presence
        self._lanes = container.lanes
        self._size = size
        self._pending: dict[Key, Pending] = {}
        self._queue: list[tuple[float, Key]] = []

    def submitted(self, device_id: str, number: int) -> None:
        if len(self._pending) < self._size:
            self._put((device_id, number), Pending(asyncio.get_running_loop().time()))

    def observe(self, message: Message) -> None:
        """Forget a command once anything has happened to it after its acceptance."""
        if isinstance(message, Recorded) and isinstance(message.event, RemoteCommandEvent):
            event = message.event
            if event.step > 1:
                self._pending.pop((id_of(event.originator_id), event.number), None)

    def _put(self, key: Key, pending: Pending) -> None:
        self._pending[key] = pending
        heapq.heappush(self._queue, (pending.due, key))

    async def tick(self) -> None:
        """Nudge what is due by now; raises nothing that the hint path may bring."""
        due = self._due()
        if not due:
            return
        try:
            online = await self._presence.online(sorted({device_id for device_id, _ in due}))
        except HintsUnavailable:
            online = {device_id: True for device_id, _ in due}
        unsent = [key for key in due if online.get(key[0]) and await self._is_unsent(key)]
        for key in due:
            known = self._pending.pop(key, None)
            if known is not None and key in unsent and known.hints + 1 < len(AFTER):
                self._put(key, Pending(known.submitted_at, known.hints + 1))
        if unsent:
            await self._lanes.nudge(sorted({device_id for device_id, _ in unsent}))

    def _due(self) -> list[Key]:
        now = asyncio.get_running_loop().time()
        due = []
        while self._queue and self._queue[0][0] <= now:
            _, key = heapq.heappop(self._queue)
            if key in self._pending:
                due.append(key)
        return due

    async def _is_unsent(self, key: Key) -> bool:
        device_id, number = key
        with suppress(Unavailable):
            later = await self._store.read(LANE.stream(device_id), after=number)
            return not any(
                isinstance(one.event, RemoteCommandEvent) and one.event.number == number
                for one in later
            )
        return True
