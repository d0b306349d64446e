"""Waiting with a deadline."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], *, timeout: float = 5.0) -> None:
    """Return as soon as the condition holds; fail when it does not within the timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        await asyncio.sleep(0.002)
