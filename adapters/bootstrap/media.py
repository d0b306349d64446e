"""What carries creatives on: the transcoder's process, and the commands of its policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.process import aws, make_broker
from adapters.bootstrap.statistics import recording
from adapters.inbound.workers.fetcher import Fetcher
from adapters.inbound.workers.readiness import Readiness
from adapters.inbound.workers.transcoder import JobEvents, rendering, subscribe
from adapters.outbound.messaging.fetches import QueueFetches, tell
from adapters.outbound.objects.media import S3MediaObjects
from adapters.outbound.objects.s3 import S3Objects
from adapters.outbound.redis.progress import RedisProgress
from adapters.outbound.transcoding.job_events import JobEvents as JobEventReader
from adapters.outbound.transcoding.job_events import event_of
from adapters.outbound.transcoding.job_table import JobTable
from adapters.outbound.transcoding.jobs import from_text
from adapters.outbound.transcoding.probe import Probe
from adapters.outbound.transcoding.queue import SqsJobQueue
from adapters.outbound.transcoding.transcoder import FfmpegTranscoder
from adapters.outbound.web import Downloads, Guard, Web
from adapters.settings import Settings
from commands.media.jobs import Transcodings
from commands.media.ports import JobReport, Transcoder
from domain.media.creative import Stage
from domain.media.ladder import LADDER
from projections.media.ports import Progress

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker

JOB_EVENTS_AT_ONCE = 8
POLL_INTERVAL = 0.2
"""Where queues are polled without waiting: a film takes seconds at best."""


class Rhythm(TypedDict):
    wait_seconds: int
    poll_interval: float


@asynccontextmanager
async def transcoder_of(settings: Settings, parts: Core) -> AsyncIterator[Transcoder]:
    if settings.transcoder == "mediaconvert":
        async with mediaconvert(settings) as found:
            yield found
        return
    async with aws(settings).sqs() as sqs:
        table = JobTable(parts.dynamodb, settings.renders_table, parts.clock)
        yield FfmpegTranscoder(table, SqsJobQueue(sqs, settings.renders_queue), parts.clock)


@asynccontextmanager
async def mediaconvert(settings: Settings) -> AsyncIterator[Transcoder]:
    from adapters.outbound.transcoding.mediaconvert.request import Facility
    from adapters.outbound.transcoding.mediaconvert.transcoder import (
        MediaConvertTranscoder,
        client_of,
    )

    facility = Facility(
        bucket=settings.media_bucket,
        role=settings.media_convert_role,
        queue=settings.media_convert_queue,
        hop_queue=settings.media_convert_hop_queue,
    )
    async with client_of(aws(settings)) as client, aws(settings).s3() as s3:
        yield MediaConvertTranscoder(client, facility, S3Objects(s3, settings.media_bucket))


def transcodings(
    settings: Settings, parts: Core, broker: SQSBroker, transcoder: Transcoder
) -> Transcodings:
    return Transcodings(
        dispatcher=parts.media.dispatcher,
        transcoder=transcoder,
        fetches=QueueFetches(broker, settings.fetches_queue),
        ladder=LADDER,
    )


def web_of(settings: Settings) -> Web:
    return Web(Guard(allowed=split(settings.allowed_private_hosts)))


def split(listed: str) -> list[str]:
    """Of a setting with commas."""
    return [part.strip() for part in listed.split(",") if part.strip()]


@asynccontextmanager
async def transcoder(settings: Settings, folder: Path) -> AsyncIterator[SQSBroker]:
    """``folder``: for films while they are worked on."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(core(settings, "transcoder"))
        media = await stack.enter_async_context(
            S3MediaObjects.opened(aws(settings), settings.media_bucket)
        )
        port = await stack.enter_async_context(transcoder_of(settings, parts))
        web = web_of(settings)
        stack.push_async_callback(web.close)
        broker = make_broker(settings)
        await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True))
        rhythm: Rhythm = {
            "wait_seconds": settings.queue_wait_seconds,
            "poll_interval": settings.queue_poll_interval and POLL_INTERVAL,
        }
        fetcher = Fetcher(
            dispatcher=parts.media.dispatcher,
            downloads=Downloads(web, directory=folder, limit_bytes=settings.largest_film),
            probes=Probe(),
            originals=media,
            ids=parts.ids,
        )

        hints = RedisProgress(parts.link)
        records = await stack.enter_async_context(recording(settings, "transcoder"))
        events = JobEvents(
            transcodings=transcodings(settings, parts, broker, port),
            decode=JobEventReader(media, settings.media_bucket).decode,
            hints=hints,
            ids=parts.ids,
            tell_ready=Readiness(parts.media.store, records).tell,
        )
        at_once = settings.fetches_at_once
        subscribe(broker, settings.fetches_queue, fetcher.handle, at_once=at_once, **rhythm)
        subscribe(
            broker, settings.job_events_queue, events.handle, at_once=JOB_EVENTS_AT_ONCE, **rhythm
        )
        if settings.transcoder == "ffmpeg":
            await _render_here(settings, parts, broker, media, hints, folder, rhythm)
        yield broker


async def _render_here(
    settings: Settings,
    parts: Core,
    broker: SQSBroker,
    media: S3MediaObjects,
    hints: RedisProgress,
    folder: Path,
    rhythm: Rhythm,
) -> None:
    from adapters.outbound.transcoding.ffmpeg.render import FfmpegRenderer
    from adapters.outbound.transcoding.worker import RenderWorker

    async def report(told: JobReport) -> None:
        event = event_of(told)
        await tell(broker, settings.job_events_queue, event)

    async def hint(creative_id: str, stage: Stage, percent: int) -> None:
        await hints.tell(creative_id, Progress(stage, percent))

    worker = RenderWorker(
        JobTable(parts.dynamodb, settings.renders_table, parts.clock),
        media,
        FfmpegRenderer(),
        report,
        parts.clock,
        folder=folder,
        at_once=settings.renders_at_once,
        hint=hint,
    )
    await worker.start()
    handle = rendering(worker, from_text)
    subscribe(broker, settings.renders_queue, handle, at_once=settings.renders_at_once, **rhythm)
