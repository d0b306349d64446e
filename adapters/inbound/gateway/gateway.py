"""All sessions of this process: their presence, the hints for them, and what Redis forgets."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from ulid import ULID
from websockets.asyncio.server import ServerConnection

from adapters.inbound.gateway.container import Runtime, log
from adapters.inbound.gateway.protocol import Close
from adapters.inbound.gateway.session import DeviceSession
from commands.devices.ports import GatewayHint, LaneMoved, LookAtLane, Reconnected
from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import RemoteCommandAccepted
from domain.kernel.errors import Busy, HintsUnavailable, HomecastError
from domain.kernel.machine import IllegalMoveError
from domain.kernel.recorded import Recorded

HEARING_WITHIN = 2.0
"""Seconds to wait for the hints before the first device: one that came earlier would miss some."""
LOOKED_WITHIN = 1.0
LOOK_PAUSE = 60.0
"""Seconds at most between two looks, so that a small gateway's round takes in who came since."""
"""Seconds that a round of looks waits for one of them."""


class Gateway:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._container = runtime.container
        self._connecting = asyncio.Semaphore(runtime.limits.connecting)
        self._renewal = asyncio.Event()
        self._hearing = asyncio.Event()
        self._stopping = False
        self._of_account: Counter[str] = Counter()
        self.sessions: dict[str, DeviceSession] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the hints and keep the heartbeat, while the body runs."""
        tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("hints", self._follow_hints()),
                ("heartbeat", self._keep_heartbeat()),
                ("renewal", self._keep_renewing()),
                ("looks", self._keep_looking()),
            )
        ]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARING_WITHIN):
                    await self._hearing.wait()
            yield
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- sessions ---------------------------------------------------------------------------------

    async def serve(self, socket: ServerConnection, device_id: str) -> None:
        """From an authenticated connection to its end."""
        try:
            async with self._connecting:
                session = await self._begin(socket, device_id)
        except HomecastError as error:
            log.warning("session_refused", device=device_id, code=error.code)
            await socket.close(Close.TRY_LATER, error.code)
            return
        if session is None:
            await socket.close(Close.REVOKED, "the device has no owner")
            return
        log.info("session_begins", device=device_id, session=session.session_id)
        try:
            await session.run()
        finally:
            await self._end(session)

    async def _begin(self, socket: ServerConnection, device_id: str) -> DeviceSession | None:
        """The lane is cached for whom it cannot be: what counts is read once it is routed here."""
        lane = await self._lane(device_id, cached=True)
        if not lane.is_open:
            lane = await self._lane(device_id)
        if not lane.is_open:
            return None
        session_id = await self._session_id(device_id, lane)
        session = DeviceSession(
            socket, self._runtime, device_id=device_id, session_id=session_id, lane=lane
        )
        self._enter(session)
        try:
            await self._route(session)
        except BaseException:
            await self._end(session)
            raise
        return session

    async def _session_id(self, device_id: str, lane: Lane) -> str:
        """After every session of the device so far, also those of gateways with a faster clock."""
        routed, here = None, self.sessions.get(device_id)
        with suppress(HintsUnavailable):
            routed = await self._container.sessions.routed(device_id)
        latest = max(lane.session, routed or "", here.session_id if here else "")
        return max(self._container.ids.new(), following(latest))

    def _enter(self, session: DeviceSession) -> None:
        older = self.sessions.get(session.device_id)
        held = self._of_account[session.account_id]
        if older is None and held >= self._runtime.limits.account_connections:
            raise Busy("the account has too many connections")
        self._count(session.account_id, 1)
        self.sessions[session.device_id] = session
        if older is not None:
            older.close(Close.SUPERSEDED, "a newer session of this device")

    def _count(self, account_id: str, change: int) -> None:
        self._of_account[account_id] += change
        if not self._of_account[account_id]:
            del self._of_account[account_id]

    async def _route(self, session: DeviceSession) -> None:
        """Routed here first and read then, so that nothing falls between the two."""
        with suppress(HintsUnavailable):
            await self._register(session)
        lane = await self._lane(session.device_id)
        if lane.session > max(session.session_id, self._container.ids.new()):
            # Not begun since, but by a faster clock, and unknown to the cache.
            session.session_id = following(lane.session)
            with suppress(HintsUnavailable):
                await self._register(session)
        session.lane_opened_at = lane.opened_at
        if lane.account_id and lane.account_id != session.account_id:
            self._count(session.account_id, -1)
            session.account_id = lane.account_id
            self._count(session.account_id, 1)
        await self._tell_presence(session, online=True)

    async def _lane(self, device_id: str, *, cached: bool = False) -> Lane:
        return (await self._container.repository.load(LANE, device_id, cached=cached)).state

    async def _register(self, session: DeviceSession) -> None:
        """Under way is as good as done: only one that failed is for the heartbeat to see."""
        session.registered = True
        try:
            await self._container.sessions.connected(
                session.device_id, session.session_id, session.account_id
            )
        except HintsUnavailable:
            session.registered = False
            raise

    async def _end(self, session: DeviceSession) -> None:
        session.closing = True
        self._count(session.account_id, -1)
        if self.sessions.get(session.device_id) is session:
            del self.sessions[session.device_id]
        log.info("session_ends", device=session.device_id, session=session.session_id)
        with suppress(HintsUnavailable):
            await self._container.sessions.disconnected(
                session.device_id, session.session_id, session.account_id
            )
        if not self._stopping:
            loop = asyncio.get_running_loop()
            loop.call_later(self._runtime.limits.offline_after, self._look_after, session)

    def _look_after(self, session: DeviceSession) -> None:
        if session.device_id not in self.sessions and not self._stopping:
            self._runtime.tasks.spawn(self._tell_offline(session))

    async def _tell_offline(self, session: DeviceSession) -> None:
        with suppress(HintsUnavailable):
            online = await self._container.presence.online([session.device_id])
            if not online[session.device_id]:
                await self._tell_presence(session, online=False)

    async def _tell_presence(self, session: DeviceSession, *, online: bool) -> None:
        message = {"type": "presence", "device_id": session.device_id, "online": online}
        await self._container.watchers.tell(session.account_id, message)

    # --- hints ------------------------------------------------------------------------------------

    async def _follow_hints(self) -> None:
        async with self._container.sessions.hints() as hints:
            self._hearing.set()
            async for hint in hints:
                self._take(hint)

    def _take(self, hint: GatewayHint) -> None:
        if isinstance(hint, Reconnected):
            self._renewal.set()
            return
        session = self.sessions.get(hint.device_id)
        if session is None or session.closing:
            return
        if isinstance(hint, LaneMoved):
            self._learn(session, hint)
        elif isinstance(hint, LookAtLane):
            session.outgoing.look(fresh=True)
        elif hint.session is None:
            session.close(Close.REVOKED, "released or lost")
        elif hint.session == session.session_id:
            session.close(Close.SUPERSEDED, "a newer session of this device")

    def _learn(self, session: DeviceSession, hint: LaneMoved) -> None:
        event = hint.event
        if isinstance(event, RemoteCommandAccepted) and hint.context is not None:
            generation = self._container.settings.store_generation
            session.outgoing.keep(Recorded(event, hint.context, "", generation))
        try:
            self._container.repository.learn(LANE, event)
        except (IllegalMoveError, KeyError):
            log.error("hint_does_not_fit", device=session.device_id, topic=event.TOPIC)
            session.outgoing.look(fresh=True)
        else:
            session.outgoing.look(at_least=event.originator_version)

    # --- Redis ------------------------------------------------------------------------------------

    async def _keep_heartbeat(self) -> None:
        while True:
            with suppress(HintsUnavailable):
                known = await self._container.sessions.alive()
                if not known or any(not s.registered for s in self.sessions.values()):
                    self._renewal.set()
            await asyncio.sleep(self._runtime.limits.heartbeat)

    async def _keep_renewing(self) -> None:
        """After a loss of Redis: every session registers, and reads its lane again."""
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            sessions = list(self.sessions.values())
            if sessions:
                log.info("sessions_renewed", sessions=len(sessions))
            waiting = iter(sessions)
            workers = min(self._runtime.limits.renewing, len(sessions))
            await asyncio.gather(*(self._renew(waiting) for _ in range(workers)))

    async def _renew(self, sessions: Iterator[DeviceSession]) -> None:
        for session in sessions:
            if self.sessions.get(session.device_id) is session and not session.closing:
                with suppress(HintsUnavailable):
                    await self._register(session)
                if looking := session.outgoing.look(fresh=True):
                    await asyncio.wait([looking])

    # --- lost hints -------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        """A session may be the last to hear that its device was released: ask, at a low rate."""
        limits = self._runtime.limits
        while True:
            sessions = list(self.sessions.values())
            even = limits.look_every / max(len(sessions), 1)
            pause = max(min(even, LOOK_PAUSE), 1 / limits.looks_per_second)
            if not sessions:
                await asyncio.sleep(pause)
            for session in sessions:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                if not session.closing and (looking := session.outgoing.look(fresh=True)):
                    await asyncio.wait([looking], timeout=LOOKED_WITHIN)

    # --- the end ----------------------------------------------------------------------------------

    async def drain(self, within: float) -> None:
        """Close all sessions, spread over half of the time, so that devices come back spread."""
        self._stopping = True
        sessions = list(self.sessions.values())
        pause = min(within / 2 / max(len(sessions), 1), 0.05)
        for session in sessions:
            session.close(Close.DRAINING, "this gateway stops")
            await asyncio.sleep(pause)


def following(session: str) -> str:
    """A ULID right after, that no other gateway chooses; none after none."""
    step = 1 + random.getrandbits(64)
    return str(ULID.from_int(int(ULID.from_str(session)) + step)) if session else ""
