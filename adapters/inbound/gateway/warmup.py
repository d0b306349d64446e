"""What is slow at its first use is used once before the first device comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from adapters.inbound.gateway.container import GatewayContainer
from domain.devices.lane import LANE
from domain.kernel.errors import HomecastError

NOBODY = "warm-up"
TIME_LIMIT = 3.0
"""Seconds; a store that is away is no reason not to start."""


async def warm_up(container: GatewayContainer) -> None:
    """Connections and scripts, by asking every part for what does not exist."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIME_LIMIT):
            await asyncio.gather(*map(_asked, _questions(container)))


async def _asked(question: Awaitable[object]) -> None:
    with suppress(HomecastError):
        await question


def _questions(container: GatewayContainer) -> list[Awaitable[object]]:
    sessions = container.sessions
    return [
        container.vault.get(NOBODY),
        container.repository.load(LANE, NOBODY),
        container.presence.online([NOBODY]),
        sessions.routed(NOBODY),
        sessions.disconnected(NOBODY, NOBODY, NOBODY),
    ]
