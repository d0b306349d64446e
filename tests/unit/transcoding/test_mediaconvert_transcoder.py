"""The port ``Transcoder`` through the real client, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from types_aiobotocore_mediaconvert import MediaConvertClient

from adapters.outbound.dynamodb.client import client_config
from adapters.outbound.transcoding.mediaconvert.request import Facility
from adapters.outbound.transcoding.mediaconvert.transcoder import MediaConvertTranscoder
from commands.media.ports import JobStatus, Stage, Transcoder
from domain.kernel.errors import ContractError
from domain.media.errors import JobRefused, TranscoderUnavailable
from domain.media.ladder import LADDER
from tests.support.mediaconvert import CREATED, FakeMediaConvert, Refusal
from tests.support.transcoding import BUCKET, PREFIX, job, rendered

FACILITY = Facility(bucket=BUCKET, role="arn:aws:iam::111122223333:role/r", queue="arn:queues/a")


@pytest.fixture
def service() -> FakeMediaConvert:
    return FakeMediaConvert()


@pytest.fixture
async def client(service: FakeMediaConvert) -> AsyncIterator[MediaConvertClient]:
    async with (
        service.listening() as url,
        get_session().create_client(
            "mediaconvert",
            region_name="eu-central-1",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=client_config(4).merge(AioConfig(retries={"total_max_attempts": 1})),
        ) as client,
    ):
        yield client


@pytest.fixture
def transcoder(client: MediaConvertClient) -> MediaConvertTranscoder:
    return MediaConvertTranscoder(client, FACILITY, rendered())


async def test_it_is_the_port(transcoder: MediaConvertTranscoder) -> None:
    port: Transcoder = transcoder
    assert await port.look("no-such-job") is None


async def test_a_job_is_created_as_it_was_composed(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    job_id = await transcoder.submit(job())
    created = service.jobs[job_id]
    assert created["clientRequestToken"] == job().token
    assert created["userMetadata"]["creative_id"] == "crt_01"
    groups = created["settings"]["outputGroups"]
    kinds = [group["outputGroupSettings"]["type"] for group in groups]
    assert kinds == ["CMAF_GROUP_SETTINGS", "FILE_GROUP_SETTINGS", "FILE_GROUP_SETTINGS"]


async def test_the_same_token_gives_the_same_job_long_after_the_service_has_forgotten_it(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    first = await transcoder.submit(job())
    service.jobs[first]["status"] = "ERROR"
    assert await transcoder.submit(job()) == first
    assert list(service.jobs) == [first]
    assert service.searches[0]["inputFile"] == f"s3://{BUCKET}/originals/ab.mp4"


async def test_another_token_gives_another_job(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    first = await transcoder.submit(job())
    assert await transcoder.submit(job(token="crt_01.0a1b2c3d.2", attempt=2)) != first


async def test_a_job_is_found_behind_many_newer_ones_but_the_search_ends(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    first = await transcoder.submit(job())
    for number in range(99):
        await transcoder.submit(job(token=f"other-{number}"))
    service.searches.clear()
    assert await transcoder.submit(job()) == first
    assert len(service.searches) == 5
    await transcoder.submit(job(token="one-more"))
    assert await transcoder.submit(job()) != first


async def test_a_job_that_cannot_be_composed_is_refused_without_a_call(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    with pytest.raises(JobRefused):
        await transcoder.submit(job(token=""))
    assert service.calls == []


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (Refusal(429, "TooManyRequestsException"), 5),
        (Refusal(400, "ThrottlingException"), 5),
        (Refusal(402, "ServiceQuotaExceededException"), 60),
        (Refusal(403, "ForbiddenException"), 60),
        (Refusal(404, "NotFoundException"), 60),
        (Refusal(500, "InternalServerErrorException"), 60),
    ],
)
async def test_what_waiting_or_an_operator_can_mend_is_unavailable_and_says_for_how_long(
    service: FakeMediaConvert,
    transcoder: MediaConvertTranscoder,
    refusal: Refusal,
    seconds: int,
) -> None:
    service.planted.append(refusal)
    with pytest.raises(TranscoderUnavailable) as caught:
        await transcoder.submit(job())
    assert caught.value.extra["retry_after"] == seconds
    assert service.jobs == {}


async def test_a_bad_request_is_a_job_refused_with_the_services_words(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    service.planted.append(Refusal(400, "BadRequestException", "/settings: no such thing"))
    with pytest.raises(JobRefused, match="no such thing"):
        await transcoder.submit(job())


async def test_a_service_that_hangs_up_is_unavailable(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    service.silent = True
    for call in (transcoder.submit(job()), transcoder.look("job-1"), transcoder.cancel("job-1")):
        with pytest.raises(TranscoderUnavailable):
            await call


async def test_cancelling_ends_a_job_and_does_nothing_to_one_that_has_ended_or_is_not_there(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    job_id = await transcoder.submit(job())
    await transcoder.cancel(job_id)
    assert service.jobs[job_id]["status"] == "CANCELED"
    await transcoder.cancel(job_id)
    await transcoder.cancel("no-such-job")
    service.planted.append(Refusal(400, "BadRequestException"))
    await transcoder.cancel(job_id)
    assert service.calls.count("DELETE jobs") == 4


@pytest.mark.parametrize(
    "refusal", [Refusal(429, "TooManyRequestsException"), Refusal(400, "ThrottlingException")]
)
async def test_cancelling_and_looking_while_throttled_is_unavailable(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder, refusal: Refusal
) -> None:
    service.planted.extend([refusal, refusal])
    for call in (transcoder.cancel("job-1"), transcoder.look("job-1")):
        with pytest.raises(TranscoderUnavailable):
            await call


async def test_an_id_that_mediaconvert_finds_no_id_is_of_no_job_of_its(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    service.planted.append(Refusal(400, "BadRequestException", "no job id"))
    assert await transcoder.look("c7x2-0a1b2c3d-1") is None


async def submitted(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder, **changes: Any
) -> str:
    job_id = await transcoder.submit(job())
    service.jobs[job_id].update(changes)
    return job_id


async def test_a_job_that_waits_is_submitted(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    found = await transcoder.look(await submitted(service, transcoder))
    assert found is not None
    assert (found.status, found.stage) == (JobStatus.SUBMITTED, None)
    assert found.at == datetime.fromtimestamp(CREATED, UTC)
    assert (found.creative_id, found.ladder, found.attempt) == ("crt_01", LADDER.version, 1)


async def test_a_job_under_way_tells_its_stage(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    changes = {"status": "PROGRESSING", "currentPhase": "UPLOADING", "jobPercentComplete": 90}
    found = await transcoder.look(await submitted(service, transcoder, **changes))
    assert found is not None
    assert (found.status, found.stage, found.percent) == (
        JobStatus.PROGRESSING,
        Stage.UPLOADING,
        None,
    )


@pytest.mark.parametrize(("code", "retryable"), [(1040, False), (1999, True)])
async def test_a_failed_job_tells_why_and_whether_to_try_again(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder, code: int, retryable: bool
) -> None:
    changes = {"status": "ERROR", "errorCode": code, "errorMessage": "no " * 1000}
    changes["timing"] = {"submitTime": CREATED, "finishTime": CREATED + 60}
    found = await transcoder.look(await submitted(service, transcoder, **changes))
    assert found is not None
    assert (found.status, found.error, found.retryable) == (
        JobStatus.ERROR,
        f"mediaconvert_{code}",
        retryable,
    )
    assert found.detail is not None
    assert len(found.detail) == 1000
    assert found.at == datetime.fromtimestamp(CREATED + 60, UTC)


async def test_a_complete_job_has_the_rendition_though_the_answer_names_no_file(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    details = [{"outputDetails": [{"durationInMs": 15_015}, {"durationInMs": 15_040}]}]
    changes = {"status": "COMPLETE", "outputGroupDetails": details, "currentPhase": "UPLOADING"}
    found = await transcoder.look(await submitted(service, transcoder, **changes))
    assert found is not None
    assert (found.status, found.stage) == (JobStatus.COMPLETE, None)
    assert found.rendition is not None
    assert found.rendition.hls == f"{PREFIX}main.m3u8"
    assert found.rendition.duration_ms == 15_040
    assert [rung.bandwidth for rung in found.rendition.rungs] == [372_115, 3_247_815]


async def test_a_job_of_somebody_else_is_none_of_ours(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    assert await transcoder.look(await submitted(service, transcoder, userMetadata={})) is None


async def test_a_status_that_is_not_in_the_reference_breaks_the_contract(
    service: FakeMediaConvert, transcoder: MediaConvertTranscoder
) -> None:
    with pytest.raises(ContractError):
        await transcoder.look(await submitted(service, transcoder, status="PAUSED"))
