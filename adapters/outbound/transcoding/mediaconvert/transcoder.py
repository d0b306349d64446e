"""The port ``Transcoder``, as calls of MediaConvert."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.transcoding.mediaconvert.captions import (
    CaptionObjects,
    Text,
    as_webvtt,
)
from adapters.outbound.transcoding.mediaconvert.completion import completed
from adapters.outbound.transcoding.mediaconvert.events import DETAIL_LIMIT, JobMetadata
from adapters.outbound.transcoding.mediaconvert.faults import (
    is_missing,
    is_refusal,
    mediaconvert_errors,
    name_of,
    retryable,
    status_of,
)
from adapters.outbound.transcoding.mediaconvert.layout import outputs_below
from adapters.outbound.transcoding.mediaconvert.request import Facility, input_file, job_request
from commands.media.ports import Job, JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError, StoreUnavailable
from domain.media.errors import TranscoderUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_mediaconvert import MediaConvertClient
    from types_aiobotocore_mediaconvert import type_defs as t

PAGE = 20
"""Jobs; the service gives no more at a time."""
PAGES = 5


class MediaConvertTranscoder:
    """The port ``Transcoder``.

    MediaConvert knows a token again for one minute only. A job that was created just before a crash
    is found again by what it transcodes: originals are named by their content, so few jobs have the
    same one, and a job carries its token. Guaranteed is: one job per token, when its submissions
    follow each other, as long as MediaConvert remembers the job (90 days) and no more than a
    hundred newer ones were made of the same original. That two submissions do not overlap is ours
    to see to, by the conditional write that claims a creative; should they, the minute helps.
    """

    def __init__(
        self, client: MediaConvertClient, facility: Facility, objects: CaptionObjects
    ) -> None:
        self._client = client
        self._facility = facility
        self._objects = objects

    async def submit(self, job: Job) -> str:
        job_request(job, self._facility)
        async with mediaconvert_errors():
            known = await self._known(job)
        if known is not None:
            return known
        request = job_request(job, self._facility, await self._texts(job))
        async with mediaconvert_errors():
            answer = await self._client.create_job(**request)
        return id_of(answer["Job"])

    async def _texts(self, job: Job) -> tuple[Text, ...]:
        try:
            return await as_webvtt(job.captions, self._objects)
        except StoreUnavailable as error:
            raise TranscoderUnavailable(error.detail) from error

    async def _known(self, job: Job) -> str | None:
        """The newest first."""
        wanted: dict[str, Any] = {
            "InputFile": input_file(job, self._facility.bucket),
            "MaxResults": PAGE,
            "Order": "DESCENDING",
        }
        for _ in range(PAGES):
            page = await self._client.search_jobs(**wanted)
            for found in page.get("Jobs", []):
                if found.get("UserMetadata", {}).get("token") == job.token:
                    return id_of(found)
            if not (more := page.get("NextToken")):
                return None
            wanted["NextToken"] = more
        return None

    async def cancel(self, job_id: str) -> None:
        """A job that has ended is refused, by 400 or 409. One that was still queued may send no
        event: the reconciler looks."""
        async with mediaconvert_errors():
            try:
                await self._client.cancel_job(Id=job_id)
            except ClientError as error:
                if not (is_missing(error) or is_refusal(error) or status_of(error) == 409):
                    raise

    async def look(self, job_id: str) -> JobReport | None:
        """None also for a job that is none of ours, and for an id that MediaConvert finds no id
        (400), as those of another transcoder. Raises ``StoreUnavailable`` when the playlist of a
        complete one cannot be read."""
        async with mediaconvert_errors():
            try:
                answer = await self._client.get_job(Id=job_id)
            except ClientError as error:
                if is_missing(error) or is_refusal(error):
                    return None
                raise
        job = answer["Job"]
        try:
            metadata = JobMetadata.model_validate(job.get("UserMetadata", {}))
        except ValidationError:
            return None
        if not metadata.prefix:
            return None
        report = report_of(job, metadata)
        if report.status is not JobStatus.COMPLETE:
            return report
        return await completed(
            report, outputs_below(metadata.prefix), duration_of(job), self._objects
        )


def client_of(connection: AwsConnection) -> AbstractAsyncContextManager[MediaConvertClient]:
    return connection.session.create_client("mediaconvert", **connection.options())


def id_of(job: t.JobTypeDef) -> str:
    if job_id := job.get("Id"):
        return job_id
    raise TranscoderUnavailable("MediaConvert names no job")


def report_of(job: t.JobTypeDef, metadata: JobMetadata) -> JobReport:
    """MediaConvert's percentage is of the whole job, so it is left out."""
    status = status_named(job.get("Status", ""))
    code = job.get("ErrorCode")
    failed, under_way = status is JobStatus.ERROR, status is JobStatus.PROGRESSING
    phase = job.get("CurrentPhase", "")
    return JobReport(
        job_id=id_of(job),
        creative_id=metadata.creative_id,
        ladder=metadata.ladder,
        attempt=metadata.attempt,
        status=status,
        at=time_of(job),
        stage=Stage[phase] if phase in Stage.__members__ and under_way else None,
        error=name_of(code) if failed else None,
        detail=job.get("ErrorMessage", "")[:DETAIL_LIMIT] or None if failed else None,
        retryable=failed and retryable(code),
    )


def status_named(name: str) -> JobStatus:
    """Raises ``ContractError`` for one that is not in the API reference."""
    try:
        return JobStatus(name)
    except ValueError as error:
        raise ContractError("a job of a status that is not known") from error


def time_of(job: t.JobTypeDef) -> datetime:
    """Of the last change that the service tells, to the second."""
    timing: Mapping[str, Any] = job.get("Timing", {})
    for name in ("FinishTime", "StartTime", "SubmitTime"):
        if isinstance(at := timing.get(name), datetime):
            return at
    return job["CreatedAt"]


def duration_of(job: t.JobTypeDef) -> int:
    groups = job.get("OutputGroupDetails", [])
    details = [one for group in groups for one in group.get("OutputDetails", [])]
    return max((one.get("DurationInMs", 0) for one in details), default=0)
