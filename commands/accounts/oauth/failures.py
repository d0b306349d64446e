"""How often somebody may fail, counted over all processes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commands.accounts.attempts import TooManyAttempts
from commands.accounts.oauth.ports import Counters
from commands.accounts.oauth.turns import Turns
from domain.kernel.errors import HintsUnavailable

REMEMBERED = 10_000


@dataclass
class Count:
    """``mine``: failures of this process, and attempts under way; ``all``: of all, when last asked.
    ``until``: when they are over."""

    mine: int
    all: int
    until: float


class Failures:
    """``limit`` failures in ``seconds``, then none are looked at until these are over.

    An attempt is counted before its work is done and given back unless it failed, so that many at
    once do not get past the limit. Who has used it up is remembered here, and asks nobody. While
    Redis is away each process counts by itself.
    """

    def __init__(self, counters: Counters, *, name: str, limit: int, seconds: int) -> None:
        self._counters = counters
        self._name = name
        self._limit = limit
        self._seconds = seconds
        self._own: OrderedDict[str, Count] = OrderedDict()
        self.turns = Turns()
        """For who would otherwise be in its own way: many attempts at once that are all good."""

    def require(self, key: str) -> None:
        """Raises ``TooManyAttempts``."""
        own = self._own.get(key)
        left = own.until - time.monotonic() if own is not None else 0.0
        if own is not None and max(own.mine, own.all) >= self._limit and left > 0:
            raise TooManyAttempts("too many failed attempts", retry_after=max(1, int(left)))

    @asynccontextmanager
    async def attempt(self, *keys: str, failure: type[Exception]) -> AsyncIterator[None]:
        """Around the work; only ``failure`` counts in the end. Raises ``TooManyAttempts``."""
        for key in keys:
            self.require(key)
        for key in keys:
            if await self._add(key, 1) > self._limit:
                self.require(key)
        try:
            yield
        except failure:
            raise
        except BaseException:
            await self._give_back(*keys)
            raise
        await self._give_back(*keys)

    async def _give_back(self, *keys: str) -> None:
        for key in keys:
            await self._add(key, -1)

    async def failed(self, key: str) -> None:
        """For work that needs no counting before: the failure is no guess that could be right."""
        await self._add(key, 1)

    async def _add(self, key: str, amount: int) -> int:
        """Here first, and without waiting: whoever comes meanwhile is counted on top."""
        now = time.monotonic()
        own = self._own.get(key)
        if own is None or own.until <= now:
            own = self._own[key] = Count(0, 0, now + self._seconds)
        own.mine = max(0, own.mine + amount)
        if amount > 0:
            own.until = now + self._seconds
        self._own.move_to_end(key)
        while len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        try:
            own.all = await self._counters.add(
                f"{self._name}:{key}", amount, keep_seconds=self._seconds
            )
        except HintsUnavailable:
            own.all = 0
        return max(own.mine, own.all)
