"""The DASH manifest (ISO/IEC 23009-1) over the segments that the HLS playlists name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from math import lcm
from xml.sax.saxutils import quoteattr

from adapters.outbound.transcoding.packaging.presentation import Presentation, Stream, Text, Video

MANIFEST = "manifest.mpd"
MEDIA_TYPE = "application/dash+xml"
NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
PROFILES = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"
CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
ROLE = "urn:mpeg:dash:role:2011"


def manifest(film: Presentation) -> str:
    duration = f"PT{float(film.seconds):.3f}S"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<MPD xmlns="{NAMESPACE}" profiles="{PROFILES}" type="static" '
        f'mediaPresentationDuration="{duration}" minBufferTime="PT6S">',
        f'<Period id="0" start="PT0S" duration="{duration}">',
        *_video(film),
        *_audio(film),
    ]
    for index, text in enumerate(film.texts):
        lines += _text(index, text, round(8 * text.size / film.seconds))
    return "\n".join([*lines, "</Period>", "</MPD>", ""])


def _video(film: Presentation) -> Iterable[str]:
    best = film.videos[-1]
    yield (
        '<AdaptationSet id="1" contentType="video" mimeType="video/mp4" segmentAlignment="true" '
        f'startWithSAP="1" maxWidth="{best.width}" maxHeight="{best.height}" '
        f'maxFrameRate="{_rate(best)}">'
    )
    yield f'<Role schemeIdUri="{ROLE}" value="main"/>'
    for index, one in enumerate(film.videos):
        yield (
            f'<Representation id="v{index}" bandwidth="{one.peak}" codecs="{one.codec}" '
            f'width="{one.width}" height="{one.height}" frameRate="{_rate(one)}" sar="1:1">'
        )
        yield from _template(one)
        yield "</Representation>"
    yield "</AdaptationSet>"


def _audio(film: Presentation) -> Iterable[str]:
    audio = film.audio
    yield (
        '<AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" '
        f'startWithSAP="1" lang={quoteattr(film.language)}>'
    )
    yield f'<Role schemeIdUri="{ROLE}" value="main"/>'
    yield (
        f'<Representation id="a0" bandwidth="{audio.peak}" codecs="{audio.codec}" '
        'audioSamplingRate="48000">'
    )
    yield f'<AudioChannelConfiguration schemeIdUri="{CHANNELS}" value="2"/>'
    yield from _template(audio)
    yield from ("</Representation>", "</AdaptationSet>")


def _text(index: int, text: Text, rate: int) -> Iterable[str]:
    yield (
        f'<AdaptationSet id="{3 + index}" contentType="text" mimeType="text/vtt" '
        f"lang={quoteattr(text.language)}>"
    )
    yield f'<Role schemeIdUri="{ROLE}" value="subtitle"/>'
    yield f'<Representation id="t{index}" bandwidth="{max(1, rate)}">'
    yield f"<BaseURL>{text.folder}/captions.vtt</BaseURL>"
    yield from ("</Representation>", "</AdaptationSet>")


def _template(stream: Stream) -> Iterable[str]:
    scale = _scale(stream)
    yield (
        f'<SegmentTemplate timescale="{scale}" startNumber="1" '
        f'initialization="{stream.folder}/init.mp4" media="{stream.folder}/$Number$.m4s">'
    )
    yield "<SegmentTimeline>"
    time = 0
    for units, equal in groupby(int(one.seconds * scale) for one in stream.segments):
        count = len(list(equal))
        repeat = f' r="{count - 1}"' if count > 1 else ""
        start = f' t="{time}"' if time == 0 else ""
        yield f'<S{start} d="{units}"{repeat}/>'
        time += units * count
    yield from ("</SegmentTimeline>", "</SegmentTemplate>")


def _scale(stream: Stream) -> int:
    """Units a second in which all durations are whole numbers."""
    return lcm(*(one.seconds.denominator for one in stream.segments))


def _rate(video: Video) -> str:
    rate = video.rate
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"
