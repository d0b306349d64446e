"""Which queues a projector process reads: those of slots that are live or being built."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from adapters.faststream_aws import SQSBroker
from adapters.inbound.workers.ports import Metrics
from domain.kernel.errors import Unavailable
from projections.kernel.slots import Pointer, Slot

log = structlog.get_logger("homecast.projector")

LOOK_EVERY = 2.5
NOTE_EVERY = 5.0


class Control(Protocol):
    async def register(self, model: str, version: int) -> None: ...

    async def note_canary(self, model: str, canary: str) -> None: ...

    async def note_applied(self, model: str, slot: Slot, at: datetime) -> None: ...


class Progress:
    """Tells the control table how far one slot is, at most every five seconds."""

    def __init__(self, control: Control, model: str, slot: Slot, metrics: Metrics) -> None:
        self._control = control
        self._model = model
        self._slot = slot
        self._metrics = metrics
        self._noted_at = float("-inf")
        self._newest: datetime | None = None

    async def applied(self, at: datetime) -> None:
        """Never raises: the next note says as much."""
        delay = max(0.0, (datetime.now(UTC) - at).total_seconds())
        self._metrics.gauge(
            "ProjectionDelay", round(delay, 3), "Seconds", model=self._model, slot=self._slot
        )
        self._newest = max(at, self._newest or at)
        if time.monotonic() - self._noted_at < NOTE_EVERY:
            return
        self._noted_at = time.monotonic()
        with contextlib.suppress(Unavailable):
            await self._control.note_applied(self._model, self._slot, self._newest)

    async def canary(self, body: Mapping[str, Any]) -> None:
        """Canaries of other rebuilds are of no interest."""
        data = body.get("data")
        if isinstance(data, dict) and (data.get("model"), data.get("slot")) == (
            self._model,
            self._slot,
        ):
            await self._control.note_canary(self._model, str(body.get("id")))


class Subscription(Protocol):
    running: bool

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class SlotFeeds:
    """Keeps the subscribers as the control table says, looking every few seconds."""

    def __init__(
        self,
        broker: SQSBroker,
        subscribers: Mapping[tuple[str, Slot], Subscription],
        *,
        pointer: Pointer,
        control: Control,
        versions: Mapping[str, int],
    ) -> None:
        self._broker = broker
        self._subscribers = subscribers
        self._pointer = pointer
        self._control = control
        self._versions = versions
        self._registered = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._broker.connect()
        await self._look()
        self._task = asyncio.create_task(self._follow(), name="slots")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._broker.stop()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look()
            except Exception:  # the edge: without this task no rebuild is ever followed again
                log.exception("slots_not_followed")

    async def _look(self) -> None:
        """While the table cannot be read, everything stays as it is."""
        try:
            if not self._registered:
                for model, version in self._versions.items():
                    await self._control.register(model, version)
                self._registered = True
            for (model, slot), subscriber in self._subscribers.items():
                state = await self._pointer.state(model)
                await self._set(model, slot, subscriber, fed=state.is_fed(slot))
        except Unavailable as error:
            log.warning("slots_unknown", detail=error.detail)

    async def _set(self, model: str, slot: Slot, subscriber: Subscription, *, fed: bool) -> None:
        if fed == subscriber.running:
            return
        log.info("slot_fed" if fed else "slot_left", model=model, slot=slot.value)
        await (subscriber.start() if fed else subscriber.stop())
