"""A subscription that survives the loss of Redis, and says that it had to."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

CONFIRMED_WITHIN = 0.3
"""Seconds to wait for Redis to confirm a subscription; after them one goes on without."""
CONNECTED_WITHIN = 1.0
QUIET = 5.0
"""Seconds without a message after which the connection is tried with a ping."""
ANSWERED_WITHIN = 2.0
PAUSE = 0.1

T = TypeVar("T")
log = structlog.get_logger("homecast.redis")


class Mailbox(Generic[T]):
    """A bounded queue; when it overflows, one ``overflow`` stands for all that it held."""

    def __init__(self, size: int, *, overflow: T) -> None:
        self._size = size
        self._overflow = overflow
        self._items: deque[T] = deque()
        self._filled = asyncio.Event()

    def put(self, item: T) -> None:
        if len(self._items) >= self._size:
            self.restart()
            return
        self._items.append(item)
        self._filled.set()

    def restart(self) -> None:
        """What comes after starts anew; what waited is covered by that."""
        self._items.clear()
        self._items.append(self._overflow)
        self._filled.set()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()


class Subscription:
    """Any number of channels over one connection, which is made again until it holds.

    ``receive(channel, data)`` for each message. ``lost(channel)`` once the channel is subscribed to
    again: messages may be missing up to that moment, and none from it on.
    """

    def __init__(
        self,
        client: Redis,
        *,
        receive: Callable[[str, bytes], None],
        lost: Callable[[str], None],
    ) -> None:
        self._client = client
        self._receive = receive
        self._lost = lost
        self._channels: dict[str, asyncio.Event] = {}
        self._late: set[str] = set()
        self._wanted = asyncio.Event()
        self._pubsub: PubSub | None = None
        self._away = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(), name="redis subscription")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def add(self, channel: str) -> None:
        """Returns when Redis has confirmed, or when it seems to be away: then ``lost`` follows."""
        known = channel in self._channels
        confirmed = self._channels.setdefault(channel, asyncio.Event())
        self._wanted.set()
        if self._pubsub is not None and not known:
            with suppress(RedisError, OSError):
                await self._pubsub.subscribe(channel)
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                await confirmed.wait()
        except TimeoutError:
            self._late.add(channel)

    async def remove(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._late.discard(channel)
        if self._pubsub is not None:
            with suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _run(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await self._follow(pubsub)
            except (RedisError, OSError) as error:
                self._note(away=True, reason=type(error).__name__)
            finally:
                self._pubsub = None
            await asyncio.sleep(PAUSE + random.uniform(0, PAUSE))  # noqa: S311

    async def _follow(self, pubsub: PubSub) -> None:
        await self._wanted.wait()
        async with asyncio.timeout(CONNECTED_WITHIN):
            await pubsub.connect()  # type: ignore[no-untyped-call]
            self._pubsub = pubsub
            if self._channels:
                await pubsub.subscribe(*self._channels)
        asked = False
        while True:
            limit = ANSWERED_WITHIN if asked else QUIET
            message = await pubsub.get_message(timeout=limit) if pubsub.subscribed else None
            if message is not None:
                asked = False
                self._note(away=False)
                self._handle(message)
            elif asked:
                raise TimeoutError("no answer to a ping")
            elif pubsub.subscribed:
                await pubsub.ping()
                asked = True
            else:
                await asyncio.sleep(PAUSE)

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            self._receive(message["channel"].decode(), message["data"])
        elif message["type"] == "subscribe":
            self._subscribed(message["channel"].decode())

    def _subscribed(self, channel: str) -> None:
        """The first confirmation in time is the beginning, any other one is a loss."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            return
        if confirmed.is_set() or channel in self._late:
            self._late.discard(channel)
            self._lost(channel)
        confirmed.set()

    def _note(self, *, away: bool, reason: str = "") -> None:
        if away and not self._away:
            log.warning("redis_subscription_lost", reason=reason)
        elif self._away and not away:
            log.info("redis_subscription_back")
        self._away = away
