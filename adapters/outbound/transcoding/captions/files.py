"""A caption file of any kind that brokers send, read into cues."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from adapters.outbound.transcoding.captions.blocks import read_blocks
from adapters.outbound.transcoding.captions.cues import Cue
from adapters.outbound.transcoding.captions.ttml import read_ttml
from domain.kernel.errors import InvalidInput, TooLarge

MOST_BYTES = 2_000_000
MOST_CUES = 20_000
TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


@dataclass(frozen=True)
class CaptionFile:
    """``language``: as the ad says it."""

    language: str
    path: Path

    @property
    def tag(self) -> str:
        """BCP 47. What has not its shape is `und`: it becomes part of paths and playlists."""
        return self.language if TAG.fullmatch(self.language) else "und"


def read_captions(path: Path) -> list[Cue]:
    """In order of time. What the file holds decides, not what the broker calls it. Raises
    ``TooLarge``, or ``InvalidInput`` when nothing in it is a cue."""
    if path.stat().st_size > MOST_BYTES:
        raise TooLarge(f"captions of over {MOST_BYTES} bytes")
    return cues_of(path.read_bytes())


def cues_of(content: bytes) -> list[Cue]:
    """In order of time. Raises ``InvalidInput`` when nothing in it is a cue."""
    try:
        cues = list(_read(content))
    except ValueError as error:
        raise InvalidInput(f"captions: {error}") from error
    if not cues or len(cues) > MOST_CUES:
        raise InvalidInput(f"captions with {len(cues)} cues")
    return sorted(cues, key=lambda one: (one.start, one.end))


def _read(content: bytes) -> list[Cue]:
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return list(read_ttml(content.lstrip(b"\xef\xbb\xbf \t\r\n")))
    return list(read_blocks(_decoded(content)))


def _decoded(content: bytes) -> str:
    """UTF-8 or, as old SubRip files are, Windows-1252; UTF-16 when it says so."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
