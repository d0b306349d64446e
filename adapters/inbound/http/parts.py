"""What the routes share, made once per process, and the small tasks that keep it in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import Request

from adapters.inbound.http.access import Homes
from adapters.inbound.http.container import Container
from adapters.inbound.http.feeds import AccountFeeds
from adapters.inbound.http.fresh import Fresh
from adapters.inbound.http.introspection import Introspection
from adapters.inbound.http.limits import TokenLimits
from adapters.inbound.http.live import Live
from adapters.inbound.http.reading import Commands, Devices
from adapters.inbound.http.rehints import TICK, Rehints
from adapters.inbound.http.warmup import warm_up
from commands.accounts.attempts import Attempts

PRESENCE_EVERY = 5.0
TIDY_EVERY = 1.0

log = structlog.get_logger("homecast.http")


class Parts:
    def __init__(self, container: Container) -> None:
        self.container = container
        self.devices = Devices(container)
        self.homes = Homes(container)
        self.commands = Commands(container)
        self.rehints = Rehints(container)
        self.feeds = AccountFeeds(container.feed, container.decode, observe=self.rehints.observe)
        self.fresh = Fresh(container, self.devices, self.commands)
        self.live = Live(container, self.feeds, self.devices, self.homes)
        self.tokens = Introspection(container.vault, container.clock, container.token_states)
        self.attempts = Attempts(container.counters, None, container.clock)
        """Those of the pages, where they are mounted beside."""
        per_minute = container.settings.rate_limit_per_minute
        self.limits = TokenLimits(container.counters, container.clock, per_minute=per_minute)

    def read_model(self, name: str) -> dict[str, str]:
        """The header that tells version and lag of what an answer was read from."""
        status = self.container.statuses.known(name)
        return {"Read_Model": status.structured()} if status else {}

    @asynccontextmanager
    async def running(self, *, warm: bool) -> AsyncIterator[None]:
        """``warm``: every part is asked once before the first request comes."""
        if warm:
            await warm_up(self.container)
        tasks = [
            asyncio.create_task(repeat(self.rehints.tick, TICK), name="re-hints"),
            asyncio.create_task(repeat(self.live.check_presence, PRESENCE_EVERY), name="presence"),
            asyncio.create_task(repeat(self._tidy, TIDY_EVERY), name="tidying"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.live.close_all()
            await self.feeds.close()
            await self.tokens.close()

    async def _tidy(self) -> None:
        self.live.tidy()
        self.feeds.close_unused()


async def repeat(step: Callable[[], Awaitable[None]], every: float) -> None:
    """For ever; a failing step is logged and tried again: an edge, for nobody awaits it."""
    while True:
        await asyncio.sleep(every)
        try:
            await step()
        except Exception:
            log.exception("task_failed")


async def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts
