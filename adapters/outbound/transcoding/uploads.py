"""A rendition's files on their way to the media bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from adapters.outbound.transcoding.ports import MediaObjects

AT_ONCE = 8
FOREVER = "public, max-age=31536000, immutable"
"""Keys are content-addressed: what is below one never changes."""
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
}
"""Clause 10.4, RFC 8216 section 4, ISO/IEC 23009-1 annex C."""
PLAYLISTS = frozenset({".m3u8", ".mpd"})


def waves(root: Path) -> list[list[Path]]:
    """Media, then the playlists that name it, then those at the top that name these: whoever can
    read one can read all that it names."""
    files = sorted(one for one in root.rglob("*") if one.is_file())
    media = [one for one in files if one.suffix not in PLAYLISTS]
    lists = [one for one in files if one.suffix in PLAYLISTS]
    inner = [one for one in lists if one.parent != root]
    return [media, inner, [one for one in lists if one.parent == root]]


async def upload(
    objects: MediaObjects, root: Path, prefix: str, told: Callable[[int], None]
) -> None:
    """``told``: percent, as files arrive. Raises ``StoreUnavailable``."""
    parts = waves(root)
    total, done = sum(map(len, parts)), 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def put(file: Path) -> None:
        nonlocal done
        async with gate:
            await objects.put_file(
                prefix + file.relative_to(root).as_posix(),
                file,
                media_type=media_type(file),
                cache_control=FOREVER,
            )
        done += 1
        told(100 * done // total)

    for part in parts:
        await _all(put(file) for file in part)


async def _all(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """The first failure ends the others and is raised as it is."""
    tasks = [asyncio.ensure_future(one) for one in calls]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def media_type(file: Path) -> str:
    """Sound of its own is told apart from pictures by its folder."""
    found = TYPES[file.suffix]
    return "audio/mp4" if file.suffix == ".mp4" and file.parent.name == "audio" else found
