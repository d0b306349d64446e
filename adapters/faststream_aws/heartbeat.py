"""Keeps messages invisible from their receive until they are settled."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .batch_calls import BatchCall, Entry, call_once, in_tens
from .deletes import Log
from .received import ReceivedMessage
from .settings import MAX_VISIBILITY, ConsumerSettings

_RETRY_PAUSE = 1.0  # seconds between extensions that failed


@dataclass(slots=True)
class _Tracked:
    message: ReceivedMessage
    received_at: float
    due: float


class VisibilityHeartbeat:
    """Extends what it tracks, in tens, shortly before the visibility timeout is over.

    ``release`` must be awaited before a message's visibility is set to anything else: an
    extension already on its way would otherwise land later and undo it.
    """

    def __init__(self, call: BatchCall, settings: ConsumerSettings, *, log: Log) -> None:
        self._call = call
        self._timeout = settings.visibility_timeout
        self._settings = settings.heartbeat
        self._log = log
        self._tracked: dict[int, _Tracked] = {}
        self._extending: dict[int, asyncio.Future[None]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def start(self) -> None:
        if self._settings.enabled:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._tracked.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def track(self, messages: Sequence[ReceivedMessage]) -> None:
        if self._task is None:
            return
        now = time.monotonic()
        due = now + self._timeout * (1 - self._settings.remaining)
        for message in messages:
            self._tracked[id(message)] = _Tracked(message, now, due)
        self._wake.set()

    def forget(self, message: ReceivedMessage) -> None:
        self._tracked.pop(id(message), None)

    async def release(self, message: ReceivedMessage) -> None:
        """Forget it, and wait for an extension of it that is on its way."""
        self.forget(message)
        if under_way := self._extending.get(id(message)):
            await asyncio.wait({under_way})

    async def _run(self) -> None:
        while True:
            if not self._tracked:
                self._wake.clear()
                await self._wake.wait()
            now = time.monotonic()
            earliest = min(one.due for one in self._tracked.values())
            # A message tracked meanwhile is due later than this one, so no need to wake up.
            if earliest > now:
                await asyncio.sleep(earliest - now)
                continue
            due = [one for one in self._tracked.values() if one.due <= now]
            for chunk in in_tens(due):
                await self._extend([one for one in chunk if id(one.message) in self._tracked])

    async def _extend(self, chunk: Sequence[_Tracked]) -> None:
        now = time.monotonic()
        too_old = [one for one in chunk if self._seconds_left(one, now) < 1]
        for one in too_old:
            self.forget(one.message)
        if too_old:
            self._log(logging.WARNING, f"{len(too_old)} messages held too long are let go")
        young = [one for one in chunk if self._seconds_left(one, now) >= 1]
        if not young:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._extending |= {id(one.message): done for one in young}
        try:
            await self._send(young, now)
        finally:
            for one in young:
                del self._extending[id(one.message)]
            done.set_result(None)

    async def _send(self, young: Sequence[_Tracked], now: float) -> None:
        entries = [
            Entry(one.message, {"VisibilityTimeout": self._seconds_left(one, now)}) for one in young
        ]
        failed = {id(one.entry.message): one for one in await call_once(self._call, entries)}
        for one in young:
            failure = failed.get(id(one.message))
            if failure is None:
                one.due = now + self._timeout * (1 - self._settings.remaining)
            elif failure.final:
                self.forget(one.message)
            else:
                one.due = now + _RETRY_PAUSE
        self._note({one.code for one in failed.values()})

    def _seconds_left(self, one: _Tracked, now: float) -> int:
        age = now - one.received_at
        longest = min(self._settings.max_age, MAX_VISIBILITY - 1)
        return min(self._timeout, int(longest - age))

    def _note(self, codes: set[str]) -> None:
        """Log the first of a row of failures only."""
        if codes and not self._failing:
            self._log(logging.WARNING, f"Visibility not extended: {', '.join(sorted(codes))}")
        self._failing = bool(codes)
