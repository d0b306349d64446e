"""What is done for a creative when the policy ``transcoding`` or a transcoder has spoken."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from commands.kernel.dispatch import Dispatcher, Unit
from commands.media.creatives import known
from commands.media.ports import Fetches, Job, JobReport, JobStatus, Transcoder
from commands.media.transcoding import JOB_LOST, ContinueCreative, EndJob, LookAtJob
from domain.kernel.event import Event
from domain.kernel.recorded import Context
from domain.media import creative as creatives
from domain.media.creative import CREATIVE, Creative, JobNotRecorded, NextStep, Stage, next_step
from domain.media.errors import JobRefused
from domain.media.ladder import Ladder

LONGEST_JOB = timedelta(hours=6)
"""After that a job counts as lost, whatever its transcoder says; and a fetch, of which nobody has
told how it ended: a film that kills whoever opens it is not fetched for ever."""
FETCH_LOST = "fetch_lost"
UNDER_WAY = (JobStatus.SUBMITTED, JobStatus.PROGRESSING)


class Transcodings:
    """Carries creatives on. Each may be done again."""

    def __init__(
        self, *, dispatcher: Dispatcher, transcoder: Transcoder, fetches: Fetches, ladder: Ladder
    ) -> None:
        self._dispatcher = dispatcher
        self._transcoder = transcoder
        self._fetches = fetches
        self._ladder = ladder

    async def advance(self, context: Context, message: ContinueCreative) -> None:
        state = await self._load(context, message.creative_id)
        match next_step(state, now=self._dispatcher.clock.now()):
            case NextStep.FETCH if self._takes_for_ever(state):
                await self._fail(context, state, FETCH_LOST, "no end after hours", retryable=True)
            case NextStep.FETCH:
                await self._fetches.ask(state.id, state.version)
            case NextStep.SUBMIT:
                await self._submit(context, state)
            case None:
                return
            case step:
                assert_never(step)

    async def _load(self, context: Context, creative_id: str) -> Creative:
        state, _ = await self._dispatcher.execute(context, lambda unit: known(unit, creative_id))
        return state

    def _takes_for_ever(self, state: Creative) -> bool:
        since = max(filter(None, (state.since, state.retry_at)), default=None)
        return since is not None and self._dispatcher.clock.now() - since > LONGEST_JOB

    async def _submit(self, context: Context, state: Creative) -> None:
        """By the ladder of today, whichever was wanted: transcoders know no other."""
        ladder = self._ladder.version
        try:
            job_id = await self._transcoder.submit(job_of(state, ladder))
        except JobRefused as error:
            await self._fail(context, state, error.code, error.detail, retryable=False)
            return

        async def decide(unit: Unit) -> bool:
            """Whether the job is the creative's, or has been."""
            now = await unit.load(CREATIVE, state.id)
            if now.jobs > state.jobs:
                return now.jobs > state.jobs + 1 or now.job_id == job_id
            submitted = creatives.record_submitted(now, job_id=job_id, ladder=ladder, at=unit.at)
            unit.append(now, submitted)
            return bool(submitted)

        ours, _ = await self._dispatcher.execute(context, decide)
        if not ours:  # meanwhile it was put aside, or somebody else has begun another one
            await self._transcoder.cancel(job_id)

    async def look(self, context: Context, message: LookAtJob) -> None:
        """A job that nobody knows any more, or that takes for ever, has failed. The policy has it
        ended once that is recorded: before, the end itself could be reported as the operators'
        wish, and nobody would try again."""
        state = await self._load(context, message.creative_id)
        if not state.in_flight or state.since is None:
            return
        report = await self._transcoder.look(state.job_id)
        lost = self._takes_for_ever(state)
        if report is not None and not (lost and report.status in UNDER_WAY):
            await self.report(context, report)
            return
        why = "the transcoder does not know the job" if report is None else "no end after hours"
        await self._fail(context, state, JOB_LOST, why, retryable=True)

    async def end(self, _: Context, message: EndJob) -> None:
        await self._transcoder.cancel(message.job_id)

    async def report(self, context: Context, report: JobReport) -> None:
        """What a transcoder tells of a job. Raises ``JobNotRecorded`` when it is too early."""

        async def decide(unit: Unit) -> bool:
            """Whether the job is one that will never be recorded."""
            state = await known(unit, report.creative_id)
            if report.job_id == state.job_id:
                unit.append(state, decided(state, report, unit))
                return False
            if report.attempt > state.jobs and creatives.awaits_job(state):
                raise JobNotRecorded("the job is not recorded yet", job_id=report.job_id)
            return report.attempt > state.jobs

        astray, _ = await self._dispatcher.execute(context, decide)
        if astray and report.status in UNDER_WAY:
            await self._transcoder.cancel(report.job_id)

    async def _fail(
        self,
        context: Context,
        state: Creative,
        error: str,
        detail: str,
        *,
        retryable: bool,
    ) -> None:
        """Only if it is still at what it was at."""

        async def decide(unit: Unit) -> None:
            now = await known(unit, state.id)
            if (now.jobs, now.in_flight) != (state.jobs, state.in_flight):
                return
            failed = creatives.record_failure(
                now,
                during="fetch" if error == FETCH_LOST else "transcoding",
                error=error,
                detail=detail,
                vast_code=402 if error == FETCH_LOST else 405,
                retryable=retryable,
                at=unit.at,
            )
            unit.append(now, failed)

        await self._dispatcher.execute(context, decide)


def job_of(state: Creative, ladder: str) -> Job:
    """The job of the next attempt. Its token is the same until that is recorded."""
    assert state.source is not None, "what is not fetched cannot be rendered"
    attempt = state.jobs + 1
    return Job(
        token=f"{state.id}-{ladder}-{attempt}",
        creative_id=state.id,
        ladder=ladder,
        attempt=attempt,
        original=state.original,
        prefix=f"renditions/{state.content}/{ladder}/{attempt}/",
        source=state.source,
        captions=state.captions,
    )


def decided(state: Creative, report: JobReport, unit: Unit) -> list[Event]:
    """Forward or not at all."""
    match report.status:
        case JobStatus.SUBMITTED:
            return []
        case JobStatus.PROGRESSING:
            stage = report.stage or Stage.PROBING
            return creatives.record_progress(state, job_id=report.job_id, stage=stage, at=unit.at)
        case JobStatus.COMPLETE:
            assert report.rendition is not None, "what is complete has a rendition"
            return creatives.record_complete(
                state, job_id=report.job_id, rendition=report.rendition, at=unit.at
            )
        case JobStatus.CANCELED:
            return creatives.record_canceled(
                state, job_id=report.job_id, by="transcoder", at=unit.at
            )
        case JobStatus.ERROR if state.in_flight:
            return creatives.record_failure(
                state,
                during="transcoding",
                error=report.error or "unknown",
                detail=report.detail or "",
                vast_code=405,
                retryable=report.retryable,
                at=unit.at,
            )
        case JobStatus.ERROR:
            return []
        case status:
            assert_never(status)
