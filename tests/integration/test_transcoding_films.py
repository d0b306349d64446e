"""Films of every shape that ads come in, and films that are broken."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import av
import m3u8
import pytest

from adapters.outbound.transcoding.ffmpeg.failures import RenderFailed
from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer, Film
from adapters.outbound.transcoding.probe import Probe
from domain.media.ladder import LOUDNESS
from domain.media.rendition import Rendition
from domain.media.unusable import NoPicture, TooLong, TooManyPixels, Undecodable
from tests.support.films import ffmpeg, film, loudness, mean_color

FAST = Encoding(preset="veryfast")


async def render(path: Path) -> Rendition:
    """Everything goes below ``out`` beside the film."""
    source = await Probe().probe(path)
    order = Film(path, source, path.parent / "tracks", path.parent / "out", "")
    return await FfmpegRenderer(FAST).render(order, lambda stage, percent: None)


def sizes(rendition: Rendition) -> list[tuple[int, int]]:
    return [(one.width, one.height) for one in rendition.rungs]


def preview(path: Path) -> Path:
    return path.parent / "out" / "preview.mp4"


def lengths(path: Path) -> tuple[float, float]:
    """Seconds of picture and sound, by the playlists."""
    found = []
    for name in ("video/0", "audio"):
        text = (path.parent / "out" / name / "index.m3u8").read_text()
        found.append(sum(one.duration for one in m3u8.loads(text).segments))
    return found[0], found[1]


async def test_a_film_without_sound_gets_silence(tmp_path: Path) -> None:
    path = film(tmp_path / "mute.mp4", sound=None)
    await render(path)
    assert loudness(preview(path)) == -70.0
    picture, sound = lengths(path)
    assert abs(picture - sound) <= 1024 / 48000


async def test_silence_stays_silent(tmp_path: Path) -> None:
    path = film(tmp_path / "silent.mp4", sound="anullsrc=r=44100:cl=stereo")
    await render(path)
    assert loudness(preview(path)) == -70.0


@pytest.mark.parametrize(
    "sound",
    [
        "sine=f=1000:r=44100",
        "aevalsrc=0.95*sin(2*PI*500*t)|0.95*sin(2*PI*700*t):s=48000",
        "sine=f=600:r=48000,volume=-30dB,pan=5.1|FL=c0|FR=c0|FC=c0|LFE=0*c0|BL=c0|BR=c0",
        "aevalsrc='if(lt(mod(t,3),0.003),0.9*sin(6283*t),0.01*sin(3000*t))':s=48000",
    ],
    ids=["mono", "loud", "soft-5.1", "clicks"],
)
async def test_sound_of_any_kind_becomes_stereo_of_the_right_loudness(
    tmp_path: Path, sound: str
) -> None:
    path = film(tmp_path / "film.mp4", sound=sound, seconds=4)
    await render(path)
    assert abs(loudness(preview(path)) - LOUDNESS) <= 0.5
    with av.open(str(preview(path))) as container:
        assert (container.streams.audio[0].channels, container.streams.audio[0].rate) == (2, 48000)


@pytest.mark.parametrize("late", [0.0, 0.7], ids=["together", "sound-starts-late"])
async def test_sound_stays_with_the_picture(tmp_path: Path, late: float) -> None:
    """A flash and a beep at 2 s come out together, within a frame."""
    path = tmp_path / "film.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "color=black:s=640x360:r=25:d=4,"
        "drawbox=c=white:t=fill:enable='between(t,2,2.2)'",
        "-itsoffset", str(late), "-f", "lavfi", "-i",
        f"aevalsrc='if(between(t,{2 - late},{2.2 - late}),0.5*sin(6283*t),0)':s=44100:d=3",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path),
    )  # fmt: skip
    await render(path)
    assert flash(preview(path)) == 2
    assert beep(preview(path)) == pytest.approx(2, abs=0.02)


def flash(path: Path) -> float:
    """Seconds until the first picture that is not black."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if bytes(frame.reformat(format="gray").planes[0])[5000] > 128:
                assert frame.time is not None
                return frame.time
    raise AssertionError("no flash")


