"""A job, and a media bucket in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from commands.media.ports import Job
from domain.kernel.errors import ContractError
from domain.media.ladder import LADDER
from domain.media.rendition import Caption, Source

GOLDEN = Path(__file__).parents[1] / "golden" / "mediaconvert"
BUCKET = "media"
PREFIX = "renditions/ab/0a1b2c3d/"
"""Of the golden events."""


def golden(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads((GOLDEN / f"{name}.json").read_bytes())
    return loaded


def source(**changes: Any) -> Source:
    facts: dict[str, Any] = {
        "width": 1920,
        "height": 1080,
        "duration_ms": 15_000,
        "frame_rate": 29.97,
        "video_codec": "h264",
        "audio_codec": "aac",
    }
    return Source(**{**facts, **changes})


def job(film: Source | None = None, *, captions: tuple[Caption, ...] = (), **changes: Any) -> Job:
    fields: dict[str, Any] = {
        "token": "crt_01.0a1b2c3d.1",
        "creative_id": "crt_01",
        "ladder": LADDER.version,
        "attempt": 1,
        "original": "originals/ab.mp4",
        "prefix": PREFIX,
    }
    return Job(**{**fields, **changes}, source=film or source(), captions=captions)


class MediaInMemory:
    def __init__(self, **objects: bytes) -> None:
        self.objects = dict(objects)

    async def get(self, key: str, *, limit: int) -> bytes | None:
        found = self.objects.get(key)
        if found is not None and len(found) > limit:
            raise ContractError(f"an object has more than {limit} bytes")
        return found

    async def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body


def rendered() -> MediaInMemory:
    """As the golden events tell of it."""
    media = MediaInMemory()
    media.objects[f"{PREFIX}main.m3u8"] = (GOLDEN / "main.m3u8").read_bytes()
    return media
