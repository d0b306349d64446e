"""Puts CloudEvents on a context's topic, in order per stream, until they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from adapters.faststream_aws import ORDER_KEPT, MessageRefused, OutgoingMessage, SQSBroker
from domain.kernel.event import category_of

log = structlog.get_logger("homecast.relay")

RETRY_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Publisher:
    def __init__(self, broker: SQSBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self.published = 0

    async def publish(self, events: Sequence[Mapping[str, Any]], *, again: str = "") -> None:
        """``again``: makes deduplication ids fresh, for a repair within five minutes.

        What the service refuses for good is logged and left out, so that one message cannot hold
        up all others: the gates read a missing event from the store when the next one comes.
        """
        waiting = [_message(event, again) for event in events]
        attempt = 0
        while waiting:
            waiting = await self._publish_once(waiting)
            if waiting:
                await asyncio.sleep(RETRY_PAUSES[min(attempt, len(RETRY_PAUSES) - 1)])
                attempt += 1

    async def _publish_once(self, messages: list[OutgoingMessage]) -> list[OutgoingMessage]:
        """The messages that have to be tried again, in order."""
        try:
            result = await self._broker.publish_batch(*messages, topic=self._topic)
        except MessageRefused as error:
            self._give_up(messages[error.index], type(error).__name__)
            return messages[: error.index] + messages[error.index + 1 :]
        self.published += len(result.succeeded)
        again = []
        for failed in result.failed:
            if failed.sender_fault and failed.code != ORDER_KEPT:
                self._give_up(messages[failed.index], failed.code)
            else:
                again.append(messages[failed.index])
        if again:
            log.warning("publish_retried", failed=len(again), code=result.failed[0].code)
        return again

    def _give_up(self, message: OutgoingMessage, code: str) -> None:
        log.error("event_not_publishable", id=message.deduplication_id, code=code)


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
