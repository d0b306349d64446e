"""Names of codecs for playlists (RFC 6381), from what the headers really say."""

from __future__ import annotations

from adapters.outbound.transcoding.packaging.boxes import Box, Bytes, find, number, whole
from domain.kernel.errors import ContractError

SAMPLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
DESCRIPTOR, DECODER, SPECIFIC = 3, 4, 5
"""Tags of ISO/IEC 14496-1 section 7.2.2."""


def video_codec(init: Bytes) -> str:
    """``avc1.`` and profile, constraints and level, as in the ``avcC`` box."""
    config = find(init, whole(init), *SAMPLES, b"avc1", b"avcC")
    return f"avc1.{bytes(init[config.body + 1 : config.body + 4]).hex()}"


def audio_codec(init: Bytes) -> str:
    """``mp4a.``, the object type, and for AAC the kind of it."""
    esds = find(init, whole(init), *SAMPLES, b"mp4a", b"esds")
    at, end = _descriptor(init, Box(b"", 0, esds.body + 4, esds.end), DESCRIPTOR)
    at, end = _descriptor(init, Box(b"", 0, at + 3, end), DECODER)
    kind = number(init, at, 1)
    at, end = _descriptor(init, Box(b"", 0, at + 13, end), SPECIFIC)
    return f"mp4a.{kind:x}.{number(init, at, 1) >> 3}"


def _descriptor(data: Bytes, inside: Box, tag: int) -> tuple[int, int]:
    """Where its content starts and ends. Its length is of seven bits a byte, the last below 128."""
    at = inside.body
    if number(data, at, 1) != tag:
        raise ContractError("the audio's description has another shape")
    length, more = 0, True
    while more and at < inside.end:
        at += 1
        byte = number(data, at, 1)
        length, more = length << 7 | byte & 0x7F, byte >= 0x80
    return at + 1, at + 1 + length
