"""Receives from one queue, runs the handler with bounded concurrency, gives back the rest."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from .channel import QueueChannel
from .connection import error_code
from .deletes import Log
from .lanes import Lanes, Unit
from .received import Outcome, ReceivedMessage
from .settings import ConsumerSettings

Handle = Callable[[Sequence[ReceivedMessage]], Awaitable[object]]
"""Runs the handler and settles what it was given, unless the handler does that itself."""

_GIVE_BACK_TIMEOUT = 5.0  # seconds
_CANCEL_TIMEOUT = 5.0  # seconds for a cancelled handler to come to its end
_FAILED = (None, Outcome.DELAYED, Outcome.HANDED_BACK)


class Consumer:
    """Started once, stopped once.

    Nothing is received while ``unit_limit`` units are held. After a failure in a FIFO group
    what is held of that group is given back, so that its order is kept.
    """

    def __init__(
        self,
        channel: QueueChannel,
        settings: ConsumerSettings,
        handle: Handle,
        log: Log,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._handle = handle
        self._log = log
        self._lanes = Lanes(fifo=settings.fifo, batch=settings.batch)
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._asked_for = 0  # units that polls under way may bring
        self._pollers: set[asyncio.Task[None]] = set()
        self._workers: dict[asyncio.Task[None], Unit] = {}
        self._poll_error = ""
        self._failures = 0

    def start(self) -> None:
        for _ in range(self._settings.pollers):
            self._pollers.add(asyncio.create_task(self._poll()))

    async def stop(self, graceful_timeout: float | None) -> None:
        """Finish polls and handlers within the time given, cancel and give back the rest."""
        deadline = time.monotonic() + (graceful_timeout or 0)
        self._stopping.set()
        self._room.set()
        # A handler that stops its own subscriber runs in one of them: not to wait for itself.
        current = asyncio.current_task()
        others = {task: unit for task, unit in self._workers.items() if task is not current}
        await self._give_back(self._lanes.drop_all())
        await asyncio.gather(self._finish_polls(deadline), self._finish_workers(others, deadline))

    async def _finish_polls(self, deadline: float) -> None:
        # A poll that is cancelled may still be answered, to nobody: its messages would be
        # lost until their visibility timeout.
        limit = self._settings.poll_drain_timeout
        await _wait_or_cancel(self._pollers, time.monotonic() + limit if limit else deadline)

    async def _finish_workers(
        self,
        units: Mapping[asyncio.Task[None], Unit],
        deadline: float,
    ) -> None:
        for task in await _wait_or_cancel(units, deadline):
            await self._give_back(units[task].messages)

    async def _give_back(self, messages: Sequence[ReceivedMessage]) -> None:
        """When the service does not answer, they come again after their timeout instead."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK_TIMEOUT):
                await self._channel.hand_back(messages)

    def is_worker(self, task: "asyncio.Task[Any] | None") -> bool:
        return task in self._workers

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            units = await self._wait_for_room()
            if not units:
                return
            self._asked_for += units
            try:
                messages = await self._receive(units)
            except Exception as error:  # noqa: BLE001 - the edge: a poll loop outlives any error
                await self._pause(self._failed(error))
                continue
            finally:
                self._asked_for -= units
            self._recovered()
            await self._accept(messages)
            if not messages:
                await self._pause(self._settings.pause_after_empty)

    async def _wait_for_room(self) -> int:
        """How many units the next receive may bring; 0 when stopping."""
        while not self._stopping.is_set():
            free = self._settings.unit_limit - len(self._lanes) - self._asked_for
            if free > 0:
                return min(free, self._settings.units_per_receive)
            self._room.clear()
            await self._room.wait()
        return 0

    async def _receive(self, units: int) -> list[ReceivedMessage]:
        count = units if self._settings.unit_is_message else self._settings.max_messages
        return await self._channel.receive(count, self._settings.wait_time_seconds)

    async def _accept(self, messages: Sequence[ReceivedMessage]) -> None:
        if self._stopping.is_set():
            await self._channel.hand_back(messages)
            return
        self._lanes.add(messages)
        self._start_units()

    def _start_units(self) -> None:
        while self._lanes.running < self._settings.max_concurrency:
            unit = self._lanes.take()
            if unit is None:
                return
            task = asyncio.create_task(self._work(unit))
            self._workers[task] = unit
            task.add_done_callback(self._worker_done)

    async def _work(self, unit: Unit) -> None:
        try:
            await self._run_handler(unit)
            if any(message.outcome in _FAILED for message in unit.messages):
                await self._after_failure(unit)
        finally:
            self._lanes.finish(unit.lane)
            self._room.set()
        if not self._stopping.is_set():
            self._start_units()
        if not len(self._lanes):
            self._channel.flush_deletes()  # nothing else is coming to share the call

    async def _run_handler(self, unit: Unit) -> None:
        if self._stopping.is_set():
            await self._channel.hand_back(unit.messages)
            return
        try:
            await self._handle(unit.messages)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            # The handler awaited something that was cancelled; this task was not.
            await self._channel.fail_batch(unit.messages, None, None)

    async def _after_failure(self, unit: Unit) -> None:
        unsettled = [message for message in unit.messages if message.outcome is None]
        if self._stopping.is_set():
            await self._channel.hand_back(unsettled)
        else:
            await self._channel.let_go(unsettled)
        if self._settings.fifo:
            await self._channel.hand_back(self._lanes.drop(unit.lane))

    def _worker_done(self, task: asyncio.Task[None]) -> None:
        self._workers.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            self._log(logging.ERROR, f"Unexpected error: {error!r}")

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        waiting = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()

    def _failed(self, error: Exception) -> float:
        """Log an error once in a row; the seconds to wait, longer each time."""
        self._failures += 1
        if (code := error_code(error)) != self._poll_error:
            self._poll_error = code
            self._log(logging.ERROR, f"Receive failed, will retry: {code}: {error}")
        return self._settings.poll_backoff.delay(self._failures)

    def _recovered(self) -> None:
        if self._poll_error:
            self._log(logging.INFO, "Receiving again")
        self._poll_error = ""
        self._failures = 0


async def _wait_or_cancel(
    tasks: Iterable[asyncio.Task[None]],
    deadline: float,
) -> list[asyncio.Task[None]]:
    """Wait until the deadline (of the monotonic clock); the tasks that had to be cancelled."""
    waiting = set(tasks)
    if not waiting:
        return []
    _, late = await asyncio.wait(waiting, timeout=max(0.0, deadline - time.monotonic()))
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_CANCEL_TIMEOUT)
    return list(late)
