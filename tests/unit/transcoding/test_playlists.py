"""Playlists, manifest and figures, from streams that are made up."""

from __future__ import annotations

from fractions import Fraction

import m3u8
import pytest
from lxml import etree

from adapters.outbound.transcoding.packaging.dash import NAMESPACE, manifest
from adapters.outbound.transcoding.packaging.hls import (
    key_playlist,
    master_playlist,
    media_playlist,
)
from adapters.outbound.transcoding.packaging.presentation import (
    Presentation,
    Stream,
    Text,
    Video,
    average,
    peak,
)
from adapters.outbound.transcoding.packaging.segments import KeyFrame, Segment

KEY = KeyFrame(24, 1000, Fraction(2))
SEGMENTS = (
    Segment("1.m4s", Fraction(6), 600_000, (KEY, KEY, KEY)),
    Segment("2.m4s", Fraction(6), 300_000, (KEY, KEY, KEY)),
    Segment("3.m4s", Fraction(1), 250_000, (KEY,)),
)
SOUND = Stream("audio", "mp4a.40.2", (Segment("1.m4s", Fraction(13), 13 * 16_000),))


def film(*, texts: tuple[Text, ...] = ()) -> Presentation:
    low = Video("video/0", "avc1.64000d", SEGMENTS, 416, 234, Fraction(25), default=False)
    high = Video("video/1", "avc1.64001e", SEGMENTS, 640, 360, Fraction(25), default=True)
    return Presentation((low, high), SOUND, "und", texts)


def test_the_average_is_of_all_bytes_and_all_time() -> None:
    assert average([(100, Fraction(1)), (50, Fraction(2))]) == 400


def test_a_short_rest_is_no_peak_by_itself() -> None:
    """250,000 bytes in one second are 2 Mbit/s, but no player reads that second alone."""
    parts = [(one.size, one.seconds) for one in SEGMENTS]
    assert peak(parts) == 8 * 600_000 // 6


def test_neighbours_together_can_be_the_peak() -> None:
    seconds = Fraction(4)
    assert peak([(100, seconds), (900, seconds), (800, seconds)]) == 8 * 900 // 4
    short = [(100, Fraction(2)), (400, Fraction(2)), (500, Fraction(2))]
    assert peak(short) == 8 * 900 // 4


def test_a_film_shorter_than_half_a_segment_has_its_average_as_peak() -> None:
    assert peak([(100, Fraction(1)), (300, Fraction(1))]) == 1600


def test_rates_of_a_variant_are_those_of_picture_and_sound() -> None:
    first = m3u8.loads(master_playlist(film())).playlists[0].stream_info
    assert first.bandwidth == 800_000 + 128_000
    assert first.average_bandwidth == round(8 * 1_150_000 / 13) + 128_000


def test_the_default_comes_first_and_captions_only_where_there_are_some() -> None:
    bare = m3u8.loads(master_playlist(film()))
    assert [one.uri for one in bare.playlists] == ["video/1/index.m3u8", "video/0/index.m3u8"]
    assert bare.playlists[0].stream_info.subtitles is None
    text = Text("text/en", "en", ("1.vtt",), 100)
    assert m3u8.loads(master_playlist(film(texts=(text,)))).playlists[0].stream_info.subtitles


@pytest.mark.parametrize(("seconds", "target"), [("6.4", 6), ("6.5", 7), ("0.2", 1), ("5.4", 5)])
def test_the_target_is_the_longest_segment_rounded(seconds: str, target: int) -> None:
    text = media_playlist([Segment("1.m4s", Fraction(seconds), 1)])
    assert m3u8.loads(text).target_duration == target


def test_key_frames_are_ranges_of_the_segments() -> None:
    playlist = m3u8.loads(key_playlist(SEGMENTS))
    assert playlist.is_i_frames_only
    assert [one.uri for one in playlist.segments] == ["1.m4s"] * 3 + ["2.m4s"] * 3 + ["3.m4s"]
    assert {one.byterange for one in playlist.segments} == {"1000@24"}


def test_the_manifest_counts_the_same_segments() -> None:
    text = Text("text/en", "en", ("1.vtt",), 1300)
    root = etree.fromstring(manifest(film(texts=(text,))).encode())
    names = {"d": NAMESPACE}
    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT13.000S"
    runs = root.findall(".//d:Representation[@id='v1']//d:S", names)
    assert [(one.get("t"), one.get("d"), one.get("r")) for one in runs] == [
        ("0", "6", "1"), (None, "1", None),
    ]  # fmt: skip
    caption = root.find(".//d:Representation[@id='t0']", names)
    assert caption is not None
    assert caption.get("bandwidth") == "800"
    assert caption.findtext("d:BaseURL", namespaces=names) == "text/en/captions.vtt"
