"""What playlists and manifest are written from: the streams of one film, with measured figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from adapters.outbound.transcoding.packaging.segments import Segment
from domain.media.ladder import SEGMENT_SECONDS


@dataclass(frozen=True)
class Stream:
    """``folder``: where ``init.mp4`` and the segments are, relative to the manifest."""

    folder: str
    codec: str
    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> Fraction:
        return sum((one.seconds for one in self.segments), Fraction(0))

    @property
    def average(self) -> int:
        return average([(one.size, one.seconds) for one in self.segments])

    @property
    def peak(self) -> int:
        return peak([(one.size, one.seconds) for one in self.segments])


@dataclass(frozen=True)
class Video(Stream):
    width: int
    height: int
    rate: Fraction
    default: bool

    @property
    def key_peak(self) -> int:
        """Bits a second of the playlist that holds key frames alone."""
        return peak([(key.length, key.seconds) for one in self.segments for key in one.keys])

    @property
    def key_average(self) -> int:
        return average([(key.length, key.seconds) for one in self.segments for key in one.keys])


@dataclass(frozen=True)
class Text:
    """``folder`` holds ``captions.vtt`` of ``size`` bytes, and the same cut into ``names``."""

    folder: str
    language: str
    names: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Presentation:
    """``videos``: from the lowest to the highest. All streams are cut at the same times."""

    videos: tuple[Video, ...]
    audio: Stream
    language: str
    texts: tuple[Text, ...]

    @property
    def seconds(self) -> Fraction:
        return self.videos[0].seconds

    @property
    def default_first(self) -> list[Video]:
        """The default, then all others from the lowest (clause 1.32)."""
        return sorted(self.videos, key=lambda one: not one.default)


Sized = Sequence[tuple[int, Fraction]]
"""Bytes and seconds."""


def average(parts: Sized) -> int:
    return round(8 * sum(size for size, _ in parts) / sum(seconds for _, seconds in parts))


def peak(parts: Sized) -> int:
    """The largest rate of neighbouring segments of together 0.5 to 1.5 target durations (RFC 8216
    section 4.1); of all together where the film is shorter than that."""
    least, most = Fraction(SEGMENT_SECONDS, 2), Fraction(SEGMENT_SECONDS * 3, 2)
    rates = [average(parts)]
    for first in range(len(parts)):
        size, seconds = 0, Fraction(0)
        for more, longer in parts[first:]:
            size, seconds = size + more, seconds + longer
            if seconds > most:
                break
            if seconds >= least:
                rates.append(round(8 * size / seconds))
    return max(rates)
