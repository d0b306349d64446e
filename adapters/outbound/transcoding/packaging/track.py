"""A fragmented file of one track, as ffmpeg writes it: its header, and where each fragment is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from adapters.outbound.transcoding.packaging.boxes import (
    Box,
    Bytes,
    boxes,
    find,
    maybe,
    number,
    whole,
)
from domain.kernel.errors import ContractError

# Flags of a fragment's header (tfhd) and of its table of samples (trun).
BASE, DESCRIPTION, DURATION, SIZE = 0x1, 0x2, 0x8, 0x10
OFFSET, FIRST_FLAGS = 0x1, 0x4
SAMPLE_DURATION, SAMPLE_SIZE, SAMPLE_FLAGS, SAMPLE_SHIFT = 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True)
class Fragment:
    """``start`` to ``end``: its moof and mdat in the file; ``samples``: where the first one starts.
    ``time`` and ``duration``: in units of the track."""

    start: int
    end: int
    samples: int
    time: int
    duration: int
    sizes: tuple[int, ...]

    @property
    def first(self) -> int:
        """Bytes from its start to the end of its first sample."""
        return self.samples + self.sizes[0] - self.start


@dataclass(frozen=True)
class Track:
    """``delay``: units from the first sample's time to the start of what is shown or heard."""

    data: Bytes
    header: int
    timescale: int
    delay: int
    fragments: tuple[Fragment, ...]

    @cached_property
    def init(self) -> bytes:
        return bytes(self.data[: self.header])


def read_track(data: Bytes) -> Track:
    """Raises ``ContractError`` for a file that is not of this kind, or without a fragment."""
    top = list(boxes(data))
    moov = find(data, whole(data), b"moov")
    moofs = [one for one in top if one.kind == b"moof"]
    mdats = [one for one in top if one.kind == b"mdat"]
    if not moofs or len(moofs) != len(mdats):
        raise ContractError("no fragments")
    mdhd = find(data, moov, b"trak", b"mdia", b"mdhd")
    wide = number(data, mdhd.body, 1) == 1
    fragments = tuple(_fragment(data, *pair) for pair in zip(moofs, mdats, strict=True))
    return Track(
        data,
        moofs[0].start,
        number(data, mdhd.body + (20 if wide else 12), 4),
        _delay(data, moov),
        fragments,
    )


def _delay(data: Bytes, moov: Box) -> int:
    """The media time at which the (one) edit begins."""
    edits = maybe(data, moov, b"trak", b"edts", b"elst")
    if edits is None:
        return 0
    wide = number(data, edits.body, 1) == 1
    return max(0, number(data, edits.body + (16 if wide else 12), 8 if wide else 4, signed=True))


def _fragment(data: Bytes, moof: Box, mdat: Box) -> Fragment:
    traf = find(data, moof, b"traf")
    tfdt = find(data, traf, b"tfdt")
    wide = number(data, tfdt.body, 1) == 1
    defaults = _defaults(data, find(data, traf, b"tfhd"))
    offset, durations, sizes = _samples(data, find(data, traf, b"trun"), defaults)
    if not sizes or moof.start + offset + sum(sizes) > mdat.end:
        raise ContractError("a fragment's samples are not within it")
    time = number(data, tfdt.body + 4, 8 if wide else 4)
    return Fragment(moof.start, mdat.end, moof.start + offset, time, sum(durations), tuple(sizes))


def _defaults(data: Bytes, tfhd: Box) -> tuple[int, int]:
    """Duration and size of a sample."""
    flags, at = number(data, tfhd.body + 1, 3), tfhd.body + 8
    at += 8 * bool(flags & BASE) + 4 * bool(flags & DESCRIPTION)
    duration = number(data, at, 4) if flags & DURATION else 0
    at += 4 * bool(flags & DURATION)
    return duration, number(data, at, 4) if flags & SIZE else 0


def _samples(data: Bytes, trun: Box, defaults: tuple[int, int]) -> tuple[int, list[int], list[int]]:
    """Offset of the first from the moof's start; durations; sizes."""
    flags, count = number(data, trun.body + 1, 3), number(data, trun.body + 4, 4)
    at = trun.body + 8
    if not flags & OFFSET:
        raise ContractError("a fragment without the place of its samples")
    offset = number(data, at, 4, signed=True)
    at += 4 + 4 * bool(flags & FIRST_FLAGS)
    present = [bit for bit in (SAMPLE_DURATION, SAMPLE_SIZE, SAMPLE_FLAGS, SAMPLE_SHIFT)
               if flags & bit]  # fmt: skip
    values = {
        SAMPLE_DURATION: [defaults[0]] * count,
        SAMPLE_SIZE: [defaults[1]] * count,
    }
    for place, bit in enumerate(present):
        if bit in values:
            step = 4 * len(present)
            values[bit] = [number(data, at + 4 * place + step * n, 4) for n in range(count)]
    return offset, values[SAMPLE_DURATION], values[SAMPLE_SIZE]
