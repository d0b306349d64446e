"""The one form in which jobs are heard of: EventBridge's ``MediaConvert Job State Change``.

Ours have the same envelope and fields, and the whole report besides, under ``detail.report``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from typing import Any

from pydantic import ValidationError

from adapters.outbound.transcoding.jobs import REPORT
from commands.media.ports import JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError
from domain.media.creative import STAGES

OURS = "homecast.transcoder"
AMAZON = "aws.mediaconvert"
DETAIL_TYPE = "MediaConvert Job State Change"
ReadObject = Callable[[str], Awaitable[bytes | None]]
"""An object of the media bucket by its key; None when there is none."""


def event_of(report: JobReport, *, event_id: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "timestamp": round(report.at.timestamp() * 1000),
        "jobId": report.job_id,
        "status": report.status.value,
        "userMetadata": {
            "creative": report.creative_id,
            "ladder": report.ladder,
            "attempt": str(report.attempt),
        },
        "report": REPORT.dump_python(report, mode="json"),
    }
    if report.stage is not None:
        detail["jobProgress"] = _progress(report.stage, report.percent or 0)
    if report.error is not None:
        detail |= {"errorCode": report.error, "errorMessage": report.detail or ""}
    return {
        "version": "0",
        "id": event_id,
        "detail-type": DETAIL_TYPE,
        "source": OURS,
        "time": report.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": [],
        "detail": detail,
    }


def _progress(current: Stage, percent: int) -> dict[str, Any]:
    """Those before it are done, those after it have not begun."""
    at = STAGES.index(current)
    states = [("COMPLETE", 100)] * at + [("PROGRESSING", percent)]
    states += [("PENDING", 0)] * (len(STAGES) - len(states))
    return {
        "currentPhase": current.value,
        "phaseProgress": {
            stage.value: {"status": status, "percentComplete": done}
            for stage, (status, done) in zip(STAGES, states, strict=True)
        },
    }


class JobEventDecoder:
    """Port ``DecodesJobEvents``, for both sources. Without ``read_object`` no MediaConvert is
    expected, and an event of it is a ``ContractError``."""

    def __init__(self, read_object: ReadObject | None = None) -> None:
        self._read_object = read_object

    async def __call__(self, event: Mapping[str, Any]) -> JobReport | None:
        source, detail = event.get("source"), event.get("detail")
        if not isinstance(source, str) or not isinstance(detail, dict):
            raise ContractError("not an event of EventBridge")
        if event.get("detail-type") != DETAIL_TYPE or source not in (OURS, AMAZON):
            return None
        if source == OURS:
            return _ours(detail)
        raise ContractError("no events of MediaConvert are expected here")


def _ours(detail: Mapping[str, Any]) -> JobReport:
    try:
        report = REPORT.validate_python(detail.get("report"))
    except ValidationError as error:
        raise ContractError(f"not a report: {error.error_count()} fields are wrong") from error
    if report.status == JobStatus.COMPLETE and report.rendition is None:
        raise ContractError("a complete job without its rendition")
    return report
