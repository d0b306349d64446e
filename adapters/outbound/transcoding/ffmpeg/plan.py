"""What is rendered for one film: sizes, the grid of frames, and how long it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from domain.media.ladder import LADDER, Rendered, frame_rate
from domain.media.rendition import Source

NTSC = 1001
FINEST = 1000


@dataclass(frozen=True)
class Plan:
    """``rate``: frames a second, exactly. ``frames``: how many there are of each rung."""

    rungs: tuple[Rendered, ...]
    rate: Fraction
    frames: int
    interlaced: bool
    audio: bool
    hdr: bool = False

    @property
    def seconds(self) -> Fraction:
        return self.frames / self.rate

    @property
    def timescale(self) -> int:
        """In which a frame lasts a whole number of units."""
        numerator = self.rate.numerator
        return numerator if numerator >= FINEST else numerator * FINEST


def plan(source: Source) -> Plan:
    rate = exact(frame_rate(source))
    frames = max(1, round(source.duration_ms * rate / 1000))
    rungs = LADDER.rungs(source)
    return Plan(rungs, rate, frames, source.interlaced, source.audio_codec is not None, source.hdr)


def exact(rate: float) -> Fraction:
    """The rate of North American television as the fraction that it is, others to a thousandth."""
    whole = round(rate * NTSC / 1000)
    television = Fraction(whole * 1000, NTSC)
    if abs(float(television) - rate) < rate * 1e-5:
        return television
    return Fraction(rate).limit_denominator(FINEST)
