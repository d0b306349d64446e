"""How loud the sound is, said in its header: the box ``ludt`` (ISO/IEC 14496-12 section 12.2.7,
with the codes of ISO/IEC 23003-4), as Apple's clause 2.19 asks for it."""

from __future__ import annotations

from adapters.outbound.transcoding.packaging.boxes import HEADER, box, find, full, u32, whole

PROGRAM_LOUDNESS = 1
BS_1770 = 2
UNVERIFIED, ACCURATE = 1, 3


def with_loudness(init: bytes, loudness: float, peak: float) -> bytes:
    """``loudness``: LKFS of the whole; ``peak``: dBTP, before the encoder."""
    moov = find(init, whole(init), b"moov")
    trak = find(init, moov, b"trak")
    told = box(b"udta", box(b"ludt", _track(loudness, peak)))
    parts = [
        init[: moov.start],
        _longer(init, moov.start, moov.end, len(told)),
        init[moov.start + HEADER : trak.start],
        _longer(init, trak.start, trak.end, len(told)),
        init[trak.start + HEADER : trak.end],
        told,
        init[trak.end :],
    ]
    return b"".join(parts)


def _longer(init: bytes, start: int, end: int, more: int) -> bytes:
    """The box's header with another length."""
    return u32(end - start + more) + init[start + 4 : start + HEADER]


def _track(loudness: float, peak: float) -> bytes:
    """Levels are of 12 bits, the first one (of samples) left unknown."""
    level = max(1, min(0xFFF, round((20 - peak) * 32)))
    value = max(0, min(0xFF, round((loudness + 57.75) * 4)))
    return full(
        b"tlou",
        0,
        0,
        bytes(2),
        level.to_bytes(3, "big"),
        bytes([BS_1770 << 4 | UNVERIFIED, 1]),
        bytes([PROGRAM_LOUDNESS, value, BS_1770 << 4 | ACCURATE]),
    )
