"""Hands due time-outs to the queues of their policies, then deletes them: at least once.

Any number of these race harmlessly: a queue drops the repetition within five minutes, and the
policy's state what comes later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from adapters.faststream_aws import OutgoingMessage, SQSBroker, SQSQueue
from adapters.inbound.process import pause
from adapters.inbound.workers.policies import message_of
from commands.kernel.policy import DueTimeouts, Timeout
from commands.kernel.ports import Clock
from domain.kernel.errors import Unavailable

log = structlog.get_logger("homecast.policies")

FAILURE_PAUSE = 2.0


class TimeoutScan:
    """``queues``: URLs by the policy's name; time-outs of other policies are left to others."""

    def __init__(
        self,
        *,
        due: DueTimeouts,
        broker: SQSBroker,
        queues: Mapping[str, str],
        clock: Clock,
        interval: float,
    ) -> None:
        self._due = due
        self._broker = broker
        self._queues = queues
        self._clock = clock
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.scan_once()
            except (Unavailable, ClientError, BotoCoreError) as error:
                log.warning("timeouts_not_scanned", cause=type(error).__name__)
                await pause(stop, FAILURE_PAUSE)
            await pause(stop, self._interval)

    async def scan_once(self) -> int:
        """The number of time-outs that were handed over."""
        by_queue: dict[str, list[Timeout]] = {}
        for timeout in await self._due.due(now=self._clock.now(), policies=self._queues):
            by_queue.setdefault(self._queues[timeout.policy], []).append(timeout)
        handed = await asyncio.gather(
            *(self._hand_over(queue, due) for queue, due in by_queue.items()),
            return_exceptions=True,  # a queue that cannot be reached holds up no other
        )
        for outcome in handed:
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(count for count in handed if isinstance(count, int))

    async def _hand_over(self, queue: str, due: list[Timeout]) -> int:
        messages = [
            OutgoingMessage(
                message_of(timeout),
                group_id=timeout.stream,
                deduplication_id=hashlib.sha256(timeout.id.encode()).hexdigest(),
            )
            for timeout in due
        ]
        result = await self._broker.publish_batch(*messages, queue=SQSQueue.of(queue))
        for sent in result.succeeded:
            await self._due.cancel(due[sent.index])
        if result.failed:
            log.warning("timeouts_not_sent", failed=len(result.failed), code=result.failed[0].code)
        return len(result.succeeded)
