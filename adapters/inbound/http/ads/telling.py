"""Error URIs are told what went wrong, by way of the durable outbox."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import structlog

from adapters.inbound.http.ads.asking import AdRequest, macros
from adapters.inbound.http.ads.ports import AdsContainer
from adapters.vast import AdBreak, ErrorReport, fill
from commands.kernel.policy import Effect
from commands.media.pixels import error_pixels
from domain.kernel.errors import Unavailable

NO_AD_CODE = 303
MOST_PIXELS = 200
"""Of one request: more would make us the sender of somebody's attack."""

Answered = Literal["ads", "empty", "list"]
"""A VAST with ads (a slate is one), a VAST without, or no VAST at all."""

log = structlog.get_logger("homecast.ads")


class Telling:
    """``close`` waits for what is still to be told."""

    def __init__(self, container: AdsContainer) -> None:
        self._container = container
        self._tasks: set[asyncio.Task[None]] = set()

    def fire(self, request: AdRequest, reports: Sequence[ErrorReport]) -> None:
        """Beside the answer. What is not yet in the outbox when this process dies is lost, as a
        player's own call is when its page is closed; from the outbox on it is tried for hours."""
        if any(one.urls for one in reports):
            task = asyncio.create_task(self._put(request, reports), name="error pixels")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _put(self, request: AdRequest, reports: Sequence[ErrorReport]) -> None:
        values = macros(request, self._container)
        effects: list[Effect] = []
        for index, report in enumerate(reports):
            effects += error_pixels(
                report.code,
                [fill(url, {**values, "ERRORCODE": report.code}) for url in report.urls],
                cause=f"{request.request_id}-{index}-{zlib.crc32(''.join(report.urls).encode()):x}",
                correlation_id=request.correlation_id,
                headers=request.headers,
            )
        if len(effects) > MOST_PIXELS:
            log.warning("errors_left_out", broker=request.broker, count=len(effects) - MOST_PIXELS)
        for effect in effects[:MOST_PIXELS]:
            try:
                await self._container.outbox.put(effect)
            except Unavailable as error:
                log.warning("error_not_told", broker=request.broker, code=error.code)
                return

    async def close(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


def for_us(ad_break: AdBreak, request: AdRequest, answered: Answered) -> list[ErrorReport]:
    """Of what went wrong before there was an ad, what the player will not tell itself: from VAST 4
    on an answer without an ad carries the root's own Error URIs, and nothing else does."""
    players: frozenset[str] = frozenset()
    if answered == "empty" and request.version[0] == "4":
        players = frozenset(ad_break.error_urls)
    return [
        replace(one, urls=tuple(url for url in one.urls if url not in players))
        if one.code == NO_AD_CODE
        else one
        for one in ad_break.reports
    ]
