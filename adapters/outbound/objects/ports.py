"""Objects in one bucket, as those who keep something there see it."""

from __future__ import annotations

from typing import Protocol


class Objects(Protocol):
    """Raises ``StoreUnavailable``."""

    async def put(self, key: str, body: bytes) -> None:
        """Replaces what is there."""

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """None when there is none. Raises ``ContractError`` for one of over ``limit`` bytes."""

    async def keys(self, prefix: str) -> list[str]:
        """All keys that begin so, in order."""
