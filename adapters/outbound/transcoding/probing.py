"""Looks into a film: run as a file, in a process of its own, because a broken film may hang or
crash a decoder. Imports nothing of ours. ``probing.py PATH MOST_PIXELS MOST_SECONDS``; prints JSON:
the fields of ``Source``, or ``error`` and ``detail``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

FORMATS = "mov,mp4,matroska,webm,mpegts,mpeg,avi,flv,asf,ogg,mxf"
"""No playlists: a film may not make us open other files."""
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
FRAMES = 24
"""So many are decoded at the beginning, and in the middle."""
PACKETS = 600
"""Of so many packets at least one has to give a frame."""
SLACK = 0.5
"""Seconds that a film may lack of what its header promises, beside a tenth."""
HIGH_RANGE = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
STANDARD_RATES = (24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60)


class Unfit(Exception):
    """``args``: the code, and a detail for people."""


@dataclass
class Packets:
    """What the container holds of the picture, by its packets. ``end``: seconds from the start."""

    count: int = 0
    end: float = 0.0


def probe(path: str, most_pixels: int, most_seconds: float) -> dict[str, Any]:
    with av.open(path, options=OPTIONS) as film:
        stream = _picture(film, most_pixels)
        promised = _promised(film, stream)
        if promised > most_seconds:
            raise Unfit("too_long", f"{promised:.0f} s")
        packets = _packets(film, stream)
        facts = _facts(film, stream)
    if packets.end > most_seconds:
        raise Unfit("too_long", f"{packets.end:.0f} s")
    if packets.end < promised * 0.9 - SLACK:
        raise Unfit("undecodable", f"cut off: {packets.end:.1f} of {promised:.1f} s")
    if not packets.count or packets.end <= 0:
        raise Unfit("no_picture", "no frame in the video stream")
    with av.open(path, options=OPTIONS) as film:
        stream = _moving(film)
        frames = _some(film, stream, packets.end / 2)
        facts |= _shape(frames, stream) | _rate(stream, packets)
    return facts


def _picture(film: InputContainer, most_pixels: int) -> VideoStream:
    stream = _moving(film)
    if stream.codec_context is None:
        raise Unfit("undecodable", "no decoder for the picture")
    if stream.codec_context.width * stream.codec_context.height > most_pixels:
        size = f"{stream.codec_context.width} by {stream.codec_context.height}"
        raise Unfit("too_many_pixels", size)
    return stream


def _moving(film: InputContainer) -> VideoStream:
    """The first that is not a cover picture."""
    for stream in film.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise Unfit("no_picture", "no video stream")


def _promised(film: InputContainer, stream: VideoStream) -> float:
    """Seconds of picture by the header; 0 where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (film.duration or 0) / av.time_base if not film.streams.audio else 0.0


def _packets(film: InputContainer, stream: VideoStream) -> Packets:
    found = Packets()
    start = (film.start_time or 0) / av.time_base
    try:
        for packet in film.demux(stream):
            at = packet.pts if packet.pts is not None else packet.dts
            if at is None or not packet.size:
                continue
            found.count += 1
            end = float((at + (packet.duration or 0)) * packet.time_base) - start
            found.end = max(found.end, end)
    except av.FFmpegError as error:
        if not found.count:
            raise Unfit("undecodable", str(error)) from error
    return found


def _facts(film: InputContainer, stream: VideoStream) -> dict[str, Any]:
    audio = film.streams.audio[0] if film.streams.audio else None
    known = audio is not None and audio.codec_context is not None
    return {
        "container": film.format.name,
        "bit_rate": film.bit_rate or 0,
        "video_codec": stream.codec_context.name,
        "audio_codec": audio.codec_context.name if audio is not None and known else None,
    }


def _some(film: InputContainer, stream: VideoStream, middle: float) -> list[VideoFrame]:
    """Frames of the beginning and of the middle; both have to be decodable."""
    frames = list(islice(_decoded(film, stream), FRAMES))
    if not frames:
        raise Unfit("undecodable", "no frame at the beginning can be decoded")
    film.seek(int(middle * av.time_base) + (film.start_time or 0))
    more = list(islice(_decoded(film, stream), FRAMES))
    if not more:
        raise Unfit("undecodable", "no frame in the middle can be decoded")
    return frames + more


def _decoded(film: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in islice(film.demux(stream), PACKETS):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _shape(frames: list[VideoFrame], stream: VideoStream) -> dict[str, Any]:
    first = frames[0]
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    width, height = first.width, first.height
    if aspect:
        width = max(1, round(width * float(aspect)))
    rotation = -first.rotation % 360
    if rotation in (90, 270):
        width, height = height, width
    interlaced = any(frame.interlaced_frame for frame in frames)
    return {
        "width": width,
        "height": height,
        "rotation": rotation,
        "interlaced": interlaced,
        "hdr": first.color_trc in HIGH_RANGE,
    }


def _rate(stream: VideoStream, packets: Packets) -> dict[str, Any]:
    """The container's own rate where its packets agree to 5 %, else the average of these."""
    average = packets.count / packets.end
    told = float(stream.average_rate or stream.guessed_rate or 0)
    rate = told if told and abs(told - average) <= average * 0.05 else average
    near = min(STANDARD_RATES, key=lambda one: abs(one - rate))
    rate = near if abs(near - rate) < near / 2000 else rate
    return {"frame_rate": rate, "duration_ms": max(1, round(packets.end * 1000))}


def main(arguments: list[str]) -> None:
    path, most_pixels, most_seconds = arguments
    try:
        answer = probe(path, int(most_pixels), float(most_seconds))
    except Unfit as error:
        answer = {"error": error.args[0], "detail": error.args[1]}
    except (av.FFmpegError, ValueError, EOFError) as error:
        said = getattr(error, "strerror", None) or str(error)  # without the path of our own copy
        answer = {"error": "undecodable", "detail": said}
    print(json.dumps(answer))  # noqa: T201 - the answer


if __name__ == "__main__":
    av.logging.set_level(None)
    main(sys.argv[1:])
