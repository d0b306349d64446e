"""What an HLS multivariant playlist says of its variants (RFC 8216 section 4.3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.kernel.errors import ContractError
from domain.media.rendition import Rung

STREAM, MEDIA = "#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:"
ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]*)')
SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
VARIANTS = 50
"""At most; ours has eight."""


@dataclass(frozen=True)
class Multivariant:
    """``rungs``: from the lowest to the highest. ``captions``: languages, as written."""

    rungs: tuple[Rung, ...]
    captions: tuple[str, ...]


def parse(playlist: bytes) -> Multivariant:
    """Raises ``ContractError`` for what is no such playlist, or lacks what we promise to tell."""
    try:
        lines = playlist.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ContractError("the multivariant playlist is not UTF-8") from error
    if not lines or lines[0].strip() != "#EXTM3U":
        raise ContractError("no HLS playlist")
    streams = [attributes(line) for line in lines if line.startswith(STREAM)]
    found = {rung_of(one) for one in streams[: VARIANTS + 1] if "RESOLUTION" in one}
    if not 0 < len(found) <= VARIANTS:
        raise ContractError(f"a multivariant playlist of {len(found)} variants")
    media = [attributes(line) for line in lines if line.startswith(MEDIA)]
    captions = [one.get("LANGUAGE", "und") for one in media if one.get("TYPE") == "SUBTITLES"]
    return Multivariant(
        rungs=tuple(sorted(found, key=lambda one: (one.bandwidth, one.height))),
        captions=tuple(dict.fromkeys(captions)),
    )


def attributes(line: str) -> dict[str, str]:
    listed = ATTRIBUTE.findall(line.partition(":")[2])
    return {name: value.strip('"') for name, value in listed}


def rung_of(stream: dict[str, str]) -> Rung:
    """AVERAGE-BANDWIDTH may be missing; then the peak is all that is known."""
    try:
        size = SIZE.fullmatch(stream["RESOLUTION"])
        if size is None:
            raise ValueError("RESOLUTION")
        bandwidth = int(stream["BANDWIDTH"])
        return Rung(
            width=int(size[1]),
            height=int(size[2]),
            bandwidth=bandwidth,
            average_bandwidth=int(stream.get("AVERAGE-BANDWIDTH", bandwidth)),
            codecs=stream["CODECS"],
            frame_rate=float(stream["FRAME-RATE"]),
        )
    except (KeyError, ValueError) as error:
        raise ContractError(f"a variant lacks {error}") from error
