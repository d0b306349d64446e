"""One at a time for each key within a process, so that a crowd does not race itself."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """Others are left to the conditions of their writes."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """To be entered while it is held: it goes when nobody does."""
        return self._locks.setdefault(key, asyncio.Lock())
