"""The way out: a lane's queue, given to one session in order and within its window."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from websockets.exceptions import ConnectionClosed

from adapters.inbound.gateway.container import Runtime, log
from adapters.inbound.gateway.protocol import Close, Command, ToDevice
from commands.devices.remote_commands import SendRemoteCommand, SweepLane, send, sweep
from domain.devices.lane import LANE, Lane, StaleSession
from domain.devices.remote_command import ACCEPTED, RemoteCommandAccepted, RemoteCommandSent
from domain.kernel.errors import HomecastError, Unavailable
from domain.kernel.recorded import Context, Recorded

PAYLOADS_KEPT = 16
SOONEST = 0.02
"""Seconds: no timer is set for less, so that a clock that is behind costs no busy loop."""


class Peer(Protocol):
    """The session, as its way out sees it."""

    device_id: str
    session_id: str
    lane_opened_at: int
    closing: bool
    dispatching: asyncio.Lock

    async def write(self, message: ToDevice) -> None: ...

    def close(self, code: Close, reason: str) -> None: ...


@dataclass(slots=True)
class Given:
    """A command that was written to this session's socket. ``at``: the loop's time."""

    at: float
    correlation_id: str
    causation_id: str
    trace: str | None
    acknowledged: bool = False


class Outgoing:
    """Looks at the lane when asked to, in one task at a time; idle, it has no task at all."""

    __slots__ = (
        "_asked", "_at_least", "_begun", "_fresh", "_handle", "_payloads", "_peer", "_runtime",
        "_task", "given",
    )  # fmt: skip

    def __init__(self, peer: Peer, runtime: Runtime) -> None:
        self._peer = peer
        self._runtime = runtime
        self.given: dict[int, Given] = {}
        self._payloads: dict[int, Recorded] | None = None
        self._begun = False
        self._asked = 0
        self._fresh = False
        self._at_least = 0
        self._task: asyncio.Task[None] | None = None
        self._handle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The device is welcomed: what was asked for before is done from here on."""
        self._begun = True
        self.look()

    def look(self, *, fresh: bool = False, at_least: int = 0) -> asyncio.Task[None] | None:
        """Give what there is to give. ``fresh``: read the lane; ``at_least``: up to this version
        when the cache does not know it yet."""
        self._asked += 1
        self._fresh |= fresh
        self._at_least = max(self._at_least, at_least)
        if self._task is None and self._begun:
            self._task = self._runtime.tasks.spawn(self._run())
        return self._task

    def keep(self, accepted: Recorded) -> None:
        """The payload of a command that a hint brought saves reading it."""
        self._payloads = self._payloads or {}
        if len(self._payloads) < PAYLOADS_KEPT:
            self._payloads[accepted.event.originator_version] = accepted

    def acknowledged(self, number: int) -> Given | None:
        """The device has it. Returns what it was given, if that was in this session."""
        given = self.given.get(number)
        if given is not None and not given.acknowledged:
            given.acknowledged = True
            self.look()
        return given

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    async def _run(self) -> None:
        try:
            await self._give_all()
        except StaleSession:
            self._peer.close(Close.SUPERSEDED, "a newer session took over")
        except Unavailable as error:
            log.warning("lane_waits", device=self._peer.device_id, code=error.code)
            self._fresh = True
            self._wake_in(self._runtime.limits.retry)
        except HomecastError as error:
            log.error("lane_failed", device=self._peer.device_id, code=error.code)
            self._peer.close(Close.TRY_LATER, error.code)
        except ConnectionClosed:
            self.stop()
        except Exception:  # noqa: BLE001 - the edge: without this task nothing is sent any more
            log.exception("lane_failed", device=self._peer.device_id)
            self._peer.close(Close.TRY_LATER, "internal error")
        finally:
            self._task = None

    async def _give_all(self) -> None:
        while not self._peer.closing:
            seen = self._asked
            lane = await self._lane()
            if not lane.is_open or lane.opened_at != self._peer.lane_opened_at:
                return self._peer.close(Close.REVOKED, "released or lost")
            self._forget_ended(lane)
            if self._head_is_overdue():
                return self._peer.close(Close.UNACKNOWLEDGED, "no answer for too long")
            number = self._next(lane)
            if number is not None:
                await self._give(number)
            elif not await self._sweep(lane) and seen == self._asked:
                return self._set_timer(lane)
        return None

    async def _lane(self) -> Lane:
        fresh, self._fresh = self._fresh, False
        repository, device_id = self._runtime.container.repository, self._peer.device_id
        try:
            lane = (await repository.load(LANE, device_id, cached=not fresh)).state
            if lane.version < self._at_least:
                lane = (await repository.load(LANE, device_id)).state
        except HomecastError:
            self._fresh = self._fresh or fresh
            raise
        return lane

    def _forget_ended(self, lane: Lane) -> None:
        for held in (self.given, self._payloads or {}):
            for number in [number for number in held if number not in lane.open]:
                del held[number]

    def _unacknowledged(self) -> list[float]:
        return [given.at for given in self.given.values() if not given.acknowledged]

    def _head_is_overdue(self) -> bool:
        oldest = min(self._unacknowledged(), default=None)
        now = asyncio.get_running_loop().time()
        return oldest is not None and now >= oldest + self._runtime.limits.head

    def _next(self, lane: Lane) -> int | None:
        if len(self._unacknowledged()) >= self._runtime.limits.window:
            return None
        return next((number for number in lane.queue() if number not in self.given), None)

    async def _give(self, number: int) -> None:
        """Written only when the store has it as sent to this session, hence never when expired."""
        accepted = await self._payload(number)
        context, tracer = accepted.context, self._runtime.container.tracer
        with tracer.span("gateway.send", header=context.trace):
            trace = tracer.header() or context.trace
            sending = Context(context.correlation_id, accepted.id, "platform", trace)
            async with self._peer.dispatching:
                sent = await self._mark_sent(number, sending)
            if sent is None or self._peer.closing:
                return
            now = asyncio.get_running_loop().time()
            given = Given(now, context.correlation_id, sent.id, trace)
            self.given[number] = given
            await self._peer.write(self._message(accepted, sent, trace))

    def _message(self, accepted: Recorded, sent: Recorded, trace: str | None) -> Command:
        asked, marked = accepted.event, sent.event
        assert isinstance(asked, RemoteCommandAccepted)
        assert isinstance(marked, RemoteCommandSent)
        return Command(
            number=asked.number,
            command=asked.command,
            args=asked.args,
            attempt=marked.attempt,
            expires_at=asked.expires_at,
            deadline=marked.deadline,
            trace=trace,
            correlation_id=accepted.context.correlation_id,
            generation=accepted.generation,
        )

    async def _payload(self, number: int) -> Recorded:
        if self._payloads and number in self._payloads:
            return self._payloads.pop(number)
        store, stream = self._runtime.container.store, LANE.stream(self._peer.device_id)
        return (await store.read(stream, after=number - 1, up_to=number))[0]

    async def _mark_sent(self, number: int, context: Context) -> Recorded | None:
        device_id, session = self._peer.device_id, self._peer.session_id
        message = SendRemoteCommand(device_id=device_id, number=number, session=session)
        lane, recorded = await self._runtime.container.dispatcher.execute(
            context, lambda unit: send(unit, message)
        )
        for one in recorded:
            if isinstance(one.event, RemoteCommandSent) and one.event.number == number:
                return one
        return await self._marked_before(lane, number)

    async def _marked_before(self, lane: Lane, number: int) -> Recorded | None:
        """Marked for this session, but not written: the answer of that append was lost."""
        command = lane.open.get(number)
        if command is None or command.status == ACCEPTED:
            return None
        if command.session != self._peer.session_id:
            return None
        events = await self._runtime.container.store.read(lane.stream, after=number)
        marks = (one for one in reversed(events) if isinstance(one.event, RemoteCommandSent))
        return next((one for one in marks if one.event.number == number), None)  # type: ignore[attr-defined]

    async def _sweep(self, lane: Lane) -> bool:
        """End what the clock has ended, promptly for devices that are connected."""
        due, container = lane.next_due(), self._runtime.container
        if due is None or due > container.clock.now():
            return False
        device_id, new = self._peer.device_id, container.ids.new()
        async with self._peer.dispatching:
            _, recorded = await container.dispatcher.execute(
                Context(new, new, "platform"),
                lambda unit: sweep(unit, SweepLane(device_id=device_id)),
            )
        return bool(recorded)

    def _set_timer(self, lane: Lane) -> None:
        waits = []
        if unacknowledged := self._unacknowledged():
            now = asyncio.get_running_loop().time()
            waits.append(min(unacknowledged) + self._runtime.limits.head - now)
        if due := lane.next_due():
            waits.append((due - self._runtime.container.clock.now()).total_seconds())
        self.stop()
        if waits:
            self._wake_in(min(waits))

    def _wake_in(self, seconds: float) -> None:
        self.stop()
        if not self._peer.closing:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(max(seconds, SOONEST), self.look)
