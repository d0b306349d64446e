"""The transcoder of one machine, as those see it who ask for renditions."""

from __future__ import annotations

from adapters.outbound.transcoding.job_table import JobTable
from adapters.outbound.transcoding.jobs import report, to_text
from adapters.outbound.transcoding.ports import JobQueue
from commands.kernel.ports import Clock
from commands.media.ports import Job, JobReport, JobStatus
from domain.kernel.errors import StoreUnavailable
from domain.media.errors import JobRefused, TranscoderUnavailable
from domain.media.ladder import LADDER

MOST_TOKEN = 64


class FfmpegTranscoder:
    """Port ``Transcoder``: jobs in a table, and a message for the workers of each."""

    def __init__(self, table: JobTable, queue: JobQueue, clock: Clock) -> None:
        self._table = table
        self._queue = queue
        self._clock = clock

    async def submit(self, job: Job) -> str:
        """A job that has not ended is sent again: its message may have been lost. The queue and the
        workers drop what is too many."""
        _check(job)
        try:
            kept = await self._table.create(job)
            if not kept.ended:
                await self._queue.send(job.token, to_text(kept.job))
        except StoreUnavailable as error:
            raise TranscoderUnavailable(error.detail) from error
        return job.token

    async def cancel(self, job_id: str) -> None:
        """A running worker sees it within seconds; one that has not begun will not."""
        try:
            kept = await self._table.get(job_id)
            if kept is None:
                return
            last = report(kept.job, JobStatus.CANCELED, self._clock.now())
            await self._table.cancel(job_id, last)
        except StoreUnavailable as error:
            raise TranscoderUnavailable(error.detail) from error

    async def look(self, job_id: str) -> JobReport | None:
        try:
            kept = await self._table.get(job_id)
        except StoreUnavailable as error:
            raise TranscoderUnavailable(error.detail) from error
        return kept.now() if kept is not None else None


def _check(job: Job) -> None:
    if not job.token or len(job.token) > MOST_TOKEN or not job.token.isascii():
        raise JobRefused("a token has 1 to 64 ASCII characters")
    if job.ladder != LADDER.version:
        raise JobRefused(f"no ladder {job.ladder} here, only {LADDER.version}")
    if not job.prefix.endswith("/"):
        raise JobRefused("a prefix ends with a slash")
