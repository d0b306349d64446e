"""Events about jobs, as they come over the queue of job events from either transcoder.

MediaConvert's come through EventBridge. The transcoder of one machine sends the same envelope, by
another ``source``, with the whole rendition, so that no playlist is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import Field, ValidationError

from adapters.outbound.transcoding.mediaconvert.completion import MediaObjects, completed
from adapters.outbound.transcoding.mediaconvert.events import (
    DETAIL_LIMIT,
    DETAIL_TYPE,
    EPOCH,
    Detail,
    base_of,
    detail_of,
    job_report_of,
    outputs_of,
    where,
)
from adapters.outbound.transcoding.mediaconvert.events import SOURCE as MEDIACONVERT
from commands.media.ports import JobReport, JobStatus
from domain.kernel.errors import ContractError
from domain.media.rendition import Rendition

SOURCE = "homecast.transcoder"
EVENT_LIMIT = 256 * 1024
"""Bytes; what EventBridge takes, and SQS did."""
IDS = UUID("7c9f2f5e-5a0b-4f3e-9d8a-0f6f1f0e6f5b")


class OurDetail(Detail):
    """What ours say more than MediaConvert's."""

    error: str | None = Field(None, max_length=100)
    retryable: bool = False
    rendition: Rendition | None = None


def event_of(report: JobReport) -> dict[str, Any]:
    """The same report gives the same event, id included."""
    at = report.at.isoformat(timespec="seconds")
    name = f"{report.job_id}/{status_of(report)}/{report.stage}/{report.percent}/{report.at}"
    return {
        "version": "0",
        "id": str(uuid5(IDS, name)),
        "detail-type": DETAIL_TYPE,
        "source": SOURCE,
        "time": at.replace("+00:00", "Z"),
        "resources": [],
        "detail": {
            "timestamp": (report.at - EPOCH) // timedelta(milliseconds=1),
            "jobId": report.job_id,
            "status": status_of(report),
            "userMetadata": {
                "creative_id": report.creative_id,
                "ladder": report.ladder,
                "attempt": str(report.attempt),
            },
            **progress(report),
            **outcome(report),
        },
    }


def status_of(report: JobReport) -> str:
    return "STATUS_UPDATE" if report.stage is not None else report.status.value


def progress(report: JobReport) -> dict[str, Any]:
    if report.stage is None:
        return {}
    phase = {"status": "PROGRESSING", "percentComplete": report.percent}
    progress = {"currentPhase": report.stage, "phaseProgress": {report.stage: phase}}
    return {"jobProgress": progress}


def outcome(report: JobReport) -> dict[str, Any]:
    if report.status is JobStatus.ERROR:
        return {
            "error": report.error,
            "errorMessage": report.detail,
            "retryable": report.retryable,
        }
    if report.rendition is not None:
        return {"rendition": report.rendition.model_dump(mode="json")}
    return {}


class JobEvents:
    """Reads events of both sources. ``objects``: of the media bucket, ``bucket``: its name."""

    def __init__(self, objects: MediaObjects, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    async def decode(self, event: bytes | str | Mapping[str, Any]) -> JobReport | None:
        """None where nothing changes. Raises ``ContractError`` for what is no event about a job of
        ours, ``StoreUnavailable`` when the playlist of a complete one cannot be read."""
        loaded = event if isinstance(event, Mapping) else parsed(event)
        source = loaded.get("source")
        if source == SOURCE:
            return our_report_of(loaded)
        if source == MEDIACONVERT:
            return await self._read(loaded)
        raise ContractError(f"no event of {SOURCE} or {MEDIACONVERT}")

    async def _read(self, event: Mapping[str, Any]) -> JobReport | None:
        report = job_report_of(event)
        if report is None or report.status is not JobStatus.COMPLETE:
            return report
        outputs, duration_ms = outputs_of(detail_of(event), self._bucket)
        return await completed(report, outputs, duration_ms, self._objects)


def parsed(body: bytes | str) -> Mapping[str, Any]:
    if len(body) > EVENT_LIMIT:
        raise ContractError(f"an event of over {EVENT_LIMIT} bytes")
    try:
        loaded = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ContractError("the event is not JSON") from error
    if not isinstance(loaded, dict):
        raise ContractError("the event is no object")
    return loaded


def our_report_of(event: Mapping[str, Any]) -> JobReport:
    try:
        detail = OurDetail.model_validate(event.get("detail"))
        status = JobStatus.PROGRESSING
        if detail.status != "STATUS_UPDATE":
            status = JobStatus(detail.status)
    except ValidationError as error:
        raise ContractError(f"event about a job: {where(error)}") from error
    except ValueError as error:
        raise ContractError("event about a job: status") from error
    if (status is JobStatus.COMPLETE) is (detail.rendition is None):
        raise ContractError("a rendition and COMPLETE come together or not at all")
    return replace(
        base_of(detail, status),
        error=detail.error,
        detail=(detail.error_message or "")[:DETAIL_LIMIT] or None,
        retryable=detail.retryable,
        rendition=detail.rendition,
    )
