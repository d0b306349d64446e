"""Loudness (ITU-R BS.1770): measured over the whole film, then moved by one gain for all of it.

A gain keeps the sound as it is mixed; ffmpeg's ``loudnorm`` in one pass does not, and missed −24 by
1.3. Peaks that the gain would lift over the limit are held down by a limiter, and what that takes
away is measured and given back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.media.ladder import LOUDNESS, TRUE_PEAK

INTEGRATED = re.compile(r"^\s*I:\s+(-?[\d.]+|-inf|nan) LUFS", re.MULTILINE)
PEAK = re.compile(r"^\s*Peak:\s+(-?[\d.]+|-inf|nan) dBFS", re.MULTILINE)
SILENCE = -69.0
"""The meter shows −70 when nothing passed its gate."""
MOST_GAIN = 40.0
"""dB: hardly audible noise is not made an ad's sound."""

STEREO = "aresample=48000:async=1:first_pts=0,aformat=sample_fmts=fltp:channel_layouts=stereo"
METER = "ebur128=peak=true:framelog=quiet"
NEAR = 0.3
"""dB: a limited sound that misses by more is measured and lifted again."""
PASSES = 3
"""Of that at most; each reads the sound alone."""


@dataclass(frozen=True)
class Loudness:
    """``integrated``: LKFS; ``peak``: dBTP."""

    integrated: float
    peak: float


def measured(log: str) -> Loudness | None:
    """What the meter says at its end; None for silence."""
    integrated, peak = INTEGRATED.findall(log), PEAK.findall(log)
    if not integrated or not peak:
        return None
    found = Loudness(float(integrated[-1]), float(peak[-1]))
    return found if found.integrated > SILENCE else None


@dataclass(frozen=True)
class Correction:
    """``gain``: dB for the whole film. ``limited``: peaks over the limit are held down, which makes
    it softer than the gain says."""

    gain: float
    limited: bool = False

    @property
    def filters(self) -> str:
        gain = f"volume={self.gain:.2f}dB:precision=float"
        if not self.limited:
            return gain
        # At four times the rate, so that peaks between samples are seen as well.
        limiter = f"alimiter=limit={10 ** (TRUE_PEAK / 20):.4f}:level=false:attack=2:release=50"
        return f"{gain},aresample=192000,{limiter},aresample=48000"

    def of(self, loudness: Loudness) -> Loudness:
        """What it makes of a sound, where no peak is held down."""
        return Loudness(loudness.integrated + self.gain, loudness.peak + self.gain)

    def again(self, found: Loudness) -> Correction:
        """A better one, when this one gave that."""
        return Correction(min(self.gain + LOUDNESS - found.integrated, MOST_GAIN), limited=True)


def correction(loudness: Loudness) -> Correction:
    gain = min(LOUDNESS - loudness.integrated, MOST_GAIN)
    return Correction(gain, limited=loudness.peak + gain > TRUE_PEAK)


def near(loudness: Loudness) -> bool:
    return abs(loudness.integrated - LOUDNESS) <= NEAR
