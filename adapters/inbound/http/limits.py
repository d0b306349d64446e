"""How many requests a token may make in a minute, and how many unknown tokens an address may try.

``TokenLimits``, over all processes: a fixed window of one minute. Each process takes requests from
the shared counter in chunks and counts them off in memory, so that about one request in ten pays a
round trip. What a process has taken and not used when the minute ends is lost to the others: at
most one chunk per process. While Redis is away, each process grants the full number by itself.

``FailureLimits``, in each process by itself: a bucket per client address, so that nobody can have
the vault read without end. Where a proxy stands in front, uvicorn has to be told to trust it
(``HOMECAST_REVERSE_PROXIES``), or all clients share the proxy's address.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.inbound.http.container import Counters
from adapters.inbound.http.errors import RateLimited
from commands.accounts.networks import network_of as network_of
from commands.accounts.tokens import InvalidToken
from commands.kernel.ports import Clock
from domain.kernel.errors import HintsUnavailable

WINDOW = 60
CHUNKS = 60
"""A minute's requests are taken in this many parts."""
TOKENS = 10_000
FAILURES = 30
"""Failed attempts that an address has at once, and gets back in a minute."""
ADDRESSES = 10_000
LOOKUPS = 8
"""Of one address at a time: together they cannot fail more often than the bucket allows by far."""


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


class Bucket:
    """One address's attempts, given back evenly over the minute."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(LOOKUPS)
        self._left = float(FAILURES)
        self._at = asyncio.get_running_loop().time()

    def require(self) -> None:
        now = asyncio.get_running_loop().time()
        self._left = min(FAILURES, self._left + (now - self._at) * FAILURES / WINDOW)
        self._at = now
        if self._left < 1:
            retry_after = math.ceil((1 - self._left) * WINDOW / FAILURES)
            raise RateLimited("too many failed attempts", retry_after=retry_after)

    def spend(self) -> None:
        self._left -= 1


class FailureLimits:
    def __init__(self, *, size: int = ADDRESSES) -> None:
        self._size = size
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    @asynccontextmanager
    async def attempt(self, address: str) -> AsyncIterator[None]:
        """Around looking up a token. Raises ``RateLimited``; an ``InvalidToken`` is counted."""
        bucket = self._bucket(network_of(address))
        async with bucket.slots:
            bucket.require()
            try:
                yield
            except InvalidToken:
                bucket.spend()
                raise

    def _bucket(self, network: str) -> Bucket:
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = self._buckets[network] = Bucket()
        self._buckets.move_to_end(network)
        while len(self._buckets) > self._size:
            self._buckets.popitem(last=False)
        return bucket
