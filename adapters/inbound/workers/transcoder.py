"""The transcoder: fetches films, renders them where no MediaConvert does, and records what jobs
report.

Three queues: films to be fetched, films to be rendered, events of jobs. A message stays invisible
for as long as it is worked on, and comes back when its worker dies.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog

from adapters.faststream_aws import Backoff, SQSBroker, SQSQueue
from adapters.faststream_aws.subscriber import SQSSubscriber
from adapters.inbound.workers.media_ports import DecodesJobEvents, DecodesJobs, Renders
from commands.kernel.ports import Ids
from commands.media.jobs import Transcodings
from commands.media.ports import JobStatus
from domain.kernel.errors import ContractError
from domain.kernel.recorded import Context
from projections.media.ports import Progress, ProgressHints

log = structlog.get_logger("homecast.transcoder")

RETRY_DELAY = Backoff(first=2.0, maximum=60.0)
VISIBLE_AFTER = 30
JOB_EVENTS_AT_ONCE = 8
Handle = Callable[[Any], Awaitable[None]]


class JobEvents:
    """What transcoders say of jobs, from wherever they run."""

    def __init__(
        self,
        *,
        transcodings: Transcodings,
        decode: DecodesJobEvents,
        hints: ProgressHints,
        ids: Ids,
        tell_ready: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """``tell_ready``: told the creative's id once a job of it is complete, maybe twice."""
        self._transcodings = transcodings
        self._decode = decode
        self._hints = hints
        self._ids = ids
        self._tell_ready = tell_ready

    async def handle(self, body: Any) -> None:
        """Raises ``JobNotRecorded`` for one that is ahead of its time: it has to come again."""
        started = time.perf_counter()
        if not isinstance(body, dict):
            raise ContractError("no event")
        report = await self._decode(body)
        if report is None:
            return
        if report.percent is not None and report.stage is not None:
            await self._hints.tell(report.creative_id, Progress(report.stage, report.percent))
        event_id = str(body.get("id") or self._ids.new())
        context = Context(event_id, event_id, "transcoder")
        await self._transcodings.report(context, report)
        if report.status is JobStatus.COMPLETE and self._tell_ready is not None:
            await self._tell_ready(report.creative_id)
        log.info(
            "job",
            creative=report.creative_id,
            job=report.job_id,
            status=report.status.value,
            stage=report.stage.value if report.stage else None,
            error=report.error,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )


def rendering(renders: Renders, decode: DecodesJobs) -> Handle:
    async def handle(body: Any) -> None:
        text = body if isinstance(body, str | bytes) else orjson.dumps(body)
        await renders.handle(decode(text))

    return handle


def subscribe(
    broker: SQSBroker,
    queue: str,
    handle: Handle,
    *,
    wait_seconds: int,
    poll_interval: float,
    at_once: int,
) -> SQSSubscriber:
    """To a queue by its URL, of which ``at_once`` messages are worked on side by side."""
    subscriber = broker.subscriber(
        SQSQueue.of(queue),
        wait_time_seconds=wait_seconds,
        poll_interval=poll_interval or None,
        max_concurrency=at_once,
        prefetch=0,
        visibility_timeout=VISIBLE_AFTER,
        retry_delay=RETRY_DELAY,
    )

    async def handler(body: Any) -> None:
        await handle(body)

    subscriber(handler)
    return subscriber
