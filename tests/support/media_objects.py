"""A media bucket in memory, which remembers in which order and how its objects came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from domain.kernel.errors import StoreUnavailable, TooLarge


@dataclass
class MemoryMediaObjects:
    """Port ``MediaObjects``. ``away``: so many calls fail before it answers."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    away: int = 0

    async def fetch(self, key: str, target: Path, *, limit: int) -> bool:
        self._answer()
        body = self.bodies.get(key)
        if body is None:
            return False
        if len(body) > limit:
            raise TooLarge(f"over {limit} bytes")
        await asyncio.to_thread(target.write_bytes, body)
        return True

    async def put_file(self, key: str, file: Path, *, media_type: str, cache_control: str) -> None:
        self._answer()
        self.bodies[key] = await asyncio.to_thread(file.read_bytes)
        self.kinds[key] = (media_type, cache_control)

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("S3 is away")
