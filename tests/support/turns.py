"""Processes that take turns: a call to the outside stops until the test says who goes on, and how.

Time is virtual: pauses take none, so a schedule is the list of turns and nothing else.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar

from domain.kernel.errors import StoreUnavailable

T = TypeVar("T")
LONGEST_PAUSE = 60.0
"""Virtual seconds in which everybody comes to their next call."""


class Way(Enum):
    """How a call goes on: ``FAILS`` before it did anything, or its answer is lost after it did."""

    GOES = auto()
    FAILS = auto()


class _Impatient(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualTime(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return self._impatient.now


@dataclass(eq=False)
class Stop:
    """A call that waits for its turn."""

    process: str
    call: str
    way: asyncio.Future[Way]


@dataclass
class Turns:
    waiting: list[Stop] = field(default_factory=list)

    async def take(self, process: str, call: str) -> None:
        """Raises ``StoreUnavailable`` where the test lets the call fail."""
        stop = Stop(process, call, asyncio.get_running_loop().create_future())
        self.waiting.append(stop)
        try:
            if await stop.way is Way.FAILS:
                raise StoreUnavailable(f"{call} of {process}")
        finally:
            if stop in self.waiting:
                self.waiting.remove(stop)

    async def around(self, process: str, call: str, effect: Callable[[], Awaitable[T]]) -> T:
        """Two turns: it may end, fail or be killed before the effect, and after it."""
        await self.take(process, f"{call}, before")
        result = await effect()
        await self.take(process, f"{call}, after")
        return result

    def release(self, place: int, way: Way = Way.GOES) -> None:
        stop = self.waiting.pop(place % len(self.waiting))
        if not stop.way.done():
            stop.way.set_result(way)


class Process:
    """Tasks that die together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: set[asyncio.Task[Any]] = set()

    def start(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> None:
        task = loop.create_task(work, name=self.name)
        self.tasks.add(task)

    def collect(self) -> None:
        """Raises what a task has raised: everything that may happen is handled inside."""
        for task in [one for one in self.tasks if one.done()]:
            self.tasks.discard(task)
            if not task.cancelled():
                task.result()

    def kill(self) -> None:
        for task in self.tasks:
            task.cancel()
