"""The feeds of accounts in this process: one watch each, however many listen.

A watch is opened by the first listener and lingers for 10 s after the last one, so that an account
that submits all the time does not subscribe all the time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from adapters.inbound.http.container import Decode
from domain.kernel.errors import ContractError, Unavailable
from domain.kernel.recorded import Recorded
from projections.devices.ports import Feed, FeedReset

LINGER = 10.0
WAITING = 256
"""Messages that a listener may be behind; after them it is told that it missed some."""
WATCHED = 20_000

Message = Recorded | dict[str, Any] | FeedReset
"""A stored event, decoded once for all; or another message of the feed; or the loss of some."""
Observe = Callable[[Message], None]
log = structlog.get_logger("homecast.http")


class Listener:
    """A bounded queue of one account's messages; a ``FeedReset`` stands for what did not fit.

    ``ended``: the watch has failed, and nothing more will come.
    """

    def __init__(self, size: int = WAITING) -> None:
        self.ended = False
        self._queue: asyncio.Queue[Message] = asyncio.Queue(size)

    def put(self, message: Message) -> None:
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            message = FeedReset()
        self._queue.put_nowait(message)

    async def next(self) -> Message:
        return await self._queue.get()


class Watch:
    """One account's feed, read by one task for all listeners."""

    def __init__(self, feed: Feed, account_id: str, decode: Decode) -> None:
        self.listeners: set[Listener] = set()
        self.used_at = asyncio.get_running_loop().time()
        self._feed = feed
        self._account_id = account_id
        self._decode = decode
        self._open = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def opened(self) -> None:
        """From here on nothing is missed without a ``FeedReset``."""
        await self._open.wait()

    async def run(self, observe: Observe) -> None:
        try:
            async with self._feed.watch(self._account_id) as messages:
                self._open.set()
                async for raw in messages:
                    message = await self._decoded(raw)
                    if message is not None:
                        observe(message)
                        for listener in self.listeners:
                            listener.put(message)
        finally:
            self._open.set()  # whoever waits goes on without hints

    async def _decoded(self, raw: dict[str, Any] | FeedReset) -> Message | None:
        if isinstance(raw, FeedReset) or raw.get("type") != "event":
            return raw
        try:
            return await self._decode(raw["event"])
        except (ContractError, KeyError):
            return None  # an event of a newer release: the read models will tell
        except Unavailable:
            return FeedReset()  # what it says cannot be read now


class AccountFeeds:
    def __init__(
        self,
        feed: Feed,
        decode: Decode,
        *,
        observe: Observe = lambda _: None,
        linger: float = LINGER,
    ) -> None:
        self._feed = feed
        self._decode = decode
        self._observe = observe
        self._linger = linger
        self._watches: OrderedDict[str, Watch] = OrderedDict()

    def touch(self, account_id: str) -> None:
        """Watch from now on, or for longer; does not wait."""
        if account_id in self._watches or len(self._watches) < WATCHED:
            self._watch(account_id)

    @asynccontextmanager
    async def listen(self, account_id: str) -> AsyncIterator[Listener]:
        """Entered, the listener misses nothing without being told."""
        watch, listener = self._watch(account_id), Listener()
        watch.listeners.add(listener)
        try:
            await watch.opened()
            yield listener
        finally:
            watch.listeners.discard(listener)
            watch.used_at = asyncio.get_running_loop().time()

    def _watch(self, account_id: str) -> Watch:
        watch = self._watches.get(account_id)
        if watch is None:
            watch = self._watches[account_id] = Watch(self._feed, account_id, self._decode)
            watch.task = asyncio.create_task(watch.run(self._observe), name="account feed")
            watch.task.add_done_callback(lambda task: self._ended(account_id, watch, task))
        watch.used_at = asyncio.get_running_loop().time()
        self._watches.move_to_end(account_id)
        return watch

    def _ended(self, account_id: str, watch: Watch, task: asyncio.Task[None]) -> None:
        """A watch that failed is forgotten: the next listener opens another one."""
        if self._watches.get(account_id) is watch:
            del self._watches[account_id]
        for listener in watch.listeners:
            listener.ended = True
            listener.put(FeedReset())
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("account_feed_failed", exc_info=error)

    def close_unused(self) -> None:
        """Called now and then: end the watches that nobody has used for a while."""
        until = asyncio.get_running_loop().time() - self._linger
        for account_id, watch in list(self._watches.items()):
            if not watch.listeners and watch.used_at <= until and watch.task is not None:
                del self._watches[account_id]
                watch.task.cancel()

    async def close(self) -> None:
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
