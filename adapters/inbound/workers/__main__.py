"""``python -m adapters.inbound.workers relay|projector|…``: one worker, until the stop."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from adapters.bootstrap.process import load
from adapters.inbound.process import run


async def relay(stop: asyncio.Event) -> None:
    from adapters.bootstrap import relay

    async with relay.relay(load("relay")) as worker:
        await worker.run(stop)


async def projector(stop: asyncio.Event) -> None:
    from adapters.bootstrap import projector

    async with projector.projector(load("projector")) as broker:
        await broker.start()
        await stop.wait()
        await broker.stop()


async def sweeper(stop: asyncio.Event) -> None:
    from adapters.bootstrap import sweeper

    async with sweeper.sweeper(load("sweeper")) as worker:
        await worker.run(stop)


async def policies(stop: asyncio.Event) -> None:
    from adapters.bootstrap import policies

    async with policies.policies(load("policies")) as (broker, timeouts):
        await broker.start()
        await timeouts.run(stop)
        await broker.stop()


async def outbox(stop: asyncio.Event) -> None:
    from adapters.bootstrap import policies

    async with policies.outbox(load("outbox")) as broker:
        await broker.start()
        await stop.wait()
        await broker.stop()


async def transcoder(stop: asyncio.Event) -> None:
    from adapters.bootstrap import media

    settings = load("transcoder")
    folder = settings.work_folder or Path(tempfile.gettempdir()) / "homecast-transcoder"
    async with media.transcoder(settings, folder) as broker:
        await broker.start()
        await stop.wait()
        await broker.stop()


async def deliverer(stop: asyncio.Event) -> None:
    from adapters.bootstrap import statistics

    async with statistics.deliverer(load("deliverer")) as worker:
        await worker.run(stop)


WORKERS = {
    "relay": relay,
    "projector": projector,
    "sweeper": sweeper,
    "policies": policies,
    "outbox": outbox,
    "transcoder": transcoder,
    "deliverer": deliverer,
}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in WORKERS:
        sys.exit(f"usage: python -m adapters.inbound.workers {'|'.join(WORKERS)}")
    run(name, WORKERS[name])
