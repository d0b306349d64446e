"""What the transcoder's worker needs from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class MediaObjects(Protocol):
    """The media bucket, from and to the disk. Raises ``StoreUnavailable``."""

    async def fetch(self, key: str, target: Path, *, limit: int) -> bool:
        """False when there is none. Raises ``TooLarge`` for one of over ``limit`` bytes."""

    async def put_file(self, key: str, file: Path, *, media_type: str, cache_control: str) -> None:
        """Replaces what is there."""


class JobQueue(Protocol):
    """First in, first out, of one group for each job. Raises ``StoreUnavailable``."""

    async def send(self, job_id: str, body: str) -> None:
        """Once within five minutes for the same id, however often it is called."""
