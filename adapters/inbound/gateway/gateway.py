"""All sessions of this process: their presence, the hints for them, and what Redis forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.server import ServerConnection

from adapters.inbound.gateway.container import Runtime, log
from adapters.inbound.gateway.protocol import Close
from adapters.inbound.gateway.session import DeviceSession
from commands.devices.ports import GatewayHint, LaneMoved, LookAtLane, Reconnected
from commands.kernel.ports import Recorded
from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import RemoteCommandAccepted
from domain.kernel.errors import HintsUnavailable, HomecastError
from domain.kernel.machine import IllegalMoveError


class Gateway:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._container = runtime.container
        self._connecting = asyncio.Semaphore(runtime.limits.connecting)
        self._renewal = asyncio.Event()
        self._stopping = False
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
            )
        ]
        try:
            yield
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- sessions ---------------------------------------------------------------------------------

    async def serve(self, socket: ServerConnection, device_id: str) -> None:
        """From an authenticated connection to its end."""
        session_id = self._container.ids.new()
        try:
            async with self._connecting:
                session = await self._begin(socket, device_id, session_id)
        except HomecastError as error:
            log.warning("session_refused", device=device_id, code=error.code)
            await socket.close(Close.TRY_LATER, error.code)
            return
        if session is None:
            await socket.close(Close.REVOKED, "the device has no owner")
            return
        log.info("session_begins", device=device_id, session=session_id)
        try:
            await session.run()
        finally:
            await self._end(session)

    async def _begin(
        self, socket: ServerConnection, device_id: str, session_id: str
    ) -> DeviceSession | None:
        """Routed here first and read then, so that nothing falls between the two."""
        lane = await self._lane(device_id, cached=True)
        if not lane.is_open:
            lane = await self._lane(device_id)
        if not lane.is_open:
            return None
        session = DeviceSession(
            socket, self._runtime, device_id=device_id, session_id=session_id, lane=lane
        )
        older = self.sessions.get(device_id)
        self.sessions[device_id] = session
        if older is not None:
            older.close(Close.SUPERSEDED, "a newer session of this device")
        with suppress(HintsUnavailable):
            await self._register(session)
        lane = await self._lane(device_id)
        session.account_id = lane.account_id or session.account_id
        session.lane_opened_at = lane.opened_at
        await self._tell_presence(session, online=True)
        return session

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
                await asyncio.wait([session.outgoing.look(fresh=True)])

    # --- the end ----------------------------------------------------------------------------------

    async def drain(self, within: float) -> None:
        """Close all sessions, spread over half of the time, so that devices come back spread."""
        self._stopping = True
        sessions = list(self.sessions.values())
        pause = min(within / 2 / max(len(sessions), 1), 0.05)
        for session in sessions:
            session.close(Close.DRAINING, "this gateway stops")
            await asyncio.sleep(pause)
