"""A token bucket: how long a sender that is too fast has to wait."""

from __future__ import annotations

from collections import OrderedDict


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

    def try_take(self, *, rate: float, burst: float, now: float) -> float:
        """Take one token if it is there (0); else seconds until it is, and none is taken."""
        wait = self.take(rate=rate, burst=burst, now=now)
        if wait:
            self._tokens += 1
        return wait


class Throttles:
    """A bucket per key. At most ``size``: the one unused for longest counts as full again."""

    def __init__(self, *, rate: float, burst: float, size: int) -> None:
        self._rate = rate
        self._burst = burst
        self._size = size
        self._held: OrderedDict[str, Throttle] = OrderedDict()

    def try_take(self, key: str, now: float) -> float:
        throttle = self._held.setdefault(key, Throttle(self._burst, now))
        self._held.move_to_end(key)
        if len(self._held) > self._size:
            self._held.popitem(last=False)
        return throttle.try_take(rate=self._rate, burst=self._burst, now=now)
