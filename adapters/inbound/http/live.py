"""Live updates as server-sent events (the event stream of the HTML standard).

A stream begins with a snapshot, or goes on after ``Last-Event-ID`` where this process still keeps
what came since; where it does not, a ``reset`` comes before the snapshot. Nothing in it is promised
to arrive: it is the hint path made visible, with snapshots wherever something may be missing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, suppress

import structlog
from fastapi import Response
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from adapters.inbound.http.access import Access, Homes
from adapters.inbound.http.auth import Caller
from adapters.inbound.http.container import Container
from adapters.inbound.http.errors import TooManyStreams
from adapters.inbound.http.feeds import AccountFeeds, Message
from adapters.inbound.http.fresh import Rows
from adapters.inbound.http.reading import Devices
from adapters.inbound.http.ring import LiveEvent, Ring, Stream, text_of
from adapters.inbound.http.snapshots import Snapshots
from adapters.inbound.http.translation import Sees, Translation
from commands.accounts.tokens import InvalidToken
from domain.devices.roles import Action
from domain.kernel.errors import HintsUnavailable, HomecastError
from projections.devices.ports import FeedReset

KEEP_ALIVE = 15.0
"""Seconds; the token is looked at as often, in the vault itself, and a membership in its row."""
LINGER = 30.0
STREAMS_PER_ACCOUNT = 20
REOPENED_AFTER = 1.0
"""Seconds until a feed that has failed is opened anew."""
SOONEST = 0.01
"""Seconds between two looks at a token that is about to expire."""
SEND_LIMIT = 20.0
"""Seconds that a client may take to accept one piece."""

log = structlog.get_logger("homecast.http")


class AccountLive:
    """One home's ring, fed from its account's feed while somebody looks and for 30 s more.

    ``sees``: whose commands are told of. Who may not see everybody's has a ring of their own.
    """

    def __init__(
        self, account_id: str, instance: str, feeds: AccountFeeds, sees: Sees | None
    ) -> None:
        self.ring = Ring(instance)
        self.sees = sees
        self.translation = Translation(account_id, sees)
        self.left_at = 0.0
        self._listening = asyncio.Event()
        self.task = asyncio.create_task(self._run(account_id, feeds), name="account ring")

    async def listening(self) -> None:
        await self._listening.wait()

    async def _run(self, account_id: str, feeds: AccountFeeds) -> None:
        while True:
            async with feeds.listen(account_id) as listener:
                self._listening.set()
                while True:
                    message = await listener.next()
                    self._take(message)
                    if listener.ended:
                        break
            await asyncio.sleep(REOPENED_AFTER)

    def _take(self, message: Message) -> None:
        if isinstance(message, FeedReset):
            self.ring.reset()
        try:
            told = list(self.translation.of(message))
        except (ValidationError, KeyError):
            return  # a message of another release
        for name, data in told:
            self.ring.emit(name, data)


class Live:
    def __init__(
        self,
        container: Container,
        feeds: AccountFeeds,
        devices: Devices,
        homes: Homes,
        *,
        linger: float = LINGER,
    ) -> None:
        self.homes = homes
        self._ids = container.ids
        self._feeds = feeds
        self._presence = container.presence
        self._snapshots = Snapshots(container, devices)
        self._linger = linger
        self._accounts: dict[str, AccountLive] = {}
        """By home; and by account in it, where that sees its own commands only."""
        self._open: Counter[str] = Counter()
        self._stopping = False

    async def open(
        self, caller: Caller, access: Access, last_event_id: str | None, known: Rows | None = None
    ) -> EventStream:
        """``known``: what its first snapshot may not lag behind. Raises ``TooManyStreams``."""
        account = self._account(access)
        if self._open[access.account_id] >= STREAMS_PER_ACCOUNT or self._stopping:
            raise TooManyStreams(f"{STREAMS_PER_ACCOUNT} streams at a time", retry_after=5)
        stream = account.ring.open()  # counts from now on; closed by the answer
        self._open[access.account_id] += 1
        try:
            await account.listening()
        except BaseException:
            self.close(account, access, stream)
            raise
        return EventStream(Session(self, account, stream, caller, access, last_event_id, known))

    def _account(self, access: Access) -> AccountLive:
        all_seen = access.may(Action.SEE_HISTORY)
        key = access.home_id if all_seen else f"{access.home_id}/{access.account_id}"
        account = self._accounts.get(key)
        if account is None:
            sees = None if all_seen else access.sees
            account = AccountLive(access.home_id, self._ids.new(), self._feeds, sees)
            self._accounts[key] = account
        return account

    def close(self, account: AccountLive, access: Access, stream: Stream) -> None:
        if stream in account.ring.streams:
            self._open[access.account_id] -= 1
            if not self._open[access.account_id]:
                del self._open[access.account_id]
        account.ring.close(stream)
        account.left_at = asyncio.get_running_loop().time()

    async def snapshot(
        self, account: AccountLive, account_id: str, known: Rows | None = None
    ) -> bytes:
        """Numbered as of its beginning: what comes meanwhile is sent after it, again."""
        event_id = account.ring.id_of(account.ring.last)
        content = await self._snapshots.take(account_id, known, account.sees)
        account.translation.shown(content["devices"])
        return text_of("snapshot", content, event_id)

    async def check_presence(self) -> None:
        """A gateway that was killed says no farewell: ask about all that are being watched."""
        watched = [one for one in self._accounts.values() if one.ring.streams]
        ids = sorted({device_id for one in watched for device_id in one.translation.online})
        if not ids:
            return
        try:
            online = await self._presence.online(ids)
        except HintsUnavailable:
            return
        for account in watched:
            for device_id in list(account.translation.online):
                if device_id in online:
                    told = account.translation.of_presence(device_id, online=online[device_id])
                    for name, data in told:
                        account.ring.emit(name, data)

    def tidy(self) -> None:
        """Called every second: close the rings that nobody looks at, and purge the others."""
        until = asyncio.get_running_loop().time() - self._linger
        for key, account in list(self._accounts.items()):
            if not account.ring.streams and account.left_at <= until:
                del self._accounts[key]
                account.task.cancel()
            else:
                account.ring.purge()

    def stop(self) -> None:
        """End all streams; their clients come back, elsewhere."""
        self._stopping = True
        for account in self._accounts.values():
            for stream in account.ring.streams:
                stream.end()

    async def close_all(self) -> None:
        self.stop()
        tasks = [account.task for account in self._accounts.values()]
        self._accounts.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Session:
    """What one client is sent, until it goes, is too slow, or its token or membership ends."""

    def __init__(
        self,
        live: Live,
        account: AccountLive,
        stream: Stream,
        caller: Caller,
        access: Access,
        last_event_id: str | None,
        known: Rows | None,
    ) -> None:
        self._live = live
        self._account = account
        self._stream = stream
        self._caller = caller
        self._access = access
        self._last_event_id = last_event_id
        self._known = known

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        async for piece in self._beginning():
            yield piece
        loop = asyncio.get_running_loop()
        check_at = self._next_look(loop)
        while not self._stream.cut:
            event = await self._stream.next(max(0.0, check_at - loop.time()))
            if event is not None:
                async for piece in self._told(event):
                    yield piece
            if loop.time() >= check_at:
                await self._caller.still_valid()
                await self._live.homes.require_same(self._caller, self._access, Action.WATCH_LIVE)
                check_at = self._next_look(loop)
                yield b": here\n\n"

    def _next_look(self, loop: asyncio.AbstractEventLoop) -> float:
        return loop.time() + min(KEEP_ALIVE, max(SOONEST, self._caller.seconds_left))

    async def _beginning(self) -> AsyncIterator[bytes]:
        ring, last = self._account.ring, self._last_event_id
        self._stream.clear()  # what came before this moment is in the ring, or in the snapshot
        replay = ring.since(last) if last else None
        if replay is not None:
            for event in replay:
                yield event.text
            return
        if last:
            yield text_of("reset", {}, None)
        yield await self._live.snapshot(self._account, self._access.home_id, self._known)

    async def _told(self, event: LiveEvent) -> AsyncIterator[bytes]:
        if event.name != "reset":
            yield event.text
            return
        yield text_of("reset", {}, None)
        yield await self._live.snapshot(self._account, self._access.home_id)

    def revoked(self) -> None:
        """At once: what still waits to be sent is not."""
        log.info("stream_ended", code=InvalidToken.code)
        self._stream.end()

    @property
    def over(self) -> bool:
        return self._stream.cut

    def watched(self) -> AbstractContextManager[None]:
        """While this lasts, a revocation of the token ends the stream."""
        return self._caller.watch(self.revoked)

    def close(self) -> None:
        self._live.close(self._account, self._access, self._stream)


class EventStream(Response):
    """Sends pieces as they come; ends with its client, or when that no longer takes them."""

    media_type = "text/event-stream"

    def __init__(self, session: Session) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        sending = asyncio.create_task(self._send(send, start))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._session.close()
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send, start: dict[str, object]) -> None:
        try:
            await send(start)
            with self._session.watched():
                await self._send_pieces(send)
        except HomecastError as error:  # the token has ended, or the store is away: come back
            log.info("stream_ended", code=error.code)
        except TimeoutError:
            log.info("stream_ended", code="slow")
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_LIMIT):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pieces(self, send: Send) -> None:
        async for piece in self._session.pieces():
            if self._session.over:
                return
            async with asyncio.timeout(SEND_LIMIT):
                await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
