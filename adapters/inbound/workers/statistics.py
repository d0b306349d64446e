"""The loop that delivers statistics on one machine, where no Firehose does."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from adapters.inbound.process import pause
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.statistics")

INTERVAL = 1.0
FAILURE_PAUSE = 2.0


class Delivers(Protocol):
    async def step(self) -> int:
        """Read and write what is due; the number of records read. Raises ``StoreUnavailable``."""

    async def flush(self) -> None:
        """Write what was read, due or not. Raises ``StoreUnavailable``."""


class StatisticsWorker:
    def __init__(self, deliverer: Delivers, *, interval: float = INTERVAL) -> None:
        self._deliverer = deliverer
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Until the stop; what was read is written before the end, if it can be."""
        while not stop.is_set():
            try:
                await self._deliverer.step()
            except Unavailable as error:
                log.warning("delivery_failed", code=error.code, detail=error.detail)
                await pause(stop, FAILURE_PAUSE)
            await pause(stop, self._interval)
        try:
            await self._deliverer.flush()
        except Unavailable as error:
            log.warning("delivery_failed", code=error.code, detail=error.detail)
