"""How often somebody may fail, counted over all processes."""

from __future__ import annotations

import time
from collections import OrderedDict

from commands.accounts.attempts import TooManyAttempts
from commands.accounts.oauth.ports import Counters
from domain.kernel.errors import HintsUnavailable

REMEMBERED = 10_000


class Failures:
    """``limit`` failures in ``seconds``, then none are looked at until these are over.

    Only a failure asks the shared counter; who has used up the limit is remembered here, so that a
    process looks at one attempt beyond it at the most. While Redis is away each process counts by
    itself.
    """

    def __init__(self, counters: Counters, *, name: str, limit: int, seconds: int) -> None:
        self._counters = counters
        self._name = name
        self._limit = limit
        self._seconds = seconds
        self._own: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Failures that this process knows of, and until when."""

    def require(self, key: str) -> None:
        """Raises ``TooManyAttempts``."""
        failures, until = self._own.get(key, (0, 0.0))
        left = until - time.monotonic()
        if failures >= self._limit and left > 0:
            raise TooManyAttempts("too many failed attempts", retry_after=max(1, int(left)))

    async def failed(self, key: str) -> None:
        failures, until = self._own.get(key, (0, 0.0))
        now = time.monotonic()
        mine = failures + 1 if until > now else 1
        try:
            counted = await self._counters.add(f"{self._name}:{key}", 1, keep_seconds=self._seconds)
        except HintsUnavailable:
            counted = 0
        self._own[key] = (max(mine, counted), now + self._seconds)
        self._own.move_to_end(key)
        while len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
