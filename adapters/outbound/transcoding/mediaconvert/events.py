"""EventBridge's ``MediaConvert Job State Change`` → reports.

There is no event for SUBMITTED, and events may come twice, late or out of order. Their shapes: user
guide, "List of MediaConvert EventBridge events".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from adapters.outbound.transcoding.mediaconvert.faults import name_of, retryable
from adapters.outbound.transcoding.mediaconvert.layout import Outputs
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError

DETAIL_TYPE = "MediaConvert Job State Change"
SOURCE = "aws.mediaconvert"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_300_799_000
"""The year 9999."""
GROUPS = 20
PATHS = 20
DETAIL_LIMIT = 1000
"""Characters of an error's message that are kept."""

STATUSES = {
    "INPUT_INFORMATION": JobStatus.PROGRESSING,
    "PROGRESSING": JobStatus.PROGRESSING,
    "STATUS_UPDATE": JobStatus.PROGRESSING,
    "COMPLETE": JobStatus.COMPLETE,
    "CANCELED": JobStatus.CANCELED,
    "ERROR": JobStatus.ERROR,
}
"""NEW_WARNING, QUEUE_HOP and what may come are not among them: nothing changes for us."""


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class JobMetadata(BaseModel):
    """``request.metadata_of``, as it comes back."""

    model_config = ConfigDict(frozen=True)

    creative_id: str = Field(min_length=1, max_length=200)
    ladder: str = Field(min_length=1, max_length=64)
    attempt: int = Field(ge=0)
    prefix: str = ""


class Phase(Shape):
    status: str = ""
    percent_complete: int | None = Field(None, ge=0, le=100)


class JobProgress(Shape):
    current_phase: str | None = None
    phase_progress: dict[str, Phase] = {}


class OutputDetail(Shape):
    output_file_paths: list[str] = Field([], max_length=PATHS)
    duration_in_ms: int = Field(0, ge=0)


class OutputGroup(Shape):
    type: str = ""
    playlist_file_paths: list[str] = Field([], max_length=PATHS)
    output_details: list[OutputDetail] = Field([], max_length=100)


class Detail(Shape):
    timestamp: int = Field(ge=0, le=LATEST_MS, description="Milliseconds")
    job_id: str = Field(min_length=1, max_length=200)
    status: str
    user_metadata: JobMetadata
    job_progress: JobProgress | None = None
    output_group_details: list[OutputGroup] = Field([], max_length=GROUPS)
    error_code: int | None = None
    error_message: str | None = None


def job_report_of(event: Mapping[str, Any]) -> JobReport | None:
    """None for a status that changes nothing. A COMPLETE one is still without its rendition
    (``completion.completed``). Raises ``ContractError``."""
    status = STATUSES.get(status_of(event))
    if status is None:
        return None
    detail = detail_of(event)
    return base_of(detail, status) if status is not JobStatus.ERROR else failed_of(detail)


def status_of(event: Mapping[str, Any]) -> str:
    """Looked at first: events of unknown statuses may have any shape."""
    detail = event.get("detail")
    status = detail.get("status") if isinstance(detail, Mapping) else None
    if event.get("detail-type") != DETAIL_TYPE or not isinstance(status, str):
        raise ContractError("no event about a job")
    return status


def detail_of(event: Mapping[str, Any]) -> Detail:
    try:
        return Detail.model_validate(event["detail"])
    except ValidationError as error:
        raise ContractError(f"event about a job: {where(error)}") from error


def where(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def base_of(detail: Detail, status: JobStatus) -> JobReport:
    stage, percent = progress_of(detail)
    return JobReport(
        job_id=detail.job_id,
        creative_id=detail.user_metadata.creative_id,
        ladder=detail.user_metadata.ladder,
        attempt=detail.user_metadata.attempt,
        status=status,
        at=EPOCH + timedelta(milliseconds=detail.timestamp),
        stage=stage,
        percent=percent,
    )


def failed_of(detail: Detail) -> JobReport:
    return replace(
        base_of(detail, JobStatus.ERROR),
        error=name_of(detail.error_code),
        detail=(detail.error_message or "")[:DETAIL_LIMIT] or None,
        retryable=retryable(detail.error_code),
    )


def progress_of(detail: Detail) -> tuple[Stage | None, int | None]:
    """The inputs' properties are what probing gives. A stage that is not known is none."""
    if detail.status == "INPUT_INFORMATION":
        return Stage.PROBING, None
    if detail.status != "STATUS_UPDATE" or detail.job_progress is None:
        return None, None
    phases = detail.job_progress.phase_progress
    under_way = [name for name, phase in phases.items() if phase.status == "PROGRESSING"]
    name = detail.job_progress.current_phase or next(iter(under_way), "")
    if name not in Stage.__members__:
        return None, None
    return Stage(name), phases[name].percent_complete if name in phases else None


def outputs_of(detail: Detail, bucket: str) -> tuple[Outputs, int]:
    """Where the outputs of a complete job are, and how many milliseconds long. Raises
    ``ContractError`` when one is missing, or outside of the job's prefix."""
    prefix = detail.user_metadata.prefix
    groups = detail.output_group_details
    paths = [path for group in groups for path in group.playlist_file_paths]
    details = [one for group in groups for one in group.output_details]
    paths += [path for one in details for path in one.output_file_paths]
    root = f"s3://{bucket}/"

    def key(ending: str) -> str:
        found = [path for path in paths if path.endswith(ending)]
        if not (prefix and found and found[0].startswith(root + prefix)):
            raise ContractError(f"a complete job without its {ending}")
        return found[0].removeprefix(root)

    outputs = Outputs(
        prefix=prefix, hls=key(".m3u8"), dash=key(".mpd"), preview=key(".mp4"), poster=key(".jpg")
    )
    return outputs, max(one.duration_in_ms for one in details)
