"""The two slots of a read model, which of them is live, and what is known of their making.

Each slot has a table and a queue of its own. Readers and side effects follow the live one; the
other is idle, or being built beside the live events, until one conditional write switches them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import Conflict, StoreUnavailable

T = TypeVar("T")

POINTER_SECONDS = 5.0
"""The longest that anybody goes by a pointer: a switch is over for all readers after it."""
REFRESH_AFTER = 2.0
CANARY = "homecast.canary"
"""Type of the message that proves that a newly opened subscription delivers."""


class RebuildRunning(Conflict):
    """One rebuild a model at a time, and its lease is somebody else's."""

    code = "rebuild_running"


class Slot(StrEnum):
    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Slot:
        return Slot.GREEN if self is Slot.BLUE else Slot.BLUE


class Phase(StrEnum):
    """Of a rebuild, in this order. ``RETIRING``: the old slot is fed no more and is being emptied,
    so that nothing personal grows old in it. ``KEPT``: switched, the old slot fed, to go back."""

    IDLE = "idle"
    EMPTYING = "emptying"
    OPENING = "opening"
    SCANNING = "scanning"
    VERIFYING = "verifying"
    SWITCHED = "switched"
    RETIRING = "retiring"
    KEPT = "kept"


FED = frozenset({Phase.OPENING, Phase.SCANNING, Phase.VERIFYING, Phase.SWITCHED, Phase.KEPT})
"""Phases in which both slots get the live events."""


class Segment(BaseModel):
    """How far the scan of one segment is: ``after`` is the last key done, as JSON."""

    after: str | None = None
    done: bool = False
    events: int = 0


class Run(BaseModel):
    """What a rebuild has to remember to be resumed.

    ``definition``: of the table that is emptied, as JSON: the target's, at the end the other one's.
    """

    id: str
    version: int
    target: Slot
    started_at: datetime
    definition: str = ""
    total: int = 0
    segments: list[Segment] = []

    @property
    def events(self) -> int:
        return sum(one.events for one in self.segments)


class ModelState(BaseModel):
    """``versions``: of the code that built each slot. ``applied``: time of its newest event."""

    model_config = ConfigDict(frozen=True)

    model: str
    live: Slot = Slot.BLUE
    phase: Phase = Phase.IDLE
    versions: dict[Slot, int] = {}
    applied: dict[Slot, datetime] = {}
    run: Run | None = None
    canary_seen: str = ""

    def is_fed(self, slot: Slot) -> bool:
        return slot is self.live or self.phase in FED


class Pointer:
    """The states of all models, read at most every two seconds and never older than five.

    Whoever asks waits for a read only when nobody has asked for so long.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Mapping[str, ModelState]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._states: Mapping[str, ModelState] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def state(self, model: str) -> ModelState:
        """Raises ``StoreUnavailable``: better no answer than one of a table that may be gone."""
        age = self._clock() - self._read_at
        if age >= POINTER_SECONDS:
            await self._refresh(POINTER_SECONDS)
        elif age >= REFRESH_AFTER and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh_quietly())
        return self._states.get(model) or ModelState(model=model)

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh(REFRESH_AFTER)
        except StoreUnavailable:
            return  # told to whoever asks when it is too old

    async def _refresh(self, older_than: float) -> None:
        async with self._lock:
            asked = self._clock()
            if asked - self._read_at >= older_than:
                self._states = await self._read()
                self._read_at = asked


class Slotted(Generic[T]):
    """What there is of each slot of a model, and the live one of them."""

    def __init__(self, model: str, slots: Mapping[Slot, T], pointer: Pointer) -> None:
        self.model = model
        self._slots = slots
        self._pointer = pointer

    def of(self, slot: Slot) -> T:
        return self._slots[slot]

    async def live(self) -> T:
        return self._slots[(await self._pointer.state(self.model)).live]
