"""The worker: takes a job, renders it, uploads what came out, and tells how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from adapters.outbound.transcoding.captions.files import MOST_BYTES, CaptionFile
from adapters.outbound.transcoding.ffmpeg.failures import RenderFailed
from adapters.outbound.transcoding.ffmpeg.render import FfmpegRenderer, Film
from adapters.outbound.transcoding.folders import sweep, working_folder
from adapters.outbound.transcoding.job_table import JobLost, JobTable
from adapters.outbound.transcoding.jobs import Kept, report
from adapters.outbound.transcoding.ports import MediaObjects
from adapters.outbound.transcoding.uploads import upload
from commands.kernel.ports import Clock
from commands.media.ports import Job, JobReport, JobStatus, Stage
from domain.kernel.errors import Busy, StoreUnavailable, TooLarge
from domain.media.ladder import LADDER
from domain.media.rendition import Rendition

log = structlog.get_logger()

MOST_DEATHS = 3
MOST_ORIGINAL = 2 * 1024**3
Report = Callable[[JobReport], Awaitable[None]]
Hint = Callable[[str, Stage, int], Awaitable[None]]
"""Creative, stage, percent; never raises."""


class Canceled(Exception):
    """Somebody wants the job to end."""


@dataclass
class Step:
    """Where a job is; changed by who works, read by who tells."""

    stage: Stage = Stage.PROBING
    percent: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, stage: Stage, percent: int) -> None:
        if stage != self.stage:
            self.changed.set()
        self.stage, self.percent = stage, percent


class RenderWorker:
    """``at_once``: so many jobs are rendered side by side. ``every``: seconds between two signs of
    life, which is also how long a running job may not notice that it was canceled. ``folder``: for
    what is rendered. ``hint``: told with each sign of life. Call ``start`` once before the first
    job."""

    def __init__(
        self,
        table: JobTable,
        objects: MediaObjects,
        renderer: FfmpegRenderer,
        report: Report,
        clock: Clock,
        *,
        folder: Path,
        at_once: int = 1,
        every: float = 1.0,
        hint: Hint | None = None,
    ) -> None:
        self._table = table
        self._objects = objects
        self._renderer = renderer
        self._report = report
        self._clock = clock
        self._folder = folder
        self._gate = asyncio.Semaphore(at_once)
        self._every = every
        self._hint = hint

    async def start(self) -> None:
        if removed := await asyncio.to_thread(sweep, self._folder):
            log.warning("folders of dead workers removed", count=removed)

    async def handle(self, job: Job) -> None:
        """One message. Returns when the job has ended and its last report is out; raises
        ``StoreUnavailable`` or ``Busy`` when the message shall come back."""
        async with self._gate:
            kept = await self._table.create(job)
            if kept.ended:
                await self._report(kept.now())
            elif self._table.held(kept):
                raise Busy("another worker has the job")
            else:
                await self._begin(kept)

    async def _begin(self, kept: Kept) -> None:
        try:
            taken = await self._table.take(kept, uuid4().hex)
        except JobLost as error:
            raise Busy("another worker was faster") from error
        if taken.canceled:
            await self._end(taken, JobStatus.CANCELED)
        elif kept.attempts >= MOST_DEATHS:
            detail = f"{kept.attempts} workers died with it"
            await self._end(taken, JobStatus.ERROR, RenderFailed("crashed", detail))
        else:
            await self._work(taken)

    async def _work(self, kept: Kept) -> None:
        """Who is stopped, or cannot reach the bucket, gives the job back."""
        try:
            rendition = await self._watched(kept)
        except Canceled:
            await self._end(kept, JobStatus.CANCELED)
        except RenderFailed as error:
            await self._end(kept, JobStatus.ERROR, error)
        except JobLost:
            log.warning("job lost to another worker", job_id=kept.job.token)
        except (StoreUnavailable, asyncio.CancelledError):
            with suppress(JobLost, StoreUnavailable):
                await asyncio.shield(self._table.release(kept))
            raise
        else:
            await self._end(kept, JobStatus.COMPLETE, rendition=rendition)

    async def _watched(self, kept: Kept) -> Rendition:
        """The work, ended as soon as the job is canceled or lost."""
        step = Step()
        work = asyncio.create_task(self._render(kept.job, step))
        watch = asyncio.create_task(self._watch(kept, step))
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            await watch
            raise JobLost(kept.job.token)
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)

    async def _watch(self, kept: Kept, step: Step) -> None:
        """Signs of life, and a report at each change of stage. Raises ``Canceled``, ``JobLost``."""
        step.changed.set()
        while True:
            if step.changed.is_set():
                step.changed.clear()
                await self._tell(kept.job, step)
            if await self._beat(kept, step):
                raise Canceled
            with suppress(TimeoutError):
                await asyncio.wait_for(step.changed.wait(), self._every)

    async def _tell(self, job: Job, step: Step) -> None:
        now = self._clock.now()
        await self._report(report(job, JobStatus.PROGRESSING, now, step.stage, step.percent))

    async def _beat(self, kept: Kept, step: Step) -> bool:
        """One that is missed does no harm."""
        if self._hint is not None:
            await self._hint(kept.job.creative_id, step.stage, step.percent)
        try:
            return await self._table.beat(kept, step.stage, step.percent)
        except StoreUnavailable:
            return False

    async def _render(self, job: Job, step: Step) -> Rendition:
        if job.ladder != LADDER.version:
            raise RenderFailed("ladder_changed", f"asked for {job.ladder}")
        with working_folder(self._folder) as folder:
            film = await self._fetch(job, folder)
            rendition = await self._renderer.render(film, step)
            step(Stage.UPLOADING, 0)
            await upload(
                self._objects, film.target, job.prefix, lambda done: step(Stage.UPLOADING, done)
            )
        return rendition

    async def _fetch(self, job: Job, folder: Path) -> Film:
        original = folder / "original"
        try:
            there = await self._objects.fetch(job.original, original, limit=MOST_ORIGINAL)
        except TooLarge as error:
            raise RenderFailed("too_large", error.detail) from error
        except OSError as error:
            raise RenderFailed("disk_full", str(error.strerror), retryable=True) from error
        if not there:
            raise RenderFailed("original_missing", "the original is not in the bucket")
        captions = await self._captions(job, folder)
        return Film(
            original, job.source, folder / "tracks", folder / "out", job.prefix, tuple(captions)
        )

    async def _captions(self, job: Job, folder: Path) -> list[CaptionFile]:
        found = []
        for index, caption in enumerate(job.captions):
            path = folder / f"caption-{index}"
            with suppress(TooLarge):
                if await self._objects.fetch(caption.key, path, limit=MOST_BYTES):
                    found.append(CaptionFile(caption.language, path))
        return found

    async def _end(
        self,
        kept: Kept,
        status: JobStatus,
        error: RenderFailed | None = None,
        *,
        rendition: Rendition | None = None,
    ) -> None:
        """First into the table: a report that is lost is told again when the message comes back."""
        why: dict[str, Any] = (
            {"error": error.code, "detail": error.detail, "retryable": error.retryable}
            if error
            else {}
        )
        last = report(kept.job, status, self._clock.now(), rendition=rendition, **why)
        try:
            await self._table.end(kept, last)
        except JobLost:
            log.warning("job lost to another worker", job_id=kept.job.token)
            return
        await self._report(last)
