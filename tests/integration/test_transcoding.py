"""One film rendered once, and every clause of Apple's specification asked of what came out."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import m3u8
import pytest

from adapters.outbound.transcoding.captions.files import CaptionFile
from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer, Film
from adapters.outbound.transcoding.packaging.boxes import find, whole
from adapters.outbound.transcoding.probe import Probe
from commands.media.ports import Stage
from domain.media.ladder import GOP_SECONDS, LOUDNESS
from domain.media.rendition import Rendition, Source
from tests.support.films import Picture, film, loudness, pictures

SUBTITLES = """1
00:00:01,000 --> 00:00:07,500
Good <i>evening</i> & welcome

2
00:00:08,000 --> 00:00:09,000
Good night
"""
MPD = Path(__file__).parents[1] / "support" / "mpd.mjs"


@dataclass(frozen=True)
class Rendered:
    root: Path
    source: Source
    rendition: Rendition
    progress: list[tuple[Stage, int]]

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def master(self) -> Any:
        return m3u8.loads(self.text("main.m3u8"))

    def bytes(self, playlist: str) -> bytes:
        """Header and segments of a playlist, put together as a player does."""
        folder = (self.root / playlist).parent
        segments = m3u8.loads(self.text(playlist)).segments
        return b"".join(
            [
                (folder / "init.mp4").read_bytes(),
                *((folder / one.uri).read_bytes() for one in segments),
            ]
        )

    def joined(self, playlist: str, target: Path) -> Path:
        target.write_bytes(self.bytes(playlist))
        return target


MPD_PARSER = Path(__file__).parents[2] / "node_modules" / "mpd-parser"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """13 s of 960 × 540 at 29.97 frames a second, with subtitles."""
    folder = tmp_path_factory.mktemp("rendered")
    original = film(folder / "film.mp4", size="960x540", rate="30000/1001", seconds=13)
    (folder / "en.srt").write_text(SUBTITLES)
    captions = (CaptionFile("en", folder / "en.srt"), CaptionFile("de", folder / "film.mp4"))
    source = asyncio.run(Probe().probe(original))
    told: list[tuple[Stage, int]] = []
    order = Film(original, source, folder / "tracks", folder / "out", "r/one/", captions)
    renderer = FfmpegRenderer(Encoding(preset="veryfast"))
    rendition = asyncio.run(renderer.render(order, lambda *step: told.append(step)))
    return Rendered(folder / "out", source, rendition, told)


@pytest.fixture(scope="module")
def decoded(rendered: Rendered) -> dict[str, list[Picture]]:
    names = [one.uri for one in rendered.master().playlists]
    return {name: pictures(rendered.bytes(name)) for name in names}


def test_every_rung_that_fits_is_there_and_none_is_larger_than_the_film(rendered: Rendered) -> None:
    sizes = [(one.width, one.height) for one in rendered.rendition.rungs]
    assert sizes == [(416, 234), (640, 360), (768, 432), (960, 540)]


def test_the_default_rung_is_listed_first(rendered: Rendered) -> None:
    first = rendered.master().playlists[0].stream_info
    assert first.resolution == (960, 540)


def test_the_pictures_have_the_size_that_the_playlist_tells(
    rendered: Rendered, decoded: dict[str, list[Picture]]
) -> None:
    for one in rendered.master().playlists:
        assert {picture.size for picture in decoded[one.uri]} == {one.stream_info.resolution}


def test_key_frames_come_every_two_seconds_at_the_same_times_in_all_rungs(
    decoded: dict[str, list[Picture]],
) -> None:
    times = {tuple(one.at for one in rung if one.key) for rung in decoded.values()}
    (keys,) = times
    frame = Fraction(1001, 30000)
    assert keys[0] == 0
    assert len(keys) == 7
    for index, at in enumerate(keys):
        assert 0 <= at - index * GOP_SECONDS < frame


def test_all_rungs_have_all_frames_evenly_spaced(decoded: dict[str, list[Picture]]) -> None:
    for rung in decoded.values():
        assert [one.at for one in rung] == [Fraction(1001, 30000) * n for n in range(390)]


def test_every_segment_starts_with_a_key_frame_and_can_be_decoded_alone(
    rendered: Rendered,
) -> None:
    folder = rendered.root / "video" / "0"
    init = (folder / "init.mp4").read_bytes()
    count = 0
    for one in m3u8.loads(rendered.text("video/0/index.m3u8")).segments:
        found = pictures(init, (folder / one.uri).read_bytes())
        assert found[0].key
        assert len(found) == round(one.duration * 30000 / 1001)
        count += len(found)
    assert count == 390


def test_segments_last_six_seconds_and_at_most_half_a_second_more(rendered: Rendered) -> None:
    for name in media_playlists(rendered):
        playlist = m3u8.loads(rendered.text(name))
        assert playlist.target_duration == 6
        durations = [one.duration for one in playlist.segments]
        assert all(6 <= one <= 6.5 for one in durations[:-1])
        assert durations[-1] <= 6.5


def test_playlists_say_that_they_are_whole_and_where_the_header_is(rendered: Rendered) -> None:
    for name in media_playlists(rendered):
        playlist = m3u8.loads(rendered.text(name))
        assert playlist.playlist_type == "vod"
        assert playlist.is_endlist
        assert playlist.is_independent_segments
        assert playlist.segment_map[0].uri == "init.mp4"
    assert rendered.master().is_independent_segments


def test_picture_and_sound_are_equally_long(rendered: Rendered) -> None:
    frame_of_sound = 1024 / 48000
    durations = [
        sum(one.duration for one in m3u8.loads(rendered.text(name)).segments)
        for name in media_playlists(rendered)
    ]
    assert max(durations) - min(durations) <= frame_of_sound
    assert abs(durations[0] - 13.013) < 0.001


def test_sound_starts_with_the_picture(rendered: Rendered, tmp_path: Path) -> None:
    whole_sound = rendered.joined("audio/index.m3u8", tmp_path / "audio.mp4")
    with av.open(str(whole_sound)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels, stream.codec_context.name) == (48000, 2, "aac")
        assert stream.profile == "LC"
        start = next(container.decode(audio=0))
        assert start.pts in (0, -1024)


def test_sound_is_as_loud_as_broadcast_wants_it(rendered: Rendered, tmp_path: Path) -> None:
    whole_sound = rendered.joined("audio/index.m3u8", tmp_path / "audio.mp4")
    assert abs(loudness(whole_sound) - LOUDNESS) <= 0.5


def test_told_rates_are_within_a_tenth_of_the_measured_ones(rendered: Rendered) -> None:
    sound = rates(rendered, "audio/index.m3u8")
    for one in rendered.master().playlists:
        peak, average = rates(rendered, one.uri)
        info = one.stream_info
        assert info.bandwidth == pytest.approx(peak + sound[0], rel=0.1)
        assert info.average_bandwidth == pytest.approx(average + sound[1], rel=0.1)
        assert info.bandwidth <= 2 * info.average_bandwidth


def test_variants_tell_everything_that_apple_asks_for(rendered: Rendered) -> None:
    master = rendered.master()
    for one in master.playlists:
        info = one.stream_info
        video, audio = info.codecs.split(",")
        assert video.startswith("avc1.6400")
        assert audio == "mp4a.40.2"
        assert info.frame_rate == pytest.approx(29.97)
        assert info.video_range == "SDR"
        assert info.closed_captions == "NONE"
        assert (info.audio, info.subtitles) == ("audio", "text")
    kinds = {one.type: one for one in master.media}
    assert kinds["AUDIO"].language == "und"
    assert kinds["SUBTITLES"].language == "en"


def test_told_codecs_are_those_of_the_streams(rendered: Rendered) -> None:
    for index, rung in enumerate(rendered.rendition.rungs):
        init = (rendered.root / "video" / str(index) / "init.mp4").read_bytes()
        at = init.index(b"avcC") + 5
        assert rung.codecs == f"avc1.{init[at : at + 3].hex()},mp4a.40.2"


def test_ranges_of_the_key_frame_playlists_are_one_key_frame_each(rendered: Rendered) -> None:
    master = rendered.master()
    assert len(master.iframe_playlists) == len(master.playlists)
    for one in master.iframe_playlists:
        folder = (rendered.root / one.uri).parent
        playlist = m3u8.loads(rendered.text(one.uri))
        assert playlist.is_i_frames_only
        assert playlist.segment_map[0].uri == "init.mp4"
        assert len(playlist.segments) == 7
        init = (folder / "init.mp4").read_bytes()
        for key in playlist.segments:
            length, offset = map(int, key.byterange.split("@"))
            content = (folder / key.uri).read_bytes()[offset : offset + length]
            assert len(content) == length
            (picture,) = pictures(init, content)
            assert picture.key


def test_captions_are_there_in_hls_cut_like_the_picture(rendered: Rendered) -> None:
    playlist = m3u8.loads(rendered.text("text/en/index.m3u8"))
    texts = [rendered.text(f"text/en/{one.uri}") for one in playlist.segments]
    assert ["evening" in one for one in texts] == [True, True, False]
    assert ["Good night" in one for one in texts] == [False, True, False]
    assert all(one.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0") for one in texts)


def test_a_broken_caption_file_is_left_out(rendered: Rendered) -> None:
    assert rendered.rendition.captions == ("en",)


def test_the_preview_is_a_small_film_with_sound_that_plays_while_it_comes(
    rendered: Rendered,
) -> None:
    path = rendered.root / "preview.mp4"
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as container:
        assert container.streams.video[0].width == 416
        assert len(container.streams.audio) == 1
        assert container.duration == pytest.approx(13_013_000, abs=50_000)
        assert next(container.decode(video=0)).pts == 0


def test_the_poster_is_a_jpeg_of_the_default_size(rendered: Rendered) -> None:
    with av.open(str(rendered.root / "poster.jpg")) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (960, 540)


def test_all_that_the_rendition_names_is_there(rendered: Rendered) -> None:
    found = rendered.rendition
    for key in (found.hls, found.dash, found.preview, found.poster):
        assert (rendered.root / key.removeprefix("r/one/")).stat().st_size > 0
    files = [one for one in rendered.root.rglob("*") if one.is_file()]
    assert found.size == sum(one.stat().st_size for one in files)
    assert found.duration_ms == 13013


def test_headers_are_complete(rendered: Rendered) -> None:
    init = (rendered.root / "audio" / "init.mp4").read_bytes()
    assert find(init, whole(init), b"moov", b"mvex", b"trex")


def test_the_header_of_the_sound_says_how_loud_it_is(rendered: Rendered, tmp_path: Path) -> None:
    init = (rendered.root / "audio" / "init.mp4").read_bytes()
    told = find(init, whole(init), b"moov", b"trak", b"udta", b"ludt", b"tlou")
    method, value, system = init[told.end - 3 : told.end]
    assert (method, system) == (1, 0x23)
    whole_sound = rendered.joined("audio/index.m3u8", tmp_path / "audio.mp4")
    assert -57.75 + value / 4 == pytest.approx(loudness(whole_sound), abs=0.5)


def test_progress_goes_through_the_stages(rendered: Rendered) -> None:
    stages = [stage for stage, _ in rendered.progress]
    assert stages == sorted(stages, key=[Stage.PROBING, Stage.TRANSCODING].index)
    assert rendered.progress[-1] == (Stage.TRANSCODING, 100)


@pytest.mark.slow
def test_a_player_of_dash_finds_the_very_same_segments(rendered: Rendered) -> None:
    found = dash(rendered)
    base = "http://films.example/r/"
    assert found["duration"] == pytest.approx(13.013)
    assert [one["attributes"]["RESOLUTION"]["height"] for one in found["video"]] == [
        234, 360, 432, 540,
    ]  # fmt: skip
    (sound,), (text,) = found["audio"], found["subtitles"]
    for one in [*found["video"], *sound["playlists"]]:
        for part in one["segments"]:
            assert (rendered.root / part["uri"].removeprefix(base)).is_file()
            assert (rendered.root / part["map"].removeprefix(base)).is_file()
    for index, one in enumerate(found["video"]):
        hls = m3u8.loads(rendered.text(f"video/{index}/index.m3u8")).segments
        assert [part["duration"] for part in one["segments"]] == pytest.approx(
            [part.duration for part in hls]
        )
    assert text["language"] == "en"
    assert (rendered.root / text["playlists"][0]["segments"][0]["uri"].removeprefix(base)).is_file()


def dash(rendered: Rendered) -> Any:
    assert MPD_PARSER.exists(), "mpd-parser is not installed: npm ci"
    node = shutil.which("node")
    assert node is not None, "there is no node"
    done = subprocess.run(
        [node, str(MPD)],
        input=rendered.text("manifest.mpd"),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def media_playlists(rendered: Rendered) -> Iterator[str]:
    yield from (one.uri for one in rendered.master().playlists)
    yield "audio/index.m3u8"


def rates(rendered: Rendered, name: str) -> tuple[float, float]:
    """Peak and average, from the sizes of the files."""
    folder = (rendered.root / name).parent
    parts = [
        (8 * (folder / one.uri).stat().st_size, one.duration)
        for one in m3u8.loads(rendered.text(name)).segments
    ]
    total = sum(bits for bits, _ in parts) / sum(seconds for _, seconds in parts)
    return max(bits / seconds for bits, seconds in parts if seconds >= 3), total
