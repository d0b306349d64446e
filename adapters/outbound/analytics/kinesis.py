"""Records into a Kinesis stream, many at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from adapters.inbound.workers.ports import Metrics
from adapters.outbound.dynamodb.client import store_errors
from domain.kernel.errors import HomecastError
from projections.media.statistics import Record, StatisticsUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient

RECORDS, BYTES = 500, 5 * 1024 * 1024
"""Of one PutRecords, at most (Kinesis quotas)."""
LINGER = 0.2
"""Seconds that a record waits for others."""
CAPACITY = 20_000
"""Records in memory; one has about 700 bytes."""
AT_ONCE = 4
ATTEMPTS = 5
CLOSE_LIMIT = 10.0
"""Seconds for what is left at the end; with the stream away its retries would take minutes."""
PAUSE = 0.1
"""Seconds before the second attempt; then twice as long each time."""
DROPPED, LOST = "StatisticsDropped", "StatisticsLost"

log = structlog.get_logger("homecast.statistics")


@dataclass(eq=False)
class Waiting:
    """``done``: who waits for it; None where nobody does."""

    data: bytes
    key: str
    done: asyncio.Future[None] | None

    @property
    def size(self) -> int:
        return len(self.data) + len(self.key)


class KinesisRecords:
    """Port ``Records``. Use it within ``running``, which sends what is left at its end."""

    def __init__(
        self,
        client: KinesisClient,
        stream: str,
        *,
        metrics: Metrics,
        linger: float = LINGER,
        capacity: int = CAPACITY,
        pause: float = PAUSE,
        close_limit: float = CLOSE_LIMIT,
    ) -> None:
        self._client = client
        self._close_limit = close_limit
        self._stream = stream
        self._metrics = metrics
        self._linger = linger
        self._capacity = capacity
        self._pause = pause
        self._waiting: deque[Waiting] = deque()
        self._held = 0
        """Waiting and on their way."""
        self._came = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False

    async def put(self, record: Record) -> None:
        done = asyncio.get_running_loop().create_future()
        if not self._take(record, done):
            raise StatisticsUnavailable("too many records are waiting for the stream")
        await done

    def offer(self, record: Record) -> None:
        if not self._take(record, None):
            self._metrics.count(DROPPED)

    def _take(self, record: Record, done: asyncio.Future[None] | None) -> bool:
        if self._held >= self._capacity or self._closing:
            return False
        self._held += 1
        self._waiting.append(Waiting(orjson.dumps(record.row()), record.event_id, done))
        self._came.set()
        if len(self._waiting) >= RECORDS:
            self._full.set()
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KinesisRecords]:
        task = asyncio.create_task(self._send_for_ever(), name="statistics")
        try:
            yield self
        finally:
            self._closing = True
            self._came.set()
            self._full.set()
            await self._close(task)

    async def _close(self, task: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(self._close_limit):
                await task
        except TimeoutError:
            log.error("records_given_up", records=self._held)
            waiting = list(self._waiting)
            self._waiting.clear()
            self._settle(waiting, waiting, "not taken before the end")

    async def _send_for_ever(self) -> None:
        """Until it is closing and nothing waits."""
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while self._waiting or not self._closing:
                await self._came.wait()
                if len(self._waiting) < RECORDS:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._full.wait(), self._linger)
                await places.acquire()
                batch = self._next_batch()
                sending = group.create_task(self._send(batch))
                sending.add_done_callback(lambda _: places.release())

    def _next_batch(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < RECORDS and size + self._waiting[0].size <= BYTES:
            batch.append(self._waiting.popleft())
            size += batch[-1].size
        if not self._closing:
            if not self._waiting:
                self._came.clear()
            if len(self._waiting) < RECORDS:
                self._full.clear()
        return batch

    async def _send(self, batch: list[Waiting]) -> None:
        """Never raises: those who wait are told."""
        left, why = batch, "not taken before the end"
        try:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(self._pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 jitter
                left, why = await self._attempt(left)
                if not left:
                    break
        finally:
            self._settle(batch, left, why)

    def _settle(self, batch: Sequence[Waiting], left: Sequence[Waiting], why: str) -> None:
        self._held -= len(batch)
        if left:
            self._metrics.count(LOST, len(left))
        failed = set(map(id, left))
        for one in batch:
            if one.done is None or one.done.done():
                continue  # nobody waits, or no longer
            if id(one) in failed:
                one.done.set_exception(StatisticsUnavailable(f"the stream refuses: {why}"))
            else:
                one.done.set_result(None)

    async def _attempt(self, batch: Sequence[Waiting]) -> tuple[list[Waiting], str]:
        """What was not taken, and why."""
        if not batch:
            return [], ""
        entries: Any = [{"Data": one.data, "PartitionKey": one.key} for one in batch]
        try:
            with store_errors():
                answer = await self._client.put_records(StreamName=self._stream, Records=entries)
            results = list(answer["Records"])
            pairs = list(zip(batch, results, strict=True))
        except HomecastError as error:
            return list(batch), error.detail
        except Exception as error:  # the edge of a task that nobody awaits, while others wait
            log.exception("records_not_sent")
            return list(batch), type(error).__name__
        left = [one for one, result in pairs if "ErrorCode" in result]
        codes = {result["ErrorCode"] for result in results if "ErrorCode" in result}
        return left, ", ".join(sorted(codes))
