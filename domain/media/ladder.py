"""The ladder: which sizes and rates a film is rendered in.

Rungs are those of Apple's HLS authoring specification (clause 1.25); none is larger than the
source, and every rung has the source's aspect ratio (clause 1.33).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from domain.media.rendition import Source

SEGMENT_SECONDS = 6
"""Clause 7.5."""
GOP_SECONDS = 2
"""Clause 1.13: an IDR picture every two seconds."""
MOST_FRAMES = 60
"""A second; clause 1.19."""
FEWEST_FRAMES = 10
AUDIO_RATE = 128_000
"""Bits a second of AAC-LC, stereo, 48 kHz."""
LOUDNESS = -24.0
"""LKFS, ITU-R BS.1770; what broadcast takes in North America (ATSC A/85), clause 2.18."""
TRUE_PEAK = -2.0
"""dBTP."""


@dataclass(frozen=True)
class Step:
    """``width`` × ``height``: of 16:9; a film of another shape gets as many lines or fewer.
    ``rate``: bits a second of video, on average; the peak is at most twice that (clause 1.30)."""

    width: int
    height: int
    rate: int


STEPS = (
    Step(416, 234, 145_000),
    Step(640, 360, 365_000),
    Step(768, 432, 1_100_000),
    Step(960, 540, 2_000_000),
    Step(1280, 720, 3_000_000),
    Step(1280, 720, 4_500_000),
    Step(1920, 1080, 6_000_000),
    Step(1920, 1080, 7_800_000),
)
DEFAULT = Step(960, 540, 2_000_000)
"""Listed first where it is there (clause 1.32)."""


@dataclass(frozen=True)
class Rendered:
    """A step as it is rendered for one film: even numbers of pixels in the film's own shape."""

    width: int
    height: int
    rate: int
    default: bool = False


@dataclass(frozen=True)
class Ladder:
    steps: tuple[Step, ...] = STEPS

    @cached_property
    def version(self) -> str:
        """Eight hexadecimal digits that change with whatever changes what is rendered."""
        rates = (MOST_FRAMES, FEWEST_FRAMES, SEGMENT_SECONDS, GOP_SECONDS)
        parts = (self.steps, DEFAULT, *rates, AUDIO_RATE, LOUDNESS, TRUE_PEAK)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]

    def rungs(self, source: Source) -> tuple[Rendered, ...]:
        """From the lowest to the highest; never larger than the source, at least one.

        A source smaller than the lowest step is rendered at its own size.
        """
        fitting = [one for one in self.steps if _fits(one, source)]
        rendered = [_rendered(one, source) for one in fitting]
        if not rendered:
            lowest = self.steps[0]
            size = _even(source.width), _even(source.height)
            rendered = [Rendered(*size, lowest.rate, default=True)]
        if not any(one.default for one in rendered):
            best = rendered[-1]
            rendered[-1] = Rendered(best.width, best.height, best.rate, default=True)
        return tuple(rendered)


LADDER = Ladder()


def frame_rate(source: Source) -> float:
    """What is rendered: that of the source, halved until it is at most 60, doubled until it is at
    least 10: with fewer frames there would be none to begin every two seconds."""
    rate = source.frame_rate
    while rate < FEWEST_FRAMES:
        rate *= 2
    while rate > MOST_FRAMES + 0.5:
        rate /= 2
    return rate


def _fits(step: Step, source: Source) -> bool:
    width, height = _inside(step, source)
    return width <= source.width and height <= source.height


def _inside(step: Step, source: Source) -> tuple[int, int]:
    """The largest size of the source's shape inside the step's, which is turned for portraits."""
    box = (step.width, step.height)
    if source.height > source.width:
        box = (step.height, step.width)
    scale = min(box[0] / source.width, box[1] / source.height)
    return round(source.width * scale), round(source.height * scale)


def _rendered(step: Step, source: Source) -> Rendered:
    width, height = _inside(step, source)
    size = _even(min(width, source.width)), _even(min(height, source.height))
    return Rendered(*size, step.rate, default=step == DEFAULT)


def _even(length: int) -> int:
    return max(2, length - length % 2)
