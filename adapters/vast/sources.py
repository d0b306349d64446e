"""Which file of a creative a rendition is best made from."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .ads import InteractiveFile, LinearCreative, MediaFile
from .errors import NoUsableSource

_PLAYLISTS = frozenset(
    {
        "application/x-mpegurl",
        "application/vnd.apple.mpegurl",
        "application/mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
        "video/x-mpegurl",
        "video/mpegurl",
        "application/dash+xml",
        "video/dash+xml",
        "application/vnd.ms-sstr+xml",
    }
)
_CONTAINERS = frozenset({"application/mp4", "application/mxf", "application/octet-stream"})
_ENDINGS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".mxf", ".mpg", ".ts", ".3gp", ".flv", ".ogv")
_HTTP = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_NOT_INTERACTIVE = frozenset({"", "VAST", "NONE"})
"""Values of ``apiFramework`` that brokers write on plain video files."""
_KBITS_OF_A_PIXEL = 0.0021
"""For a file that states no bitrate: about 4,350 kbit/s at 1080p, 1,935 at 720p."""

MEDIA_MISSING, MEDIA_UNPLAYABLE = 403, 405
MEZZANINE_MISSING, INTERACTIVE_ONLY, VPAID_ONLY = 406, 409, 901


def source_of(creative: LinearCreative, *, mezzanine_required: bool = False) -> MediaFile:
    """The mezzanine, else the best progressive file; VPAID and interactive ones never.

    Raises ``NoUsableSource`` with the code of VAST: 406 mezzanine required and absent, 901 nothing
    but VPAID, 409 nothing but other interactive files, 405 the right kind of file at no HTTP
    address, 403 none of a kind that can be used.
    """
    files, mezzanines = creative.files()
    mezzanines = [one for one in mezzanines if _fetchable(one) and one.type not in _PLAYLISTS]
    if mezzanines:
        return max(mezzanines, key=_quality)
    if mezzanine_required:
        raise NoUsableSource(MEZZANINE_MISSING, "no mezzanine, and one is required")
    videos = [one for one in files if _framework(one) in _NOT_INTERACTIVE and _video(one)]
    usable = [one for one in videos if _fetchable(one)]
    if usable:
        return max(usable, key=lambda one: (one.delivery != "streaming", *_quality(one)))
    raise _nothing(creative, files, videos)


def _nothing(
    creative: LinearCreative, files: list[MediaFile], videos: list[MediaFile]
) -> NoUsableSource:
    if videos:
        return NoUsableSource(MEDIA_UNPLAYABLE, "no media file has an HTTP address")
    frameworks = [_framework(one) for one in files]
    frameworks += [_framework(one) or "SIMID" for one in creative.interactive_files]
    if frameworks and all(one == "VPAID" for one in frameworks):
        return NoUsableSource(VPAID_ONLY, "nothing but VPAID")
    if frameworks and not any(one in _NOT_INTERACTIVE for one in frameworks):
        return NoUsableSource(INTERACTIVE_ONLY, "nothing but interactive files")
    return NoUsableSource(MEDIA_MISSING, "no progressive video file")


def _framework(file: MediaFile | InteractiveFile) -> str:
    return (file.api_framework or "").upper()


def _quality(file: MediaFile) -> tuple[float, int]:
    """By bitrate; one that states none is judged by its size, not taken for the worst."""
    area = (file.width or 0) * (file.height or 0)
    stated = file.bitrate or file.max_bitrate or file.min_bitrate
    return (stated or area * _KBITS_OF_A_PIXEL), area


def _video(file: MediaFile) -> bool:
    kind = file.type.partition(";")[0].strip()
    if not kind or kind in _CONTAINERS:
        return kind in ("application/mp4", "application/mxf") or _path(file).endswith(_ENDINGS)
    return kind.startswith("video/") and kind not in _PLAYLISTS


def _fetchable(file: MediaFile) -> bool:
    return _HTTP.match(file.url) is not None


def _path(file: MediaFile) -> str:
    try:
        return urlsplit(file.url).path.lower()
    except ValueError:
        return ""
