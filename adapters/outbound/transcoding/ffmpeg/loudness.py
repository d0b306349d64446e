"""Loudness (ITU-R BS.1770): measured over the whole film, then moved by one gain for all of it.

A gain keeps the sound as it is mixed; ffmpeg's ``loudnorm`` in one pass does not, and missed −24 by
1.3. Peaks that the gain would lift over the limit are held down by a limiter.
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
METER = f"{STEREO},ebur128=peak=true:framelog=quiet"


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


def correction(loudness: Loudness | None) -> str:
    """The filters that bring it to where it should be; none for silence."""
    if loudness is None:
        return "anull"
    gain = _gain(loudness)
    filters = f"volume={gain:.2f}dB:precision=float"
    if loudness.peak + gain > TRUE_PEAK:
        limit = 10 ** (TRUE_PEAK / 20)
        # At four times the rate, so that peaks between samples are seen as well.
        filters += (
            f",aresample=192000,alimiter=limit={limit:.4f}:level=false:attack=2:release=50"
            ",aresample=48000"
        )
    return filters


def corrected(loudness: Loudness | None) -> Loudness | None:
    """What the correction makes of it."""
    if loudness is None:
        return None
    gain = _gain(loudness)
    return Loudness(loudness.integrated + gain, min(loudness.peak + gain, TRUE_PEAK))


def _gain(loudness: Loudness) -> float:
    return min(LOUDNESS - loudness.integrated, MOST_GAIN)
