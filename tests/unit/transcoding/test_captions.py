"""Caption files of brokers, made into WebVTT."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from adapters.outbound.transcoding.captions.blocks import read_blocks
from adapters.outbound.transcoding.captions.cues import Cue, between, webvtt
from adapters.outbound.transcoding.captions.files import MOST_BYTES, CaptionFile, read_captions
from adapters.outbound.transcoding.captions.ttml import read_ttml
from domain.kernel.errors import InvalidInput, TooLarge

TTML = """<?xml version="1.0"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    ttp:frameRate="25" ttp:tickRate="1000">
 <body begin="1s"><div>
  <p begin="00:00:01.500" end="00:00:02:05">One<br/>two &amp; <span>three</span></p>
  <p begin="2500t" dur="10f">Ticks</p>
  <p begin="9s">no end</p>
  <p begin="5s" end="4s">backwards</p>
 </div></body>
</tt>"""


def test_subrip_is_read_as_people_write_it() -> None:
    text = (
        "1\r\n00:00:01,000 --> 00:00:02,5\r\nHi\r\n\r\n\r\n2\r\n0:00:03.000 --> 0:00:04.000\nYo\n"
    )
    assert list(read_blocks(text)) == [Cue(1000, 2500, "Hi"), Cue(3000, 4000, "Yo")]


def test_webvtt_is_read_without_its_notes_styles_and_places() -> None:
    text = (
        "WEBVTT - a title\n\nNOTE\nnothing\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 line:0 align:start\n<v Anna>Hi</v>\n"
    )
    assert list(read_blocks(text)) == [Cue(1000, 2000, "Hi")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<i>a</i> & b", "<i>a</i> &amp; b"),
        ("<font color='red'>a</font> &amp; 1 < 2", "a &amp; 1 &lt; 2"),
        ("{\\an8}top", "top"),
        ("a --> b", "a → b"),
    ],
)
def test_text_of_a_cue_can_break_no_webvtt(body: str, expected: str) -> None:
    (cue,) = read_blocks(f"00:00:01,000 --> 00:00:02,000\n{body}\n")
    assert cue.text == expected


def test_cues_without_length_or_text_are_left_out() -> None:
    text = "00:00:02,000 --> 00:00:01,000\nback\n\n00:00:02,000 --> 00:00:03,000\n\n"
    assert list(read_blocks(text)) == []


def test_ttml_counts_in_clock_frames_and_ticks() -> None:
    assert list(read_ttml(TTML.encode())) == [
        Cue(2500, 3200, "One\ntwo &amp; three"),
        Cue(3500, 3900, "Ticks"),
    ]


def test_ttml_opens_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    text = TTML.replace("<tt ", f'<!DOCTYPE tt [<!ENTITY e SYSTEM "{secret.as_uri()}">]><tt ')
    found = list(read_ttml(text.replace("Ticks", "&e;Ticks").encode()))
    assert not any("secret" in one.text for one in found)


@pytest.mark.parametrize(
    "content",
    [b"", b"just text", b"<tt", b"<html/>", TTML.replace("9s", "nine").encode() * 2,
     TTML.replace('frameRate="25"', 'frameRate="0"').encode()],
)  # fmt: skip
def test_a_file_without_a_cue_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "captions"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_captions(path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "captions"
    path.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(TooLarge):
        read_captions(path)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_letters_of_any_coding_are_understood(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "captions"
    path.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nGrüße\n".encode(coding))
    assert read_captions(path) == [Cue(1000, 2000, "Grüße")]


def test_cues_are_sorted_by_time(tmp_path: Path) -> None:
    path = tmp_path / "captions"
    path.write_text("00:09.000 --> 00:10.000\nb\n\n00:01.000 --> 00:02.000\na\n")
    assert [one.text for one in read_captions(path)] == ["a", "b"]


def test_a_cue_across_a_border_is_in_both_segments() -> None:
    cues = [Cue(5000, 7000, "a"), Cue(6000, 8000, "b")]
    assert between(cues, Fraction(0), Fraction(6)) == cues[:1]
    assert between(cues, Fraction(6), Fraction(12)) == cues


def test_written_webvtt_reads_back_as_it_was() -> None:
    cues = [Cue(0, 3_661_001, "a &amp; <b>b</b>\nc"), Cue(1, 2, "d")]
    assert list(read_blocks(webvtt(cues))) == cues
    assert webvtt([], mapped=True).startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0")


@pytest.mark.parametrize("language", ["", "../../etc", 'en",URI="x', "en/us", "e"])
def test_what_is_no_language_becomes_unknown(language: str) -> None:
    assert CaptionFile(language, Path("x")).tag == "und"
    assert CaptionFile("pt-BR", Path("x")).tag == "pt-BR"
