"""Waiting with a deadline, for what other processes do in their own time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(
    condition: Callable[[], Awaitable[Any]], *, within: float, every: float = 0.05, what: str = ""
) -> Any:
    """The first answer that is true; fails when there is none within so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not (found := await condition()):
        assert loop.time() < deadline, f"not within {within:g} s: {what or condition}"
        await asyncio.sleep(every)
    return found
