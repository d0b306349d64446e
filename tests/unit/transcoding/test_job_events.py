"""Events of the transcoder of one machine, in the envelope of MediaConvert's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.outbound.transcoding.job_events import EVENT_LIMIT, JobEvents, event_of
from adapters.outbound.transcoding.mediaconvert.events import job_report_of
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError
from domain.media.rendition import Rendition, Rung
from tests.support.transcoding import BUCKET, MediaInMemory

RENDITION = Rendition(
    ladder="0a1b2c3d",
    prefix="renditions/ab/",
    hls="renditions/ab/main.m3u8",
    dash="renditions/ab/main.mpd",
    preview="renditions/ab/preview.mp4",
    poster="renditions/ab/poster.jpg",
    duration_ms=15_040,
    rungs=(
        Rung(
            width=416,
            height=234,
            bandwidth=372_115,
            average_bandwidth=274_102,
            codecs="avc1.640015,mp4a.40.2",
            frame_rate=29.97,
        ),
    ),
    size=1_234_567,
    captions=("en",),
)


def report(status: JobStatus, **more: Any) -> JobReport:
    return JobReport(
        job_id="job-1",
        creative_id="crt_01",
        ladder="0a1b2c3d",
        attempt=2,
        status=status,
        at=datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC),
        **more,
    )


REPORTS = {
    "submitted": report(JobStatus.SUBMITTED),
    "started": report(JobStatus.PROGRESSING),
    "probing": report(JobStatus.PROGRESSING, stage=Stage.PROBING),
    "transcoding": report(JobStatus.PROGRESSING, stage=Stage.TRANSCODING, percent=42),
    "complete": report(JobStatus.COMPLETE, rendition=RENDITION),
    "canceled": report(JobStatus.CANCELED),
    "failed": report(JobStatus.ERROR, error="ffmpeg_failed", detail="exit code 1", retryable=True),
}


def events() -> JobEvents:
    return JobEvents(MediaInMemory(), BUCKET)


@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_comes_back_whole_and_nothing_is_read_for_it(name: str) -> None:
    body = json.dumps(event_of(REPORTS[name]))
    assert await events().decode(body) == REPORTS[name]
    assert await events().decode(body.encode()) == REPORTS[name]
    assert await events().decode(json.loads(body)) == REPORTS[name]


def test_the_same_report_gives_the_same_event_and_another_one_another_id() -> None:
    assert event_of(REPORTS["failed"]) == event_of(REPORTS["failed"])
    assert len({event_of(one)["id"] for one in REPORTS.values()}) == len(REPORTS)


@pytest.mark.parametrize("name", ["started", "transcoding", "canceled"])
def test_a_reader_of_mediaconverts_events_understands_ours(name: str) -> None:
    assert job_report_of(event_of(REPORTS[name])) == REPORTS[name]


@pytest.mark.parametrize(
    "event",
    [
        "{",
        "[]",
        b"\xff",
        "x" * (EVENT_LIMIT + 1),
        {},
        {"source": "somebody.else"},
        {**event_of(REPORTS["started"]), "detail": {}},
        {**event_of(REPORTS["started"]), "detail": "none"},
    ],
)
async def test_what_is_no_event_about_a_job_is_a_broken_contract(event: Any) -> None:
    with pytest.raises(ContractError):
        await events().decode(event)


@pytest.mark.parametrize(
    ("name", "status"), [("complete", "CANCELED"), ("canceled", "COMPLETE"), ("started", "DONE")]
)
async def test_a_rendition_comes_with_a_complete_job_and_never_without(
    name: str, status: str
) -> None:
    event = event_of(REPORTS[name])
    event["detail"]["status"] = status
    with pytest.raises(ContractError):
        await events().decode(event)
