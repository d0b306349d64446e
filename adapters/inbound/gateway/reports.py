"""Reported state on its way to the twin: at most one write a second, and the last one always."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.inbound.gateway.container import Runtime, log
from commands.devices.ports import Twins, Watchers
from domain.kernel.errors import Unavailable

State = dict[str, dict[str, Any]]


class Reports:
    """Of one session. What comes while a write has to wait is merged into it.

    The twin's sequence is counted here: WebSocket messages arrive in the order of their sending.
    """

    __slots__ = (
        "_account_id", "_acknowledge", "_closed", "_count", "_device_id", "_handle",
        "_next_write", "_runtime", "_session_id", "_state", "_task", "_unwritten",
    )  # fmt: skip

    def __init__(
        self,
        runtime: Runtime,
        *,
        device_id: str,
        session_id: str,
        account_id: str,
        acknowledge: Callable[[int], Awaitable[None]],
    ) -> None:
        self._runtime = runtime
        self._device_id = device_id
        self._session_id = session_id
        self._account_id = account_id
        self._acknowledge = acknowledge
        self._closed = False
        self._count = 0
        self._state: State | None = None
        self._unwritten: int | None = None
        self._next_write = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    async def add(self, state: State, sequence: int | None) -> None:
        """``sequence``: acknowledged when the state is written, or part of a later write."""
        superseded, self._unwritten = self._unwritten, sequence
        before = self._state or {}
        merged = {cluster: {**before.get(cluster, {}), **new} for cluster, new in state.items()}
        self._state = {**before, **merged}
        self._schedule()
        if superseded is not None:
            await self._acknowledge(superseded)

    def flush(self) -> None:
        """The session is over: write now what waits, and try that only once."""
        self._closed = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._start()

    def _schedule(self) -> None:
        if self._handle is None and self._task is None:
            loop = asyncio.get_running_loop()
            wait = self._next_write - loop.time()
            if wait <= 0 or self._closed:
                self._start()
            else:
                self._handle = loop.call_later(wait, self._start)

    def _start(self) -> None:
        self._handle = None
        self._task = self._runtime.tasks.spawn(self._write())

    async def _write(self) -> None:
        limits = self._runtime.limits
        self._next_write = asyncio.get_running_loop().time() + limits.report_interval
        state, self._state = self._state or {}, None
        sequence, self._unwritten = self._unwritten, None
        self._count += 1
        try:
            await self._report(state)
        except Unavailable as error:
            log.warning("report_waits", device=self._device_id, code=error.code)
            if not self._closed:
                self._take_back(state, sequence)
        else:
            if sequence is not None:
                await self._acknowledge(sequence)
        finally:
            self._task = None
            if self._state is not None:
                self._schedule()

    def _take_back(self, state: State, sequence: int | None) -> None:
        newer = self._state or {}
        merged = {cluster: {**old, **newer.get(cluster, {})} for cluster, old in state.items()}
        self._state = {**newer, **merged}
        self._unwritten = sequence if self._unwritten is None else self._unwritten

    async def _report(self, state: State) -> None:
        twins: Twins = self._runtime.container.twins
        watchers: Watchers = self._runtime.container.watchers
        newest = await twins.report(
            self._device_id, session=self._session_id, sequence=self._count, state=state
        )
        if newest:
            message = {"type": "twin", "device_id": self._device_id, "state": state}
            await watchers.tell(self._account_id, message)
