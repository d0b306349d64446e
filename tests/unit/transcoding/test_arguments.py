"""What ffmpeg is asked for, and what is understood of its answers."""

from __future__ import annotations

import signal
from fractions import Fraction
from pathlib import Path

import pytest

from adapters.outbound.transcoding.ffmpeg.arguments import graph, render
from adapters.outbound.transcoding.ffmpeg.failures import failure
from adapters.outbound.transcoding.ffmpeg.loudness import Loudness, correction, measured
from adapters.outbound.transcoding.ffmpeg.plan import exact, plan
from adapters.outbound.transcoding.program import Ended
from domain.media.rendition import Source

SOURCE = Source(
    width=1920, height=1080, duration_ms=15000, frame_rate=25, video_codec="h264",
    audio_codec="aac",
)  # fmt: skip
LOG = """[Parsed_ebur128_2 @ 0x1] Summary:
  Integrated loudness:
    I:         -17.3 LUFS
    Threshold: -27.3 LUFS
  True peak:
    Peak:       -0.4 dBFS
"""


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (30000 / 1001, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (60000 / 1001, Fraction(60000, 1001)),
        (25.0, Fraction(25)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates_are_exact(rate: float, expected: Fraction) -> None:
    assert exact(rate) == expected


def test_all_rungs_share_one_decoder() -> None:
    planned = plan(SOURCE)
    command = render(Path("film"), planned, None, Path("out"), "medium", 2)
    assert command.count("-i") == 1
    assert command.count("libx264") == len(planned.rungs) == 8
    assert f"split={len(planned.rungs)}" in graph(planned, None)


def test_nothing_but_files_of_film_formats_is_opened() -> None:
    command = render(Path("film"), plan(SOURCE), None, Path("out"), "medium", 2)
    assert command[command.index("-protocol_whitelist") + 1] == "file"
    assert command.index("-format_whitelist") < command.index("-i")
    assert {"hls", "concat", "image2"}.isdisjoint(
        command[command.index("-format_whitelist") + 1].split(",")
    )


def test_of_two_rungs_of_one_size_the_second_is_better() -> None:
    planned = plan(SOURCE)
    command = render(Path("film"), planned, None, Path("out"), "medium", 2)
    quality = [int(command[at + 1]) for at, one in enumerate(command) if one == "-crf"]
    sizes = [(one.width, one.height) for one in planned.rungs]
    assert [quality[at] for at, one in enumerate(sizes) if one == (1920, 1080)] == [21, 18]
    assert quality[0] == 21


def test_deinterlacing_is_asked_for_only_when_needed() -> None:
    woven = plan(SOURCE.model_copy(update={"interlaced": True}))
    assert "bwdif" in graph(woven, None)
    assert "bwdif" not in graph(plan(SOURCE), None)


def test_a_gain_brings_the_sound_to_where_it_should_be() -> None:
    assert measured(LOG) == Loudness(-17.3, -0.4)
    found = correction(Loudness(-17.3, -0.4))
    assert found.filters == "volume=-6.70dB:precision=float"
    assert found.of(Loudness(-17.3, -0.4)).integrated == pytest.approx(-24)


def test_peaks_that_would_be_too_high_are_limited() -> None:
    first = correction(Loudness(-40.0, -3.0))
    assert "alimiter=limit=0.7943" in first.filters
    assert first.again(Loudness(-26.0, -2.0)).gain == pytest.approx(first.gain + 2)


def test_noise_that_is_hardly_audible_is_not_made_loud() -> None:
    assert correction(Loudness(-68.0, -60.0)).gain == 40


@pytest.mark.parametrize(
    "log", ["", LOG.replace("-17.3", "-70.0"), LOG.replace("-17.3", "-inf"),
            LOG.replace("-17.3", "nan")]
)  # fmt: skip
def test_silence_is_left_alone(log: str) -> None:
    assert measured(log) is None


@pytest.mark.parametrize(
    ("code", "words", "expected", "retryable"),
    [
        (None, "", "render_timed_out", True),
        (-signal.SIGKILL, "", "render_killed", True),
        (-signal.SIGXFSZ, "", "output_too_large", False),
        (1, "av_interleaved_write_frame(): No space left on device", "disk_full", True),
        (1, "Cannot allocate memory", "render_killed", True),
        (69, "", "undecodable", False),
        (183, "Invalid data found when processing input", "undecodable", False),
        (1, "Unknown encoder", "render_failed", False),
    ],
)
def test_an_end_is_told_by_a_code(
    code: int | None, words: str, expected: str, retryable: bool
) -> None:
    found = failure(Ended(code, b"", words))
    assert found is not None
    assert (found.code, found.retryable) == (expected, retryable)


def test_a_good_end_is_no_failure_and_folders_are_not_told() -> None:
    assert failure(Ended(0, b"", "")) is None
    found = failure(Ended(1, b"", "[mov @ 0x55d0] /tmp/homecast/secret/film.mp4: broken"))
    assert found is not None
    assert found.detail == "[mov] film.mp4: broken"