def beep(path: Path) -> float:
    """Seconds until the sound is there."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples]
            for index, one in enumerate(samples):
                if abs(one) > 0.02:
                    assert frame.time is not None
                    return frame.time + index / 48000
    raise AssertionError("no beep")


@pytest.mark.parametrize("seconds", [1.0, 6.0], ids=["shorter", "longer"])
async def test_sound_is_cut_or_filled_to_the_pictures_length(
    tmp_path: Path, seconds: float
) -> None:
    path = film(tmp_path / "film.mp4", sound_seconds=seconds)
    rendition = await render(path)
    picture, sound = lengths(path)
    assert rendition.duration_ms == 3000
    assert picture == pytest.approx(3)
    assert abs(picture - sound) <= 1024 / 48000


async def test_a_film_that_is_turned_is_rendered_as_it_is_shown(tmp_path: Path) -> None:
    """Red at the left of the coded picture; shown a quarter turn clockwise, it is at the top."""
    flat, path = tmp_path / "flat.mp4", tmp_path / "turned.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "color=blue:s=640x360:r=25:d=3,drawbox=w=160:h=360:c=red:t=fill",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", str(flat),
    )  # fmt: skip
    ffmpeg("-display_rotation", "-90", "-i", str(flat), "-c", "copy", str(path))
    source = await Probe().probe(path)
    assert (source.width, source.height, source.rotation) == (360, 640, 90)
    rendition = await render(path)
    assert sizes(rendition) == [(234, 416), (360, 640)]
    top = mean_color(preview(path), (20, 10, 190, 60))
    bottom = mean_color(preview(path), (20, 330, 190, 60))
    assert top[0] > 180 > 80 > top[2]
    assert bottom[2] > 180 > 80 > bottom[0]


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ("480x360", "1", [(312, 234), (480, 360)]),
        ("360x640", "1", [(234, 416), (360, 640)]),
        ("641x361", "1", [(416, 234), (640, 360)]),
        ("200x100", "1", [(200, 100)]),
        ("720x576", "64/45", [(416, 234), (640, 360), (768, 432), (960, 540)]),
    ],
    ids=["4:3", "portrait", "odd", "tiny", "oblong-pixels"],
)
async def test_the_shape_stays_and_nothing_is_enlarged(
    tmp_path: Path, size: str, aspect: str, expected: list[tuple[int, int]]
) -> None:
    path = film(
        tmp_path / "film.mp4",
        size=size,
        seconds=2,
        more=["-vf", f"setsar={aspect}", "-pix_fmt", "yuv444p"],
    )
    rendition = await render(path)
    assert sizes(rendition) == expected
    with av.open(str(preview(path))) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.format.name) == (*expected[0], "yuv420p")


async def test_an_interlaced_film_is_deinterlaced(tmp_path: Path) -> None:
    """Rendered at its own size, so that no scaling hides what was left of the fields."""
    path = tmp_path / "film.ts"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=640x360:r=50:d=3",
        "-vf", "scroll=horizontal=0.01,tinterlace=interleave_top", "-r", "25",
        "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-b:v", "6M", str(path),
    )  # fmt: skip
    assert (await Probe().probe(path)).interlaced
    rendition = await render(path)
    assert {one.frame_rate for one in rendition.rungs} == {25.0}
    folder = tmp_path / "out" / "video" / "1"
    joined = tmp_path / "joined.mp4"
    joined.write_bytes((folder / "init.mp4").read_bytes() + (folder / "1.m4s").read_bytes())
    assert not (await Probe().probe(joined)).interlaced
    assert combed(path) > 60
    assert combed(joined) < 10


def combed(path: Path) -> int:
    """Frames that ffmpeg's own detector finds interlaced."""
    said = ffmpeg("-i", str(path), "-vf", "idet", "-an", "-f", "null", "-")
    line = [one for one in said.splitlines() if "Multi frame detection" in one][-1]
    return int(line.split("TFF:")[1].split()[0]) + int(line.split("BFF:")[1].split()[0])


