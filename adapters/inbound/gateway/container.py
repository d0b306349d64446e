"""What the gateway needs from the composition root, and the limits that it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from adapters.inbound.container import DecidingContainer
from commands.devices.ports import Sessions, Twins, Watchers
from commands.kernel.dispatch import Repository

log = structlog.get_logger("homecast.gateway")


class GatewayContainer(DecidingContainer, Protocol):
    """Read-only attributes, so that concrete classes fit."""

    @property
    def repository(self) -> Repository: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def watchers(self) -> Watchers: ...
    @property
    def twins(self) -> Twins: ...


@dataclass(frozen=True)
class Limits:
    """Seconds, unless named otherwise."""

    connections: int = 15_000
    account_connections: int = 2_000
    """Of one account's devices, so that none of them fills the gateway."""
    sessions_burst: float = 5
    """Sessions that a device may begin at once; each writes, for what is queued is given anew."""
    session_every: float = 5.0
    """And one more each time."""
    devices_remembered: int = 20_000
    connecting: int = 64
    """Connections that may be authenticating or loading their lane at a time."""
    authentication: float = 5.0
    window: int = 8
    """Commands sent and not yet acknowledged."""
    head: float = 10.0
    """How long the oldest of them may stay so."""
    messages_per_second: float = 50.0
    burst: float = 100.0
    offences: int = 5
    """Refused messages at once that close the session."""
    offence_every: float = 10.0
    """One is forgiven each time."""
    sending: float = 10.0
    """How long a device may leave unread what was written to it."""
    report_interval: float = 1.0
    offline_after: float = 10.25
    """A little more than Redis keeps a device online after it has gone."""
    heartbeat: float = 3.0
    ping: float = 20.0
    retry: float = 1.0
    renewing: int = 32
    """Sessions that register and look at their lanes at a time after a loss of Redis."""
    look_every: float = 3600.0
    """Every lane is read so often, should a hint that ends its session have been lost."""
    looks_per_second: float = 100.0
    drain: float = 10.0


class Background:
    """The tasks that belong to no caller; each failure is logged once, here."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", exc_info=error)

    async def finish(self, within: float) -> None:
        """Wait for what is under way, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


@dataclass(frozen=True)
class Runtime:
    """What all sessions of a gateway share."""

    container: GatewayContainer
    limits: Limits = Limits()
    tasks: Background = field(default_factory=Background)
