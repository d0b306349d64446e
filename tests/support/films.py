"""Films made by ffmpeg's own sources, and what is in those that came out."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
from av.video.frame import PictureType

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments: str) -> str:
    """What it says on standard error."""
    command = [FFMPEG, "-nostdin", "-hide_banner", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def film(
    path: Path,
    *,
    size: str = "640x360",
    rate: str = "25",
    seconds: float = 3,
    sound: str | None = "sine=f=440:r=48000",
    sound_seconds: float | None = None,
    more: Sequence[str] = (),
) -> Path:
    """A test picture and a tone. ``sound`` None: without; ``more``: of the output."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    if sound is not None:
        inputs += ["-f", "lavfi", "-t", str(sound_seconds or seconds), "-i", sound]
        codecs += ["-c:a", "aac"]
    ffmpeg(*inputs, *codecs, *more, str(path))
    return path


@dataclass(frozen=True)
class Picture:
    """``at``: seconds."""

    at: Fraction
    key: bool
    size: tuple[int, int]


def pictures(*parts: bytes) -> list[Picture]:
    """Decoded from header and segments put together, in the order that they are shown."""
    found = []
    with av.open(io.BytesIO(b"".join(parts)), "r") as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            at = frame.pts * frame.time_base
            key = frame.key_frame and frame.pict_type == PictureType.I
            found.append(Picture(at, key, (frame.width, frame.height)))
    return found


def loudness(path: Path) -> float:
    """LKFS of the first sound, by ffmpeg's meter."""
    said = ffmpeg("-nostats", "-i", str(path), "-map", "0:a", "-af", "ebur128", "-f", "null", "-")
    return float(said.rsplit("I:", 1)[1].split("LUFS")[0])


def mean_color(path: Path, box: tuple[int, int, int, int]) -> tuple[float, ...]:
    """Of a part of the first picture: left, top, width, height."""
    left, top, width, height = box
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).reformat(format="rgb24")
    plane = frame.planes[0]
    content = bytes(plane)
    sums = [0, 0, 0]
    for row in range(top, top + height):
        start = row * plane.line_size + left * 3
        for channel in range(3):
            sums[channel] += sum(content[start + channel : start + width * 3 : 3])
    return tuple(one / (width * height) for one in sums)
