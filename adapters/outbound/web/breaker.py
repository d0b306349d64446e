"""Spares ad requests the wait for a broker that is dead: what this process has seen, no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

THRESHOLD = 5
"""Time-outs or lost connections in a row that open it."""
PAUSE = 1.0
"""Seconds from one probe of a dead broker to the next."""


@dataclass
class _Record:
    failures: int = 0
    next_probe: float = 0.0


class Breaker:
    """Closed: everybody may call. Open: nobody, but for one probe in each pause; the first success
    closes it. ``now``: monotonic seconds. Names are those of registered brokers, so they are few.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        threshold: int = THRESHOLD,
        pause: float = PAUSE,
    ) -> None:
        self._now = now
        self._threshold = threshold
        self._pause = pause
        self._records: dict[str, _Record] = {}

    def admits(self, broker: str) -> bool:
        """Whether to call now. A True while it is open takes the probe."""
        record = self._records.get(broker)
        if record is None or record.failures < self._threshold:
            return True
        now = self._now()
        if now < record.next_probe:
            return False
        record.next_probe = now + self._pause
        return True

    def is_open(self, broker: str) -> bool:
        record = self._records.get(broker)
        return record is not None and record.failures >= self._threshold

    def succeeded(self, broker: str) -> None:
        """An answer came, of whatever kind."""
        self._records.pop(broker, None)

    def failed(self, broker: str) -> None:
        """No answer came."""
        record = self._records.setdefault(broker, _Record())
        record.failures += 1
        if record.failures == self._threshold:
            record.next_probe = self._now() + self._pause
