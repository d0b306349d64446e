"""What is ours in an answer: streams and beacons, as the text of their elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from xml.sax.saxutils import quoteattr

HLS_TYPE, DASH_TYPE = "application/x-mpegURL", "application/dash+xml"

Version = Literal["2.0", "3.0", "4.0", "4.1", "4.2"]


@dataclass(frozen=True, slots=True)
class StreamingMedia:
    """A rendition that is ready. Sizes in pixels, bitrates in kbit/s."""

    hls_url: str
    dash_url: str
    width: int
    height: int
    min_bitrate: int
    max_bitrate: int
    codecs: str
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Beacons:
    """Our own addresses for one ad, beside the broker's. ``tracking`` is by event name."""

    impressions: Sequence[str] = ()
    errors: Sequence[str] = ()
    tracking: Mapping[str, str] = field(default_factory=dict)


Decisions = Mapping[str, StreamingMedia | None]
"""By ``LinearCreative.key``; None or nothing leaves the whole ad out."""


def media_files(media: StreamingMedia, version: Version) -> str:
    """Two elements MediaFile: HLS and DASH."""
    size = f' width="{media.width}" height="{media.height}"'
    if version != "2.0":
        size += f' minBitrate="{media.min_bitrate}" maxBitrate="{media.max_bitrate}"'
        size += f" codec={quoteattr(media.codecs)}"
    return "".join(
        element("MediaFile", url, f' delivery="streaming" type="{kind}"{size}')
        for url, kind in ((media.hls_url, HLS_TYPE), (media.dash_url, DASH_TYPE))
    )


def tracking(own: Beacons) -> str:
    return "".join(
        element("Tracking", url, f" event={quoteattr(event)}")
        for event, url in own.tracking.items()
    )


def element(name: str, url: str, attributes: str = "") -> str:
    """With the URL in CDATA, where nothing of it needs escaping."""
    inside = url.replace("]]>", "]]]]><![CDATA[>") if "]]>" in url else url
    return f"<{name}{attributes}><![CDATA[{inside}]]></{name}>"
