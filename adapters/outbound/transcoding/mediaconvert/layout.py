"""What a job's outputs are called below its prefix.

MediaConvert composes names of a destination, a modifier per output and an ending of its own.
``GetJob`` does not tell them (events do), so they are chosen such that they are known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIN, PREVIEW, POSTER = "main", "preview", "poster"
"""Destinations: of the streams, of the MP4 file, of the still."""
CAPTURES = 2
"""The first picture is always captured, and black more often than not; the last is the poster."""


@dataclass(frozen=True)
class Outputs:
    """Keys in the media bucket."""

    prefix: str
    hls: str
    dash: str
    preview: str
    poster: str


def outputs_below(prefix: str) -> Outputs:
    """A captured picture's name has its number, from zero, in seven digits."""
    return Outputs(
        prefix=prefix,
        hls=f"{prefix}{MAIN}.m3u8",
        dash=f"{prefix}{MAIN}.mpd",
        preview=f"{prefix}{PREVIEW}.mp4",
        poster=f"{prefix}{POSTER}.{CAPTURES - 1:07d}.jpg",
    )


def rung_name(number: int) -> str:
    return f"_v{number}"


def caption_name(number: int) -> str:
    return f"_c{number}"


AUDIO_NAME = "_a1"
