"""A bounded mapping whose entries are dropped when their time is over, whether read or not.

For what may not stay in memory: personal data and the keys to it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

KEPT_SECONDS = 55.0
"""The design allows 60; the rest is for a loop that is late."""


class Expiring(Generic[K, V]):
    """At most ``size`` entries, the least recently put goes first. To be used within one loop."""

    def __init__(self, size: int, *, seconds: float = KEPT_SECONDS) -> None:
        self._size = size
        self._seconds = seconds
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> tuple[V, float] | None:
        """The value, and since when it is known (monotonic seconds)."""
        held = self._entries.get(key)
        if held is None or held[0] + self._seconds <= time.monotonic():
            return None
        return held[1], held[0]

    def put(self, key: K, value: V, *, since: float | None = None) -> None:
        """``since``: when what the value was made of was read; its time runs from there."""
        since = time.monotonic() if since is None else since
        self._entries.pop(key, None)
        self._entries[key] = (since, value)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        if self._timer is None or since + self._seconds < self._wakes_at:
            self._wake(since)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def purge(self) -> None:
        """Drop what is over; happens by itself, once a second at most."""
        over = time.monotonic() - self._seconds
        for key in [key for key, (since, _) in self._entries.items() if since <= over]:
            del self._entries[key]
        self._stop()
        if self._entries:
            self._wake(min(since for since, _ in self._entries.values()))

    def clear(self) -> None:
        self._entries.clear()
        self._stop()

    def _wake(self, since: float) -> None:
        self._stop()
        now = time.monotonic()
        wait = max(since + self._seconds - now, min(1.0, self._seconds))
        self._wakes_at = now + wait
        self._timer = asyncio.get_running_loop().call_later(wait, self.purge)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
