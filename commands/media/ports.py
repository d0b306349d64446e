"""What the media write side needs beyond the kernel's ports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.media.creative import Stage
from domain.media.rendition import Caption, Rendition, Source


@dataclass(frozen=True)
class Job:
    """What a transcoder is asked for.

    ``token``: at most 64 ASCII characters, the same each time that this attempt is asked for.
    ``original``: key in the media bucket; ``prefix``: of everything that comes out, ends with a
    slash and holds nothing else. Both are content-addressed.
    """

    token: str
    creative_id: str
    ladder: str
    attempt: int
    original: str
    prefix: str
    source: Source
    captions: tuple[Caption, ...] = ()


__all__ = ("Fetches", "Job", "JobReport", "JobStatus", "Stage", "Transcoder")


class JobStatus(StrEnum):
    """As MediaConvert names them."""

    SUBMITTED = "SUBMITTED"
    PROGRESSING = "PROGRESSING"
    COMPLETE = "COMPLETE"
    CANCELED = "CANCELED"
    ERROR = "ERROR"


@dataclass(frozen=True)
class JobReport:
    """How a job is. Reports may come twice, late, out of order, or not at all.

    ``percent``: a hint, of the stage. ``error``: a stable code for programs, ``detail`` for people;
    ``retryable``: whether another attempt may help. ``rendition``: of a COMPLETE job.
    """

    job_id: str
    creative_id: str
    ladder: str
    attempt: int
    status: JobStatus
    at: datetime
    stage: Stage | None = None
    percent: int | None = None
    error: str | None = None
    detail: str | None = None
    retryable: bool = False
    rendition: Rendition | None = None


class Transcoder(Protocol):
    """Renders films. Raises ``TranscoderUnavailable`` (throttled, out of reach: ask again), or
    ``JobRefused`` for a job that it will never take."""

    async def submit(self, job: Job) -> str:
        """The job's id. The same token gives the same job, however late it is asked again."""

    async def cancel(self, job_id: str) -> None:
        """Nothing happens when there is none, or it has ended."""

    async def look(self, job_id: str) -> JobReport | None:
        """How it is now; None when there is no such job any more."""


class Fetches(Protocol):
    """The queue of originals to be fetched. Raises ``StoreUnavailable``."""

    async def ask(self, creative_id: str, version: int) -> None:
        """``version``: of the stream when it was decided; asking again for the same is one."""
