"""How often something may be tried, counted over all processes in windows of time.

An attempt is counted before its work is done, so that many at once do not get past the limit, and
given back when it succeeds. Without the shared counters a process counts by itself.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from commands.accounts.keys import AccountKeys
from commands.accounts.ports import Counters
from commands.kernel.ports import Clock
from domain.kernel.errors import HintsUnavailable, Refused, Unavailable

LOCAL_COUNTERS = 10_000


class TooManyAttempts(Refused):
    """Wait until the window is over (``retry_after`` seconds)."""

    code = "too_many_attempts"
    retryable = True


@dataclass(frozen=True)
class Limit:
    """``most`` attempts of one key in windows of ``seconds``."""

    name: str
    most: int
    seconds: int


@dataclass(frozen=True)
class Attempt:
    """``number``: in its window, from 1. ``ends_at``: when that is over."""

    limit: Limit
    counter: str
    number: int
    ends_at: datetime

    @property
    def is_last(self) -> bool:
        return self.number == self.limit.most


class Attempts:
    """``keys`` None: whose attempts are counted is no secret from who reads the counters."""

    def __init__(self, counters: Counters, keys: AccountKeys | None, clock: Clock) -> None:
        self._counters = counters
        self._keys = keys
        self._clock = clock
        self._local: OrderedDict[str, int] = OrderedDict()

    async def take(self, limit: Limit, key: str) -> Attempt:
        """``key``: of whom or what, kept as a keyed hash only. Raises ``TooManyAttempts``."""
        now = self._clock.now()
        counter, ends_at = self._window(limit, key, now)
        number = await self._add(counter, 1, limit)
        if number > limit.most:
            wait = max(1, math.ceil((ends_at - now).total_seconds()))
            raise TooManyAttempts("too many attempts; wait a while", retry_after=wait)
        return Attempt(limit, counter, number, ends_at)

    async def give_back(self, *attempts: Attempt) -> None:
        for attempt in attempts:
            await self._add(attempt.counter, -1, attempt.limit)

    async def forgive(self, limit: Limit, key: str) -> None:
        """Those of the window that runs are as if they had not been."""
        counter, _ = self._window(limit, key, self._clock.now())
        await self._add(counter, -await self._add(counter, 0, limit), limit)

    @asynccontextmanager
    async def unless_unavailable(self, *attempts: Attempt) -> AsyncIterator[None]:
        """Around what they were counted for: what could not be done now was no attempt."""
        try:
            yield
        except Unavailable:
            await self.give_back(*attempts)
            raise

    def _window(self, limit: Limit, key: str, now: datetime) -> tuple[str, datetime]:
        """The counter's name, and when it is over."""
        window = int(now.timestamp()) // limit.seconds
        message = f"{limit.name}:{key}"
        mac = self._keys.mac("attempts", message) if self._keys else _hash(message)
        ends_at = datetime.fromtimestamp((window + 1) * limit.seconds, UTC)
        return f"{limit.name}:{mac[:32]}:{window}", ends_at

    async def _add(self, counter: str, amount: int, limit: Limit) -> int:
        try:
            return await self._counters.add(counter, amount, keep_seconds=2 * limit.seconds)
        except HintsUnavailable:
            value = max(0, self._local.get(counter, 0) + amount)
            self._local[counter] = value
            self._local.move_to_end(counter)
            while len(self._local) > LOCAL_COUNTERS:
                self._local.popitem(last=False)
            return value


def _hash(message: str) -> str:
    return hashlib.sha256(message.encode()).hexdigest()
