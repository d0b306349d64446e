"""Puts CloudEvents on a context's topic, in order per stream, until they are there."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from adapters.faststream_aws import ORDER_KEPT, MessageRefused, OutgoingMessage, SQSBroker
from adapters.inbound.workers.ports import Metrics
from domain.kernel.event import category_of

log = structlog.get_logger("homecast.relay")

RETRY_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CALL_LIMIT = 5.0
"""Seconds for one call; one that takes longer counts as failed."""
CALL = 10
"""Messages, the service's limit."""
CALLS_AT_ONCE = 4

FOR_EVER = float("inf")


class Publisher:
    """A call holds at most one event of a stream.

    The service may refuse any entry of a call and take the next, so that is what keeps a stream's
    order when a part of a call fails.
    """

    def __init__(self, broker: SQSBroker, topic: str, *, context: str, metrics: Metrics) -> None:
        self._broker = broker
        self._topic = topic
        self._context = context
        self._metrics = metrics

    async def publish(
        self, events: Sequence[Mapping[str, Any]], *, again: str = "", until: float = FOR_EVER
    ) -> list[int]:
        """The positions of the events that are not known to be there, ascending.

        ``again``: makes deduplication ids fresh, for a repair within five minutes. ``until``: of
        ``time.monotonic``; no call begins after it, the last one ends ``CALL_LIMIT`` later.

        What the service refuses for good is logged and left out, so that one message cannot hold
        up all others: the gates read a missing event from the store when the next one comes.
        """
        waiting = {place: _message(event, again) for place, event in enumerate(events)}
        attempt = 0
        while waiting and time.monotonic() < until:
            calls = list(_calls(waiting))
            settled = await asyncio.gather(*(self._call(call) for call in calls))
            for place in itertools.chain(*settled):
                del waiting[place]
            failed = sum(map(len, calls)) - sum(map(len, settled))
            attempt = attempt + 1 if failed else 0
            if failed:
                self._metrics.count("PublishRetries", failed, context=self._context)
                pause = RETRY_PAUSES[min(attempt, len(RETRY_PAUSES)) - 1]
                await asyncio.sleep(min(pause, max(until - time.monotonic(), 0)))
        return list(waiting)

    async def _call(self, call: Mapping[int, OutgoingMessage]) -> list[int]:
        """The positions that need no other try."""
        places, messages = list(call), list(call.values())
        try:
            async with asyncio.timeout(CALL_LIMIT):
                result = await self._broker.publish_batch(*messages, topic=self._topic)
        except MessageRefused as error:
            refused = places[error.index]
            self._give_up(call[refused], type(error).__name__)
            rest = {place: message for place, message in call.items() if place != refused}
            return [refused, *(await self._call(rest) if rest else [])]
        except TimeoutError:
            log.warning("publish_retried", failed=len(messages), code="TimeoutError")
            return []
        self._metrics.count("EventsPublished", len(result.succeeded), context=self._context)
        settled = [places[one.index] for one in result.succeeded]
        for failed in result.failed:
            if failed.sender_fault and failed.code != ORDER_KEPT:
                self._give_up(messages[failed.index], failed.code)
                settled.append(places[failed.index])
        if len(settled) < len(messages):
            codes = {one.code for one in result.failed}
            log.warning("publish_retried", failed=len(messages) - len(settled), codes=sorted(codes))
        return settled

    def _give_up(self, message: OutgoingMessage, code: str) -> None:
        log.error("event_not_publishable", id=message.deduplication_id, code=code)
        self._metrics.count("EventsRefused", context=self._context)


def _calls(waiting: Mapping[int, OutgoingMessage]) -> Iterator[dict[int, OutgoingMessage]]:
    """The first event of each stream, ten a call."""
    first: dict[str | None, int] = {}
    for place, message in waiting.items():
        if message.group_id not in first:
            first[message.group_id] = place
            if len(first) == CALL * CALLS_AT_ONCE:
                break
    places = list(first.values())
    for start in range(0, len(places), CALL):
        yield {place: waiting[place] for place in places[start : start + CALL]}


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
