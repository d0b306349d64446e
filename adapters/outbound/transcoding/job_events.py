"""What is told of a job, as an event of EventBridge: one form, whoever renders.

MediaConvert sends its own (source ``aws.mediaconvert``), the ffmpeg worker these here, with the
whole report in ``detail.report``, so that nothing has to be read again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from adapters.outbound.transcoding.jobs import REPORT
from commands.media.ports import JobReport
from domain.kernel.errors import ContractError

OURS, MEDIACONVERT = "homecast.transcoder", "aws.mediaconvert"
DETAIL_TYPE = "MediaConvert Job State Change"
ReadObject = Callable[[str], Awaitable[bytes | None]]
"""Of the media bucket, by key."""


def event_of(report: JobReport, *, event_id: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "timestamp": int(report.at.timestamp() * 1000),
        "jobId": report.job_id,
        "status": report.status.value,
        "userMetadata": {
            "creative": report.creative_id,
            "ladder": report.ladder,
            "attempt": str(report.attempt),
        },
        "report": REPORT.dump_python(report, mode="json"),
    }
    return {
        "version": "0",
        "id": event_id,
        "source": OURS,
        "detail-type": DETAIL_TYPE,
        "time": report.at.isoformat().replace("+00:00", "Z"),
        "resources": [],
        "detail": detail,
    }


class JobEventDecoder:
    """Port ``DecodesJobEvents``. ``read_object``: for what MediaConvert's events leave out."""

    def __init__(self, read_object: ReadObject | None = None) -> None:
        self._read = read_object

    async def __call__(self, event: Mapping[str, Any]) -> JobReport | None:
        """None for what says nothing of a job of ours. Raises ``ContractError``."""
        detail = event.get("detail")
        if not isinstance(detail, Mapping):
            raise ContractError("an event without detail")
        if event.get("source") == OURS:
            return report_in(detail)
        raise ContractError("an event of an unknown source")


def report_in(detail: Mapping[str, Any]) -> JobReport:
    """Raises ``ContractError``."""
    try:
        return REPORT.validate_python(detail.get("report"))
    except ValidationError as error:
        raise ContractError(f"no report: {error.error_count()} fields are wrong") from error
