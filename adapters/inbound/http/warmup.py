"""What is slow at its first use is used once before the first request comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from adapters.inbound.http.container import Container
from domain.devices.lane import LANE
from domain.kernel.errors import HomecastError

NOBODY = "warm-up"
TIME_LIMIT = 3.0
"""Seconds; a store that is away is no reason not to start."""


async def warm_up(container: Container) -> None:
    """Connections, threads and scripts, by asking every part for what does not exist."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIME_LIMIT):
            await asyncio.gather(*map(_asked, _questions(container)))


async def _asked(question: Awaitable[object]) -> None:
    with suppress(HomecastError):
        await question


def _questions(container: Container) -> list[Awaitable[object]]:
    return [
        container.vault.get(NOBODY),
        container.dispatcher.repository.load(LANE, NOBODY),
        container.devices.get(NOBODY),
        container.devices.list(NOBODY, limit=1, cursor=None),
        container.commands.get(NOBODY, 1),
        container.commands.list(NOBODY, limit=1, before=None),
        container.memberships.get(NOBODY, NOBODY),
        container.twins.get_many([NOBODY]),
        container.presence.online([NOBODY]),
        container.counters.add(NOBODY, 1, keep_seconds=1),
    ]
