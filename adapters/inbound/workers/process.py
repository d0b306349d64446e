"""What every long-running worker shares: signals, one stop event, an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog
import uvloop

log = structlog.get_logger("homecast.process")

Main = Callable[[asyncio.Event], Awaitable[None]]


def run(name: str, main: Main) -> None:
    """Run until SIGTERM or SIGINT; ``main`` gets the event that says so and then ends itself."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)
        log.info("stopped", name=name)

    uvloop.run(body())


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until the stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
