"""A still that shows something: of the key frames, the one with the most contrast."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from statistics import pstdev

import av
from av.codec.codec import Codec
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

LOOKED_AT = 60
SMALL = (64, 36)
QUALITY = 4
"""Of the JPEG, as ffmpeg counts: 2 is best, 31 is worst."""


def write_poster(film: Path, target: Path) -> None:
    """``film``: one that we have rendered ourselves. Black and plain pictures have no contrast."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        best = max(islice(container.decode(stream), LOOKED_AT), key=_contrast)
    target.write_bytes(_jpeg(best))


def _contrast(frame: VideoFrame) -> float:
    small = frame.reformat(*SMALL, format="gray")
    plane = small.planes[0]
    content = bytes(plane)
    rows = (content[at : at + SMALL[0]] for at in range(0, len(content), plane.line_size))
    return pstdev(b"".join(rows))


def _jpeg(frame: VideoFrame) -> bytes:
    encoder = Codec("mjpeg", "w").create("video")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.qmin = encoder.qmax = QUALITY
    picture = frame.reformat(format="yuvj420p")
    picture.pts = 0
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return b"".join(bytes(one) for one in packets)
