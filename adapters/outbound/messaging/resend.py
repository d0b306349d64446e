"""Sends events of the store straight to one projection's queue, for rows that lag behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.faststream_aws import OutgoingMessage, SQSBroker, SQSQueue
from domain.kernel.event import category_of
from projections.kernel.verify import Finding, Kind

BATCH = 10


PublicEvent = Callable[[str, int], Awaitable[Mapping[str, Any]]]
"""Of a stream and version, the CloudEvent as the relay publishes it, personal parts sealed."""


class Resend:
    """The newest event of each row that is missing or behind: the gate reads what precedes it.

    ``mark``: makes deduplication ids fresh, so that queues do not drop what they have seen.
    """

    def __init__(
        self, broker: SQSBroker, public_event: PublicEvent, *, queue: str, mark: Callable[[], str]
    ) -> None:
        self._broker = broker
        self._public_event = public_event
        self._queue = SQSQueue.of(queue)
        self._mark = mark
        self._waiting: list[OutgoingMessage] = []
        self.sent = 0

    async def __call__(self, finding: Finding) -> None:
        if finding.kind not in (Kind.MISSING, Kind.BEHIND):
            return
        tail = finding.tail
        event = await self._public_event(tail.stream, tail.version)
        self._waiting.append(
            OutgoingMessage(
                dict(event),
                group_id=tail.stream,
                deduplication_id=f"{event['id']}:{self._mark()}",
                headers={"category": category_of(tail.stream)},
            )
        )
        if len(self._waiting) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            result = await self._broker.publish_batch(*waiting, queue=self._queue)
            result.raise_for_failures()
            self.sent += len(result.succeeded)
