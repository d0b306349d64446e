"""Segments cut from tracks: one file each, at the same times in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from adapters.outbound.transcoding.packaging.boxes import box, full, u32, u64
from adapters.outbound.transcoding.packaging.track import Fragment, Track
from domain.kernel.errors import ContractError
from domain.media.ladder import SEGMENT_SECONDS

STYP = box(b"styp", b"msdh", u32(0), b"msdh", b"cmfs")
SLACK = Fraction(2, 5)
"""Seconds: a rest as short as this belongs to the segment before it (overrun: clause 7.7)."""
SYNC = 0x02000000
"""Flags of a sample that depends on no other."""


@dataclass(frozen=True)
class KeyFrame:
    """An IDR picture: which bytes of its segment's file hold its fragment's header and itself."""

    offset: int
    length: int
    seconds: Fraction


@dataclass(frozen=True)
class Segment:
    name: str
    seconds: Fraction
    size: int
    keys: tuple[KeyFrame, ...] = ()


def write_video(track: Track, folder: Path) -> list[Segment]:
    """``init.mp4`` and the segments, of whole fragments: each is a group of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "init.mp4").write_bytes(track.init)
    written = []
    for index, group in enumerate(_groups(track), start=1):
        name = f"{index}.m4s"
        parts = [STYP, *(bytes(track.data[one.start : one.end]) for one in group)]
        (folder / name).write_bytes(b"".join(parts))
        seconds = sum((Fraction(one.duration, track.timescale) for one in group), Fraction(0))
        size = sum(map(len, parts))
        written.append(Segment(name, seconds, size, tuple(_keys(group, track.timescale))))
    return written


def write_audio(
    track: Track, ends: Sequence[Fraction], folder: Path, init: bytes | None = None
) -> list[Segment]:
    """As the video's, cut at the first frame that begins when a segment of the video has ended
    (``ends``: seconds); what lasts longer than the video is left out. ``init``: another header."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "init.mp4").write_bytes(init or track.init)
    samples = list(_samples(track))
    step = _step(track)
    cuts = [0, *(min(_index(end, track, step), len(samples)) for end in ends)]
    written = []
    for index, (first, after) in enumerate(pairwise(cuts), start=1):
        if first == after:
            break
        name = f"{index}.m4s"
        content = STYP + _fragment(index, first * step, step, samples[first:after])
        (folder / name).write_bytes(content)
        units = (after - first) * step - (track.delay if first == 0 else 0)
        written.append(Segment(name, Fraction(units, track.timescale), len(content)))
    return written


def _groups(track: Track) -> list[list[Fragment]]:
    groups: list[list[Fragment]] = []
    for fragment in track.fragments:
        at = Fraction(fragment.time, track.timescale)
        if at >= len(groups) * SEGMENT_SECONDS:
            groups.append([])
        groups[-1].append(fragment)
    rest = sum(Fraction(one.duration, track.timescale) for one in groups[-1])
    if len(groups) > 1 and rest <= SLACK:
        short = groups.pop()
        groups[-1] += short
    return groups


def _keys(group: Sequence[Fragment], timescale: int) -> Iterator[KeyFrame]:
    offset = len(STYP)
    for one in group:
        yield KeyFrame(offset, one.first, Fraction(one.duration, timescale))
        offset += one.end - one.start


def _samples(track: Track) -> Iterator[bytes]:
    for fragment in track.fragments:
        at = fragment.samples
        for size in fragment.sizes:
            yield bytes(track.data[at : at + size])
            at += size


def _step(track: Track) -> int:
    """Units of one frame of audio: all are equal."""
    first = track.fragments[0]
    step, rest = divmod(first.duration, len(first.sizes))
    if not step or (rest and len(track.fragments) > 1):
        raise ContractError("frames of audio that differ in length")
    return step


def _index(end: Fraction, track: Track, step: int) -> int:
    """The first frame that begins at ``end`` or later."""
    units = end * track.timescale + track.delay
    return -int(-units // step)


def _fragment(number: int, time: int, step: int, samples: Sequence[bytes]) -> bytes:
    """moof and mdat; the place of the samples is known when the moof's length is."""
    sizes = b"".join(u32(len(one)) for one in samples)

    def moof(offset: int) -> bytes:
        return box(
            b"moof",
            full(b"mfhd", 0, 0, u32(number)),
            box(
                b"traf",
                full(b"tfhd", 0, 0x020028, u32(1), u32(step), u32(SYNC)),
                full(b"tfdt", 1, 0, u64(time)),
                full(b"trun", 0, 0x000201, u32(len(samples)), u32(offset), sizes),
            ),
        )

    return moof(len(moof(0)) + 8) + box(b"mdat", *samples)
