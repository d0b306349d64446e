"""Brokers in a dictionary, and what resolving with them gave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from adapters.vast import AdBreak, FetchFailed, StreamingMedia

MEDIA = StreamingMedia(
    hls_url="https://cdn.example/7/master.m3u8?a=1&b=2",
    dash_url="https://cdn.example/7/manifest.mpd",
    width=1280,
    height=720,
    min_bitrate=365,
    max_bitrate=3000,
    codecs="avc1.64001f,mp4a.40.2",
    duration=timedelta(seconds=15),
)
NEVER = b"never"
"""In place of a document: the broker takes the call and says nothing."""


class Brokers:
    """``fetch`` for a resolver. An address that is not there cannot be reached."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        self.documents = dict(documents)
        self.asked: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.documents:
            raise FetchFailed("unreachable")
        if self.documents[url] is NEVER:
            await asyncio.Event().wait()
        return self.documents[url]


def all_ready(found: AdBreak, but: Iterable[str] = ()) -> dict[str, StreamingMedia | None]:
    """A decision for every creative; None for the ads whose ids are named."""
    left_out = set(but)
    return {
        creative.key: None if ad.ad_id in left_out else MEDIA
        for ad in found.ads
        for creative in ad.linears
    }


def ids(found: AdBreak) -> list[str | None]:
    return [ad.ad_id for ad in found.ads]
