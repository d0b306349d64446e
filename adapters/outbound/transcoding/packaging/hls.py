"""HLS playlists (RFC 8216, and Apple's authoring specification, whose clauses are named)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor

from adapters.outbound.transcoding.packaging.presentation import Presentation, Text, Video
from adapters.outbound.transcoding.packaging.segments import Segment

MASTER = "main.m3u8"
INDEX = "index.m3u8"
KEYS = "iframes.m3u8"
MEDIA_TYPE = "application/vnd.apple.mpegurl"
VERSION = 7
END = "#EXT-X-ENDLIST"


def media_playlist(segments: Sequence[Segment]) -> str:
    """VOD (8.6), with the header's place (8.20)."""
    lines = [*_head(one.seconds for one in segments), '#EXT-X-MAP:URI="init.mp4"']
    for one in segments:
        lines += [_extinf(one.seconds), one.name]
    return _text([*lines, END])


def key_playlist(segments: Sequence[Segment]) -> str:
    """Every key frame as a range of bytes of the segments themselves (6.1)."""
    keys = [(one.name, key) for one in segments for key in one.keys]
    lines = _head(key.seconds for _, key in keys)
    lines += ["#EXT-X-I-FRAMES-ONLY", '#EXT-X-MAP:URI="init.mp4"']
    for name, key in keys:
        lines += [_extinf(key.seconds), f"#EXT-X-BYTERANGE:{key.length}@{key.offset}", name]
    return _text([*lines, END])


def text_playlist(parts: Sequence[tuple[str, Fraction]]) -> str:
    lines = _head(seconds for _, seconds in parts)
    for name, seconds in parts:
        lines += [_extinf(seconds), name]
    return _text([*lines, END])


def master_playlist(film: Presentation) -> str:
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS", _audio(film)]
    lines += [_subtitles(text) for text in film.texts]
    for video in film.default_first:
        lines += [_variant(film, video), f"{video.folder}/{INDEX}"]
    lines += [_key_variant(video) for video in film.default_first]
    return _text(lines)


def _head(durations: Iterable[Fraction]) -> list[str]:
    target = max(floor(one + Fraction(1, 2)) for one in durations)
    return [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{max(1, target)}",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]


def _audio(film: Presentation) -> str:
    return (
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="{film.language}",'
        f'LANGUAGE="{film.language}",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
        f'URI="{film.audio.folder}/{INDEX}"'
    )


def _subtitles(text: Text) -> str:
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="{text.language}",'
        f'LANGUAGE="{text.language}",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        f'URI="{text.folder}/{INDEX}"'
    )


def _variant(film: Presentation, video: Video) -> str:
    """Rates are measured, of picture and sound together (1.26, 1.27, 9.1 to 9.15)."""
    texts = ',SUBTITLES="text"' if film.texts else ""
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={video.peak + film.audio.peak},"
        f"AVERAGE-BANDWIDTH={video.average + film.audio.average},"
        f'CODECS="{video.codec},{film.audio.codec}",RESOLUTION={video.width}x{video.height},'
        f"FRAME-RATE={float(video.rate):.3f},VIDEO-RANGE=SDR,"
        f'AUDIO="audio"{texts},CLOSED-CAPTIONS=NONE'
    )


def _key_variant(video: Video) -> str:
    return (
        f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={video.key_peak},"
        f'AVERAGE-BANDWIDTH={video.key_average},CODECS="{video.codec}",'
        f"RESOLUTION={video.width}x{video.height},VIDEO-RANGE=SDR,"
        f'URI="{video.folder}/{KEYS}"'
    )


def _extinf(seconds: Fraction) -> str:
    return f"#EXTINF:{float(seconds):.6f},"


def _text(lines: Iterable[str]) -> str:
    return "\n".join([*lines, ""])
