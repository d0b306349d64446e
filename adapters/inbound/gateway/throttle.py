"""A token bucket: how long a sender that is too fast has to wait."""

from __future__ import annotations


class Throttle:
    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: float, now: float) -> None:
        self._tokens = burst
        self._at = now

    def take(self, *, rate: float, burst: float, now: float) -> float:
        """Take one token; seconds to wait until it is there (0: go on)."""
        self._tokens = min(burst, self._tokens + (now - self._at) * rate) - 1
        self._at = now
        return max(0.0, -self._tokens / rate)
