"""From the encoded tracks to the files that are served. Blocking: for a thread."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import structlog

from adapters.outbound.transcoding.captions.cues import between, webvtt
from adapters.outbound.transcoding.captions.files import CaptionFile, read_captions
from adapters.outbound.transcoding.ffmpeg.loudness import Loudness
from adapters.outbound.transcoding.ffmpeg.plan import Plan
from adapters.outbound.transcoding.ffmpeg.poster import write_poster
from adapters.outbound.transcoding.packaging import dash, hls
from adapters.outbound.transcoding.packaging.codecs import audio_codec, video_codec
from adapters.outbound.transcoding.packaging.loudness_box import with_loudness
from adapters.outbound.transcoding.packaging.presentation import (
    Presentation,
    Stream,
    Text,
    Video,
)
from adapters.outbound.transcoding.packaging.segments import write_audio, write_video
from adapters.outbound.transcoding.packaging.track import Track, read_track
from domain.kernel.errors import InvalidInput, TooLarge
from domain.media.ladder import Rendered
from domain.media.rendition import Rendition, Rung

log = structlog.get_logger()

PREVIEW = "preview.mp4"
POSTER = "poster.jpg"
UNKNOWN = "und"


@dataclass(frozen=True)
class Films:
    """``tracks``: holds ``0.mp4`` … and ``audio.mp4``; ``target``: holds ``preview.mp4``.
    ``loudness``: of the sound as it is now, None for silence."""

    tracks: Path
    target: Path
    prefix: str
    ladder: str
    captions: tuple[CaptionFile, ...]
    loudness: Loudness | None = None


def package(films: Films, plan: Plan) -> Rendition:
    videos = tuple(_video(films, plan, index) for index in range(len(plan.rungs)))
    audio = _audio(films, videos[0])
    texts = tuple(_texts(films, videos[0]))
    film = Presentation(videos, audio, UNKNOWN, texts)
    _playlists(films.target, film)
    default = next(index for index, one in enumerate(plan.rungs) if one.default)
    write_poster(films.tracks / f"{default}.mp4", films.target / POSTER)
    return _rendition(films, film)


def _video(films: Films, plan: Plan, index: int) -> Video:
    rung: Rendered = plan.rungs[index]
    folder = f"video/{index}"
    with _track(films.tracks / f"{index}.mp4") as track:
        segments = tuple(write_video(track, films.target / folder))
        codec = video_codec(track.init)
    return Video(folder, codec, segments, rung.width, rung.height, plan.rate, rung.default)


def _audio(films: Films, video: Video) -> Stream:
    with _track(films.tracks / "audio.mp4") as track:
        init = track.init
        if films.loudness is not None:
            init = with_loudness(init, films.loudness.integrated, films.loudness.peak)
        segments = tuple(write_audio(track, _ends(video), films.target / "audio", init))
        return Stream("audio", audio_codec(track.init), segments)


def _ends(video: Stream) -> list[Fraction]:
    return list(accumulate(one.seconds for one in video.segments))


def _texts(films: Films, video: Video) -> Iterator[Text]:
    """Of each language the first that is good: a broken file costs the film its captions, not its
    being shown."""
    seen: set[str] = set()
    for file in films.captions:
        try:
            if file.tag not in seen:
                yield _text(file, films.target, video)
                seen.add(file.tag)
        except (InvalidInput, TooLarge) as error:
            log.warning("captions left out", language=file.tag, why=error.detail)


def _text(file: CaptionFile, target: Path, video: Video) -> Text:
    cues = read_captions(file.path)
    folder = target / "text" / file.tag
    folder.mkdir(parents=True, exist_ok=True)
    size = (folder / "captions.vtt").write_bytes(webvtt(cues).encode())
    parts, start = [], Fraction(0)
    for index, end in enumerate(_ends(video), start=1):
        seen = between(cues, start, end)
        (folder / f"{index}.vtt").write_text(webvtt(seen, mapped=True), encoding="utf-8")
        parts.append((f"{index}.vtt", end - start))
        start = end
    (folder / hls.INDEX).write_text(hls.text_playlist(parts), encoding="utf-8")
    return Text(f"text/{file.tag}", file.tag, tuple(name for name, _ in parts), size)


def _playlists(target: Path, film: Presentation) -> None:
    for video in film.videos:
        folder = target / video.folder
        (folder / hls.INDEX).write_text(hls.media_playlist(video.segments))
        (folder / hls.KEYS).write_text(hls.key_playlist(video.segments))
    (target / film.audio.folder / hls.INDEX).write_text(hls.media_playlist(film.audio.segments))
    (target / hls.MASTER).write_text(hls.master_playlist(film))
    (target / dash.MANIFEST).write_text(dash.manifest(film))


def _rendition(films: Films, film: Presentation) -> Rendition:
    audio = film.audio
    rungs = tuple(
        Rung(
            width=one.width,
            height=one.height,
            bandwidth=one.peak + audio.peak,
            average_bandwidth=one.average + audio.average,
            codecs=f"{one.codec},{audio.codec}",
            frame_rate=round(float(one.rate), 3),
        )
        for one in film.videos
    )
    files = (one for one in films.target.rglob("*") if one.is_file())
    return Rendition(
        ladder=films.ladder,
        prefix=films.prefix,
        hls=films.prefix + hls.MASTER,
        dash=films.prefix + dash.MANIFEST,
        preview=films.prefix + PREVIEW,
        poster=films.prefix + POSTER,
        duration_ms=round(film.seconds * 1000),
        rungs=rungs,
        size=sum(one.stat().st_size for one in files),
        captions=tuple(one.language for one in film.texts),
    )


@contextmanager
def _track(path: Path) -> Iterator[Track]:
    """Mapped into memory: a long film's track may be some hundred megabytes."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        try:
            yield read_track(view)
        finally:
            view.release()