async def test_a_film_of_high_dynamic_range_becomes_an_ordinary_one(tmp_path: Path) -> None:
    path = film(
        tmp_path / "film.mp4",
        size="416x234",
        seconds=1,
        more=[
            "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020",
            "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-x265-params",
            "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
        ],
    )  # fmt: skip
    assert (await Probe().probe(path)).hdr
    await render(path)
    with av.open(str(preview(path))) as container:
        frame = next(container.decode(video=0))
        assert frame.color_trc == frame.color_primaries == frame.colorspace == 1
        assert frame.format.name == "yuv420p"


@pytest.mark.parametrize(
    ("rate", "expected"), [("120", 60.0), ("24000/1001", 23.976), ("50", 50.0), ("1", 16.0)]
)
async def test_frames_come_at_the_films_own_rate_within_limits(
    tmp_path: Path, rate: str, expected: float
) -> None:
    path = film(tmp_path / "film.mp4", size="416x234", rate=rate, seconds=5)
    rendition = await render(path)
    assert {one.frame_rate for one in rendition.rungs} == {expected}
    picture, sound = lengths(path)
    assert abs(picture - sound) <= 1024 / 48000


async def test_uneven_frames_come_out_even(tmp_path: Path) -> None:
    path = film(
        tmp_path / "film.mp4",
        size="416x234",
        seconds=4,
        more=["-vf", "select='lt(mod(n,7),5)'", "-fps_mode", "vfr"],
    )
    await render(path)
    with av.open(str(preview(path))) as container:
        times = [frame.pts for frame in container.decode(video=0) if frame.pts is not None]
    assert len({after - before for before, after in pairwise(times)}) == 1


async def test_the_poster_is_not_black(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", seconds=5, more=["-vf", "fade=in:st=2:d=1"])
    await render(path)
    assert sum(mean_color(path.parent / "out" / "poster.jpg", (0, 0, 640, 360))) > 100


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """A film with its header first."""
    return film(tmp_path / "whole.mp4", more=["-movflags", "+faststart"]).read_bytes()


def header(content: bytes) -> int:
    """Where the media data start."""
    return content.index(b"mdat") + 4


def rubbish(content: bytes) -> bytes:
    """Its header before noise."""
    at = header(content)
    return content[:at] + os.urandom(len(content) - at)


async def refused(content: bytes, folder: Path) -> Undecodable:
    path = folder / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(Undecodable) as caught:
        await Probe().probe(path)
    return caught.value


async def test_a_header_alone_is_undecodable(whole: bytes, tmp_path: Path) -> None:
    await refused(whole[: header(whole)], tmp_path)


async def test_a_film_that_is_cut_off_is_undecodable(whole: bytes, tmp_path: Path) -> None:
    error = await refused(whole[: header(whole) + len(whole) // 3], tmp_path)
    assert error.detail.startswith("cut off")


async def test_a_header_before_rubbish_is_undecodable(whole: bytes, tmp_path: Path) -> None:
    await refused(rubbish(whole), tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n",
     b"ffconcat version 1.0\nfile /etc/hostname\n"],
    ids=["empty", "page", "playlist", "list-of-files"],
)  # fmt: skip
async def test_what_is_no_film_is_undecodable(content: bytes, tmp_path: Path) -> None:
    await refused(content, tmp_path)


async def test_sound_alone_has_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", str(path))
    with pytest.raises(NoPicture):
        await Probe().probe(path)


async def test_limits_of_length_and_size_are_kept(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "whole.mp4"
    with pytest.raises(TooLong):
        await Probe(most_seconds=2).probe(path)
    with pytest.raises(TooManyPixels):
        await Probe(most_pixels=640 * 359).probe(path)


async def test_a_probe_that_takes_too_long_is_ended(whole: bytes, tmp_path: Path) -> None:
    with pytest.raises(Undecodable, match="not understood within"):
        await Probe(seconds=0.001).probe(tmp_path / "whole.mp4")


async def test_a_film_that_broke_after_the_probe_fails_for_good(
    whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "whole.mp4"
    source = await Probe().probe(path)
    path.write_bytes(rubbish(whole))
    order = Film(path, source, tmp_path / "tracks", tmp_path / "out", "")
    with pytest.raises(RenderFailed) as caught:
        await FfmpegRenderer(FAST).render(order, lambda stage, percent: None)
    assert (caught.value.code, caught.value.retryable) == ("undecodable", False)
    assert str(tmp_path) not in caught.value.detail
