"""How many requests a token may make in a minute, over all processes.

A fixed window of one minute. Each process takes requests from the shared counter in chunks and
counts them off in memory, so that about one request in ten pays a round trip. What a process has
taken and not used when the minute ends is lost to the others: at most one chunk per process. While
Redis is away, each process grants the full number by itself.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from adapters.inbound.http.container import Counters
from adapters.inbound.http.errors import RateLimited
from commands.kernel.ports import Clock
from domain.kernel.errors import HintsUnavailable

WINDOW = 60
CHUNKS = 60
"""A minute's requests are taken in this many parts."""
TOKENS = 10_000


@dataclass
class Window:
    """One token's minute in this process: ``held`` were taken and are still to be used."""

    number: int
    held: int = 0
    granted: int = 0
    total: int = 0


@dataclass(frozen=True)
class Quota:
    """What is left after this request; ``allowed`` False: nothing was, before it."""

    limit: int
    allowed: bool
    remaining: int
    resets_in: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The IETF draft of RateLimit header fields for HTTP."""
        return [
            (b"ratelimit-policy", b'"token";q=%d;w=%d' % (self.limit, WINDOW)),
            (b"ratelimit", b'"token";r=%d;t=%d' % (self.remaining, self.resets_in)),
        ]

    def require(self) -> None:
        if not self.allowed:
            raise RateLimited(f"{self.limit} requests a minute", retry_after=self.resets_in)


class TokenLimits:
    def __init__(self, counters: Counters, clock: Clock, *, per_minute: int) -> None:
        self._counters = counters
        self._clock = clock
        self._limit = per_minute
        self._chunk = max(1, per_minute // CHUNKS)
        self._windows: OrderedDict[str, Window] = OrderedDict()

    async def take(self, token_id: str) -> Quota:
        seconds = self._clock.now().timestamp()
        window = self._window(token_id, int(seconds // WINDOW))
        if window.held == 0 and window.total < self._limit:
            await self._lease(token_id, window)
        allowed = window.held > 0
        if allowed:
            window.held -= 1
        left = max(0, self._limit - window.total) + window.held
        return Quota(self._limit, allowed, left, max(1, math.ceil(WINDOW - seconds % WINDOW)))

    def _window(self, token_id: str, number: int) -> Window:
        window = self._windows.get(token_id)
        if window is None or window.number != number:
            window = self._windows[token_id] = Window(number)
        self._windows.move_to_end(token_id)
        while len(self._windows) > TOKENS:
            self._windows.popitem(last=False)
        return window

    async def _lease(self, token_id: str, window: Window) -> None:
        key = f"{token_id}:{window.number}"
        try:
            total = await self._counters.add(key, self._chunk, keep_seconds=2 * WINDOW)
        except HintsUnavailable:
            total = window.granted + self._chunk
        granted = max(0, min(self._chunk, self._chunk - (total - self._limit)))
        window.total = max(window.total, total)
        window.granted += granted
        window.held += granted
