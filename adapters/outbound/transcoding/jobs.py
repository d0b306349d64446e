"""Jobs as the table keeps them, and the one text form of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from commands.media.ports import Job, JobReport, JobStatus, Stage
from domain.kernel.errors import ContractError

JOB = TypeAdapter(Job)
REPORT = TypeAdapter(JobReport)
ENDED = frozenset({JobStatus.COMPLETE, JobStatus.CANCELED, JobStatus.ERROR})


@dataclass(frozen=True)
class Kept:
    """An item. ``attempts``: how often a worker has taken it without putting it back; ``report``:
    the last one of a job that has ended."""

    job: Job
    status: JobStatus
    updated_at: datetime
    owner: str = ""
    attempts: int = 0
    canceled: bool = False
    stage: Stage | None = None
    percent: int | None = None
    report: JobReport | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def now(self) -> JobReport:
        """How it is."""
        if self.report is not None:
            return self.report
        return report(self.job, self.status, self.updated_at, self.stage, self.percent)


def report(
    job: Job,
    status: JobStatus,
    at: datetime,
    stage: Stage | None = None,
    percent: int | None = None,
    **more: Any,
) -> JobReport:
    return JobReport(
        job_id=job.token,
        creative_id=job.creative_id,
        ladder=job.ladder,
        attempt=job.attempt,
        status=status,
        at=at,
        stage=stage,
        percent=percent,
        **more,
    )


def to_text(job: Job) -> str:
    return JOB.dump_json(job).decode()


def from_text(text: str | bytes) -> Job:
    """Raises ``ContractError``."""
    try:
        return JOB.validate_json(text)
    except ValidationError as error:
        raise ContractError(f"not a job: {error.error_count()} fields are wrong") from error


def from_item(item: Mapping[str, Any]) -> Kept:
    return Kept(
        job=from_text(item["job"]["S"]),
        status=JobStatus(item["status"]["S"]),
        updated_at=datetime.fromtimestamp(float(item["updated_at"]["N"]), UTC),
        owner=item["owner"]["S"],
        attempts=int(item["attempts"]["N"]),
        canceled=item["canceled"]["BOOL"],
        stage=Stage(item["stage"]["S"]) if "stage" in item else None,
        percent=int(item["percent"]["N"]) if "percent" in item else None,
        report=REPORT.validate_json(item["report"]["S"]) if "report" in item else None,
    )


def to_item(kept: Kept) -> dict[str, Any]:
    item: dict[str, Any] = {
        "job_id": {"S": kept.job.token},
        "job": {"S": to_text(kept.job)},
        "status": {"S": kept.status.value},
        "updated_at": {"N": str(kept.updated_at.timestamp())},
        "owner": {"S": kept.owner},
        "attempts": {"N": str(kept.attempts)},
        "canceled": {"BOOL": kept.canceled},
    }
    if kept.stage is not None:
        item["stage"] = {"S": kept.stage.value}
    if kept.percent is not None:
        item["percent"] = {"N": str(kept.percent)}
    if kept.report is not None:
        item["report"] = {"S": REPORT.dump_json(kept.report).decode()}
    return item
