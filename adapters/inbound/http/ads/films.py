"""Films as files, where no CloudFront serves them: ``/media/renditions/…``.

Their keys are made of their content, so nothing ever changes under one.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from adapters.inbound.http.ads.errors import MediaNotFound, RangeNotSatisfiable
from adapters.inbound.http.ads.parts import AdParts, ad_parts_of
from adapters.inbound.http.edge import Exchange

router = APIRouter(tags=["ads"], include_in_schema=False)
KEY = r"^renditions/[A-Za-z0-9/_.-]{1,300}$"
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt; charset=utf-8",
    ".jpg": "image/jpeg",
}
"""By RFC 8216 section 4, ISO/IEC 23009-1, Apple's clause 10.4."""
TEXTS = frozenset({".m3u8", ".mpd", ".vtt"})
LARGEST_TEXT = 2_000_000
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
ANY_ORIGIN = (b"access-control-allow-origin", b"*")
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Range, If-Range",
    "Access-Control-Max-Age": "86400",
}
"""Of players in pages that ask for a range: not every browser does so without leave."""
ACCEPTED = re.compile(r"(?:gzip|\*)(?:\s*;\s*q=(?!0(?:\.0{0,3})?$).*)?", re.IGNORECASE)
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Range, ETag",
    "Accept-Ranges": "bytes",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.api_route("/media/{key:path}", methods=["GET", "HEAD"])
async def film(
    request: Request,
    key: Annotated[str, Path(pattern=KEY)],
    parts: Annotated[AdParts, Depends(ad_parts_of)],
) -> Response:
    """A file, or one range of it (RFC 9110 section 14). Playlists are compressed (clause 10.1)."""
    exchange: Exchange = request.scope["homecast.exchange"]
    exchange.extra_headers.append(ANY_ORIGIN)  # of problems too: players tell what they can read
    elsewhere = parts.container.settings.films_url
    if elsewhere:
        return RedirectResponse(f"{elsewhere}/{key}", 308)
    suffix = PurePosixPath(key).suffix
    if suffix not in TYPES or ".." in key:
        raise MediaNotFound("no film has this file")
    if suffix in TEXTS:
        return await _text(request, key, parts, TYPES[suffix])
    return await _part(request, key, parts, TYPES[suffix])


@router.options("/media/{key:path}")
async def may_ask(key: Annotated[str, Path(pattern=KEY)]) -> Response:
    return Response(status_code=204, headers=PREFLIGHT)


async def _text(request: Request, key: str, parts: AdParts, media_type: str) -> Response:
    body = await parts.container.films.get(key, limit=LARGEST_TEXT)
    if body is None:
        raise MediaNotFound("no film has this file")
    headers = HEADERS | {"Vary": "Accept-Encoding"}
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, mtime=0)
        headers["Content-Encoding"] = "gzip"
    headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if is_held(request, headers["ETag"]):
        return Response(None, 304, headers)
    headers["Content-Length"] = str(len(body))
    return Response(None if request.method == "HEAD" else body, 200, headers, media_type)


async def _part(request: Request, key: str, parts: AdParts, media_type: str) -> Response:
    films = parts.container.films
    about = await films.size(key)
    if about is None:
        raise MediaNotFound("no film has this file")
    size, _, etag = about
    headers = HEADERS | {"ETag": etag}
    if is_held(request, etag):
        return Response(None, 304, headers)
    asked = None
    if request.method == "GET" and request.headers.get("if-range", etag) == etag:
        asked = _range(request, size)
    start, end = asked or (0, size - 1)
    headers["Content-Length"] = str(end - start + 1)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    status = 206 if asked else 200
    if request.method == "HEAD" or size == 0:
        return Response(None, status, headers, media_type)
    opened = await films.open(key, start=start, end=end if asked else None)
    if opened is None:
        raise MediaNotFound("no film has this file")
    return StreamingResponse(opened.pieces, status, headers, media_type)


def _range(request: Request, size: int) -> tuple[int, int] | None:
    """Ranges are for GET alone (RFC 9110 section 14.2). Raises ``RangeNotSatisfiable``."""
    try:
        return part_of(request.headers.get("range", ""), size)
    except RangeNotSatisfiable:
        exchange: Exchange = request.scope["homecast.exchange"]
        exchange.extra_headers.append((b"content-range", b"bytes */%d" % size))
        raise


def is_held(request: Request, etag: str) -> bool:
    """``If-None-Match``, compared weakly (RFC 9110 section 13.1.2)."""
    tags = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
    return "*" in tags or etag in [one.removeprefix("W/") for one in tags]


def accepts_gzip(header: str) -> bool:
    """RFC 9110 section 12.5.3; with a weight of 0 it is refused."""
    return any(ACCEPTED.fullmatch(one.strip()) for one in header.split(","))


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte; None for no range, or one that is not understood, which asks for all.

    Raises ``RangeNotSatisfiable``.
    """
    found = RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        start, end = max(0, size - length), size - 1
        wrong = length == 0
    else:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
        wrong = bool(found[2]) and int(found[2]) < start
        if wrong:
            return None
    if wrong or start >= size:
        raise RangeNotSatisfiable(f"the file has {size} bytes", size=size)
    return start, end
