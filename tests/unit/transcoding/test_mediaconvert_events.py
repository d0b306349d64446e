"""Events of MediaConvert in the shapes that its user guide documents."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.outbound.transcoding.job_events import JobEvents
from adapters.outbound.transcoding.mediaconvert.events import job_report_of
from adapters.outbound.transcoding.mediaconvert.multivariant import parse
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError
from domain.media.rendition import Rung
from tests.support.transcoding import BUCKET, PREFIX, MediaInMemory, golden, rendered

AT = datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)


def report(status: JobStatus, **more: Any) -> JobReport:
    return JobReport(
        job_id="1795341600123-abc123",
        creative_id="crt_01",
        ladder="0a1b2c3d",
        attempt=1,
        status=status,
        at=AT,
        **more,
    )


PROGRESSING = JobStatus.PROGRESSING


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("input_information", report(PROGRESSING, stage=Stage.PROBING)),
        ("progressing", report(PROGRESSING)),
        ("status_update", report(PROGRESSING, stage=Stage.TRANSCODING, percent=42)),
        ("canceled", report(JobStatus.CANCELED)),
        ("new_warning", None),
        ("queue_hop", None),
        (
            "error",
            report(JobStatus.ERROR, error="mediaconvert_1040", detail="Example error message"),
        ),
    ],
)
async def test_an_event_of_each_status_is_understood(name: str, wanted: JobReport | None) -> None:
    assert job_report_of(golden(name)) == wanted
    assert await JobEvents(MediaInMemory(), BUCKET).decode(golden(name)) == wanted


async def test_a_complete_job_gives_the_rendition_with_measured_bandwidths() -> None:
    found = await JobEvents(rendered(), BUCKET).decode(golden("complete"))
    assert found is not None
    assert found.status is JobStatus.COMPLETE
    assert found.rendition is not None
    assert found.rendition.model_dump() == {
        "ladder": "0a1b2c3d",
        "prefix": PREFIX,
        "hls": f"{PREFIX}main.m3u8",
        "dash": f"{PREFIX}main.mpd",
        "preview": f"{PREFIX}preview.mp4",
        "poster": f"{PREFIX}poster.0000001.jpg",
        "duration_ms": 15040,
        "rungs": (
            {
                "width": 416,
                "height": 234,
                "bandwidth": 372115,
                "average_bandwidth": 274102,
                "codecs": "avc1.640015,mp4a.40.2",
                "frame_rate": 29.97,
            },
            {
                "width": 960,
                "height": 540,
                "bandwidth": 3247815,
                "average_bandwidth": 2187612,
                "codecs": "avc1.64001f,mp4a.40.2",
                "frame_rate": 29.97,
            },
        ),
        "size": 0,
        "captions": ("en",),
    }


async def test_a_complete_job_whose_playlist_is_not_there_failed_and_may_be_tried_again() -> None:
    found = await JobEvents(MediaInMemory(), BUCKET).decode(golden("complete"))
    assert found is not None
    assert (found.status, found.error, found.retryable) == (
        JobStatus.ERROR,
        "rendition_missing",
        True,
    )


@pytest.mark.parametrize("playlist", [b"no playlist", b"#EXTM3U\n", b"\xff", b"x" * 300_000])
async def test_a_complete_job_whose_playlist_makes_no_sense_failed_for_good(
    playlist: bytes,
) -> None:
    media = MediaInMemory()
    media.objects[f"{PREFIX}main.m3u8"] = playlist
    found = await JobEvents(media, BUCKET).decode(golden("complete"))
    assert found is not None
    assert (found.status, found.error, found.retryable) == (
        JobStatus.ERROR,
        "rendition_unreadable",
        False,
    )


async def test_outputs_in_another_bucket_are_not_taken_for_ours() -> None:
    with pytest.raises(ContractError, match=r"\.m3u8"):
        await JobEvents(rendered(), "other").decode(golden("complete"))


async def test_a_complete_job_must_name_all_that_it_wrote() -> None:
    event = golden("complete")
    event["detail"]["outputGroupDetails"].pop()
    with pytest.raises(ContractError, match=r"\.jpg"):
        await JobEvents(rendered(), BUCKET).decode(event)


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        (1010, False),
        (1040, False),
        (1401, True),
        (1404, True),
        (1550, True),
        (1999, True),
        (3450, True),
        (424242, True),
        (None, True),
    ],
)
def test_an_error_of_the_film_is_not_worth_another_attempt_and_all_others_are(
    code: int | None, retryable: bool
) -> None:
    event = golden("error")
    event["detail"]["errorCode"] = code
    found = job_report_of(event)
    assert found is not None
    assert found.retryable is retryable


def test_the_stage_is_the_phase_under_way_where_the_current_one_is_not_told() -> None:
    event = golden("status_update")
    del event["detail"]["jobProgress"]["currentPhase"]
    found = job_report_of(event)
    assert found is not None
    assert (found.stage, found.percent) == (Stage.TRANSCODING, 42)


@pytest.mark.parametrize("phase", ["PACKAGING", ""])
def test_a_phase_that_is_not_known_is_no_stage(phase: str) -> None:
    event = golden("status_update")
    event["detail"]["jobProgress"] = {"currentPhase": phase}
    found = job_report_of(event)
    assert found is not None
    assert (found.stage, found.percent) == (None, None)


def broken() -> dict[str, dict[str, Any]]:
    events: dict[str, dict[str, Any]] = {}
    for name in ("timestamp", "jobId", "userMetadata", "status"):
        events[f"without {name}"] = golden("progressing")
        del events[f"without {name}"]["detail"][name]
    for name in ("creative_id", "ladder", "attempt"):
        events[f"without {name}"] = golden("progressing")
        del events[f"without {name}"]["detail"]["userMetadata"][name]
    events["without detail"] = {**golden("progressing"), "detail": None}
    events["of another kind"] = {**golden("progressing"), "detail-type": "Something Else"}
    for name, value in (("timestamp", 10**30), ("timestamp", -1), ("errorCode", "many")):
        events[f"{name} {value}"] = golden("error")
        events[f"{name} {value}"]["detail"][name] = value
    return events


@pytest.mark.parametrize("name", broken())
def test_a_malformed_event_is_an_error_of_its_own(name: str) -> None:
    with pytest.raises(ContractError):
        job_report_of(broken()[name])


def test_what_a_malformed_event_holds_is_not_repeated_in_the_error() -> None:
    event = golden("error")
    event["detail"]["errorCode"] = "a secret"
    with pytest.raises(ContractError) as caught:
        job_report_of(event)
    assert "secret" not in str(caught.value)


STREAM = '#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=4x2,CODECS="avc1",FRAME-RATE=25.000\nv.m3u8\n'


def test_without_an_average_the_peak_is_all_that_is_known() -> None:
    found = parse(f"#EXTM3U\n{STREAM}".encode())
    assert found.rungs == (
        Rung(width=4, height=2, bandwidth=2, average_bandwidth=2, codecs="avc1", frame_rate=25.0),
    )


def test_a_variant_of_sound_alone_is_no_rung() -> None:
    sound = '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="mp4a.40.2"\na.m3u8\n'
    assert len(parse(f"#EXTM3U\n{STREAM}{sound}".encode()).rungs) == 1


@pytest.mark.parametrize("name", ["BANDWIDTH=2,", 'CODECS="avc1",', ",FRAME-RATE=25.000"])
def test_a_variant_must_tell_what_we_promise_to_tell(name: str) -> None:
    with pytest.raises(ContractError):
        parse(f"#EXTM3U\n{STREAM.replace(name, '')}".encode())


def test_variants_without_end_are_refused() -> None:
    lines = [STREAM.replace("BANDWIDTH=2", f"BANDWIDTH={number}") for number in range(1, 60)]
    with pytest.raises(ContractError):
        parse(("#EXTM3U\n" + "".join(lines)).encode())
