"""Puts CloudEvents on a context's topic, in order per stream, until they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from adapters.faststream_aws import OutgoingMessage, SQSBroker
from domain.kernel.event import category_of

log = structlog.get_logger("homecast.relay")

RETRY_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Publisher:
    def __init__(self, broker: SQSBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self.published = 0

    async def publish(self, events: Sequence[Mapping[str, Any]], *, again: str = "") -> None:
        """``again``: makes deduplication ids fresh, for a repair within five minutes."""
        waiting = [_message(event, again) for event in events]
        attempt = 0
        while waiting:
            result = await self._broker.publish_batch(*waiting, topic=self._topic)
            self.published += len(result.succeeded)
            waiting = [waiting[one.index] for one in result.failed]
            if waiting:
                log.warning("publish_retried", failed=len(waiting), code=result.failed[0].code)
                await asyncio.sleep(RETRY_PAUSES[min(attempt, len(RETRY_PAUSES) - 1)])
                attempt += 1


def _message(event: Mapping[str, Any], again: str) -> OutgoingMessage:
    headers = {"category": category_of(event["subject"])}
    if trace := event.get("awstraceheader"):
        headers["AWSTraceHeader"] = trace
    return OutgoingMessage(
        dict(event),
        group_id=event["subject"],
        deduplication_id=_deduplication_id(event["id"], again),
        headers=headers,
    )


def _deduplication_id(event_id: str, again: str) -> str:
    return f"{event_id}:{again}" if again else event_id
