"""What the transcoder of one machine tells, in the form of MediaConvert's events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.outbound.transcoding.job_events import JobEventDecoder, event_of
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError
from domain.media.rendition import Rendition, Rung

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
AT = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC)
RENDITION = Rendition(
    ladder="0badcafe",
    prefix="renditions/aa/0badcafe/1/",
    hls="renditions/aa/0badcafe/1/film.m3u8",
    dash="renditions/aa/0badcafe/1/film.mpd",
    preview="renditions/aa/0badcafe/1/preview.mp4",
    poster="renditions/aa/0badcafe/1/poster.jpg",
    duration_ms=15_160,
    rungs=(
        Rung(
            width=416,
            height=234,
            bandwidth=300_000,
            average_bandwidth=200_000,
            codecs="avc1.64000d,mp4a.40.2",
            frame_rate=29.97,
        ),
    ),
    size=1_000_000,
    captions=("en", "de"),
)


def report(status: JobStatus, **more: Any) -> JobReport:
    return JobReport("job-1", "creative-1", "0badcafe", 1, status, AT, **more)


REPORTS = (
    report(JobStatus.SUBMITTED),
    report(JobStatus.PROGRESSING),
    report(JobStatus.PROGRESSING, stage=Stage.TRANSCODING, percent=47),
    report(JobStatus.COMPLETE, rendition=RENDITION),
    report(JobStatus.CANCELED),
    report(JobStatus.ERROR, error="crashed", detail="3 workers died with it", retryable=True),
)


@pytest.mark.parametrize("told", REPORTS, ids=lambda one: f"{one.status.value}-{one.stage}")
async def test_what_is_told_is_what_is_heard_after_a_way_as_json(told: JobReport) -> None:
    event = orjson.loads(orjson.dumps(event_of(told, event_id="e-1")))
    assert await JobEventDecoder()(event) == told


@given(
    status=st.sampled_from([JobStatus.SUBMITTED, JobStatus.PROGRESSING, JobStatus.ERROR]),
    at=st.datetimes(timezones=st.just(UTC), min_value=EPOCH),
    stage=st.none() | st.sampled_from(Stage),
    percent=st.none() | st.integers(0, 100),
    error=st.none() | st.text(max_size=20),
    retryable=st.booleans(),
)
async def test_any_report_comes_out_as_it_went_in(at: datetime, **fields: Any) -> None:
    told = JobReport("job", "creative", "ladder", 2, at=at, **fields)
    event = orjson.loads(orjson.dumps(event_of(told, event_id="e-1")))
    assert await JobEventDecoder()(event) == told


def test_the_envelope_is_that_of_eventbridge_and_the_detail_that_of_mediaconvert() -> None:
    told = report(JobStatus.PROGRESSING, stage=Stage.TRANSCODING, percent=47)
    event = event_of(told, event_id="e-1")
    assert {key: event[key] for key in ("version", "id", "source", "detail-type", "time")} == {
        "version": "0",
        "id": "e-1",
        "source": "homecast.transcoder",
        "detail-type": "MediaConvert Job State Change",
        "time": "2026-11-25T12:00:00Z",
    }
    detail = event["detail"]
    assert detail["timestamp"] == 1_795_608_000_250
    assert (detail["jobId"], detail["status"]) == ("job-1", "PROGRESSING")
    assert detail["userMetadata"] == {
        "creative": "creative-1",
        "ladder": "0badcafe",
        "attempt": "1",
    }
    assert detail["jobProgress"] == {
        "currentPhase": "TRANSCODING",
        "phaseProgress": {
            "PROBING": {"status": "COMPLETE", "percentComplete": 100},
            "TRANSCODING": {"status": "PROGRESSING", "percentComplete": 47},
            "UPLOADING": {"status": "PENDING", "percentComplete": 0},
        },
    }


def test_an_error_says_its_code_and_its_text() -> None:
    detail = event_of(REPORTS[-1], event_id="e-1")["detail"]
    assert (detail["errorCode"], detail["errorMessage"]) == ("crashed", "3 workers died with it")


@pytest.mark.parametrize(
    "event",
    [
        {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
        {"source": "aws.mediaconvert", "detail-type": "MediaConvert Queue Hop", "detail": {}},
    ],
)
async def test_what_is_no_news_of_a_job_is_passed_over(event: dict[str, Any]) -> None:
    assert await JobEventDecoder()(event) is None


def broken(**changes: Any) -> dict[str, Any]:
    event = event_of(report(JobStatus.COMPLETE, rendition=RENDITION), event_id="e-1")
    return {**event, "detail": {"report": {**event["detail"]["report"], **changes}}}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"source": "homecast.transcoder", "detail": "text"},
        broken() | {"detail": {}},
        broken(status="ASLEEP"),
        broken(attempt="first"),
        broken(rendition=None),
        broken(rendition={"ladder": "x"}),
        broken() | {"source": "aws.mediaconvert"},
    ],
)
async def test_what_cannot_be_read_is_a_breach_of_contract(event: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        await JobEventDecoder()(event)
