"""Live messages of accounts for this process's watchers, over one connection to Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import orjson
from redis.asyncio import Redis

from adapters.outbound.redis.names import account_channel
from adapters.outbound.redis.subscription import Mailbox, Subscription
from projections.devices.ports import FeedReset

WAITING_MESSAGES = 1_000
Message = dict[str, Any] | FeedReset


class RedisFeed:
    """The port ``Feed``; to be entered once per process, which runs its subscription.

    A watcher that is too slow for its account loses what waits and gets a ``FeedReset`` instead.
    """

    def __init__(self, client: Redis, *, waiting: int = WAITING_MESSAGES) -> None:
        self._waiting = waiting
        self._mailboxes: dict[str, set[Mailbox[Message]]] = {}
        self._subscription = Subscription(client, receive=self._receive, lost=self._lost)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self._subscription.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.aclose()

    @asynccontextmanager
    async def watch(self, account_id: str) -> AsyncIterator[AsyncIterator[Message]]:
        """Entered, the feed misses nothing any more, or will say ``FeedReset``."""
        channel = account_channel(account_id)
        mailbox: Mailbox[Message] = Mailbox(self._waiting, overflow=FeedReset())
        self._mailboxes.setdefault(channel, set()).add(mailbox)
        try:
            await self._subscription.add(channel)
            yield mailbox
        finally:
            self._mailboxes[channel].discard(mailbox)
            if not self._mailboxes[channel]:
                del self._mailboxes[channel]
                await self._subscription.remove(channel)

    def _receive(self, channel: str, data: bytes) -> None:
        message = orjson.loads(data)
        for mailbox in self._mailboxes.get(channel, ()):
            mailbox.put(message)

    def _lost(self, channel: str) -> None:
        for mailbox in self._mailboxes.get(channel, ()):
            mailbox.restart()
