"""What every long-running process shares: signals, one stop event, an orderly end."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("homecast.process")

SETTLED_AFTER = 2.0
"""Seconds from the start."""

Main = Callable[[asyncio.Event], Awaitable[None]]


def run(name: str, main: Main) -> None:
    """Run until SIGTERM or SIGINT; ``main`` gets the event that says so and then ends itself."""
    import uvloop  # functions share this module and have no need of it

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.call_later(SETTLED_AFTER, settle)
        await main(stop)
        log.info("stopped", name=name)

    uvloop.run(body())


def settle() -> None:
    """Take what start-up made out of the garbage collector's sight, and let it look less often.

    A process holds some hundred thousand objects for good (service models, schemas, routes);
    walking them again and again was a fifth of the api's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until the stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
