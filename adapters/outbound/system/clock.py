"""Time and ids, as the domain gets them."""

from __future__ import annotations

from datetime import UTC, datetime

from ulid import ULID


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Ulids:
    """ULIDs that ascend within this process, also when the clock is set back."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        self._last = max(int(ULID()), self._last + 1)
        return str(ULID.from_int(self._last))
