"""Cues, and WebVTT (W3C) made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Cue:
    """``start``, ``end``: milliseconds of the film. ``text``: lines as WebVTT takes them, with
    ``&``, ``<`` and ``>`` escaped save for the tags b, i and u."""

    start: int
    end: int
    text: str


def webvtt(cues: Iterable[Cue], *, mapped: bool = False) -> str:
    """``mapped``: says that time 0 is the segments' time 0, as HLS wants it (RFC 8216, 3.5)."""
    head = "WEBVTT\n"
    if mapped:
        head += "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
    parts = [f"{_time(one.start)} --> {_time(one.end)}\n{one.text}\n" for one in cues]
    return "\n".join([head, *parts])


def between(cues: Iterable[Cue], start: Fraction, end: Fraction) -> list[Cue]:
    """Those that are seen in a segment (seconds); one that lasts longer is in several."""
    return [one for one in cues if one.start < end * 1000 and one.end > start * 1000]


def _time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}"
