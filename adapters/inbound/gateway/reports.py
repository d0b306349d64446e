"""Reported state on its way to the twin: at most one write a second, and the last one always."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed

from adapters.inbound.gateway.container import Runtime, log
from adapters.inbound.gateway.protocol import Ack, Close, Error, ToDevice, refusal
from commands.devices.ports import Twins, Watchers
from domain.devices.lane import LANE
from domain.kernel.errors import Busy, HomecastError, Unavailable

WAITING = 256
"""Reports that are not acknowledged yet: more are refused for now."""
State = dict[str, dict[str, Any]]


class Reporter(Protocol):
    """The session, as its reports see it."""

    device_id: str
    session_id: str
    account_id: str
    lane_opened_at: int
    closing: bool

    async def write(self, message: ToDevice) -> None: ...

    async def refuse(self, error: Error) -> None: ...

    def close(self, code: Close, reason: str) -> None: ...


class Reports:
    """Of one session. What comes while a write has to wait is merged into it.

    The twin's sequence is counted here: WebSocket messages arrive in the order of their sending.
    """

    __slots__ = (
        "_closed", "_count", "_handle", "_next_write", "_reporter", "_runtime", "_state", "_task",
        "_waiting",
    )  # fmt: skip

    def __init__(self, reporter: Reporter, runtime: Runtime) -> None:
        self._reporter = reporter
        self._runtime = runtime
        self._closed = False
        self._count = 0
        self._state: State | None = None
        self._waiting: list[int] = []
        self._next_write = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, state: State, sequence: int | None) -> None:
        """``sequence``: acknowledged when the state is written. ``Busy`` when too many wait."""
        if sequence is not None:
            if len(self._waiting) >= WAITING:
                raise Busy("reports wait to be stored", retry_after=1)
            self._waiting.append(sequence)
        before = self._state or {}
        merged = {cluster: {**before.get(cluster, {}), **new} for cluster, new in state.items()}
        self._state = {**before, **merged}
        self._schedule()

    def waits_for(self, sequence: int) -> bool:
        """It came, and is not stored yet."""
        return sequence in self._waiting

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
        included = len(self._waiting)
        self._count += 1
        try:
            refused = await self._refused(state)
            done, self._waiting = self._waiting[:included], self._waiting[included:]
            await self._answer(done, refused)
        except Unavailable as error:
            log.warning("report_waits", device=self._reporter.device_id, code=error.code)
            if not self._closed:
                self._take_back(state)
        except ConnectionClosed:
            pass
        finally:
            self._task = None
            if self._state is not None:
                self._schedule()

    def _take_back(self, state: State) -> None:
        newer = self._state or {}
        merged = {cluster: {**old, **newer.get(cluster, {})} for cluster, old in state.items()}
        self._state = {**newer, **merged}

    async def _refused(self, state: State) -> HomecastError | None:
        """Why the state can never be stored. Raises ``Unavailable`` when it can later."""
        try:
            await self._report(state)
        except Unavailable:
            raise
        except HomecastError as error:
            return error
        return None

    async def _answer(self, sequences: list[int], refused: HomecastError | None) -> None:
        """What was merged was stored together, or refused together: as one offence."""
        peer = self._reporter
        if refused is None:
            for sequence in sequences:
                if not peer.closing:
                    await peer.write(Ack(of="report", sequence=sequence))
            return
        for sequence in sequences[:-1]:
            if not peer.closing:
                await peer.write(refusal(refused, of="report", sequence=sequence))
        if not peer.closing:
            last = sequences[-1] if sequences else None
            await peer.refuse(refusal(refused, of="report", sequence=last))

    async def _report(self, state: State) -> None:
        peer = self._reporter
        if not await self._still_owned():
            return peer.close(Close.REVOKED, "released or lost")
        twins: Twins = self._runtime.container.twins
        watchers: Watchers = self._runtime.container.watchers
        newest = await twins.report(
            peer.device_id,
            claim=peer.lane_opened_at,
            session=peer.session_id,
            sequence=self._count,
            state=state,
        )
        if newest:
            message = {"type": "twin", "device_id": peer.device_id, "state": state}
            await watchers.tell(peer.account_id, message)
        return None

    async def _still_owned(self) -> bool:
        """A late report must not show the next owner what the last one had at home."""
        repository, peer = self._runtime.container.repository, self._reporter
        lane = (await repository.load(LANE, peer.device_id, cached=True)).state
        return lane.is_open and lane.opened_at == peer.lane_opened_at
