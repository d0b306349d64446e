"""Delivers effects to the world outside: again and again with growing pauses, and not for ever.

An effect keeps its id over all attempts: the other side drops repetitions by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.faststream_aws import Backoff, SQSBroker, SQSMessage, SQSQueue
from adapters.inbound.workers.ports import Delivery, EffectHandler
from commands.kernel.policy import Effect

log = structlog.get_logger("homecast.outbox")

ATTEMPTS = 12
"""About three quarters of an hour with these pauses; then the dead letters."""
PAUSES = Backoff(first=2.0, factor=2.0, maximum=900.0, jitter=0.5)
LONGEST_WISH = 3600.0
"""The most that another side's ``Retry-After`` is followed, in seconds."""
AT_ONCE = 8
DELIVERY_LIMIT = 60.0
"""Seconds for one attempt, whatever limits its handler has."""
LONGEST_ERROR = 256


class EffectMessage(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    body: dict[str, Any]
    correlation_id: str
    causation_id: str


class OutboxWorker:
    """``handlers``: by kind of effect. ``dropped``: kinds that are no more than told of in the log
    when they are given up: trackers that do not answer are no one's to mend, and what is sent to
    them (a device's address) must not lie in the dead letters."""

    def __init__(
        self,
        handlers: Mapping[str, EffectHandler],
        *,
        broker: SQSBroker,
        dead_letters: str,
        dropped: Collection[str] = (),
        pauses: Backoff = PAUSES,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._handlers = handlers
        self._broker = broker
        self._dead_letters = dead_letters
        self._dropped = dropped
        self._pauses = pauses
        self._attempts = attempts

    async def receive(self, body: Any, message: Any) -> None:
        """``message``: of the broker, with its receive count and the ways to settle it."""
        started, attempt = time.perf_counter(), int(message.receive_count)
        effect = effect_of(body)
        if effect is None:
            await self._bury(body, "undecodable", attempt)
            return
        delivery = await self._deliver(effect)
        if delivery.outcome == "retry" and attempt < self._attempts:
            await message.nack(delay=self._pause(attempt, delivery))
        elif delivery.outcome in ("retry", "given_up") and effect.kind not in self._dropped:
            await self._bury(body, delivery.detail, attempt)
        log.info(
            "effect",
            kind=effect.kind,
            effect=effect.id,
            outcome=delivery.outcome,
            detail=delivery.detail,
            attempt=attempt,
            correlation=effect.correlation_id,
            causation=effect.causation_id,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _deliver(self, effect: Effect) -> Delivery:
        handler = self._handlers.get(effect.kind)
        if handler is None:
            return Delivery("retry", "nobody here delivers this kind")
        try:
            async with asyncio.timeout(DELIVERY_LIMIT):
                return await handler.deliver(effect)
        except TimeoutError:
            return Delivery("retry", f"not done in {DELIVERY_LIMIT:g} s")
        except Exception as error:  # the edge: an error of a handler is an attempt
            log.exception("effect_failed", kind=effect.kind, effect=effect.id)
            return Delivery("retry", type(error).__name__)

    def _pause(self, attempt: int, delivery: Delivery) -> float:
        """Never sooner than our own pauses say, and later if that was asked for."""
        return max(self._pauses.delay(attempt), min(delivery.after or 0.0, LONGEST_WISH))

    async def _bury(self, body: Any, error: str, attempt: int) -> None:
        """The body stays as it is, so that it can be put back; the reason stands beside it."""
        text = body if isinstance(body, str) else orjson.dumps(body).decode()
        await self._broker.publish(
            text,
            queue=SQSQueue.of(self._dead_letters),
            headers={"error": error[:LONGEST_ERROR] or "unknown", "attempts": str(attempt)},
        )
        log.error("effect_given_up", detail=error[:LONGEST_ERROR], attempt=attempt)


def effect_of(body: Any) -> Effect | None:
    try:
        message = EffectMessage.model_validate(body)
    except ValidationError:
        return None
    return Effect(
        message.id, message.kind, message.body, message.correlation_id, message.causation_id
    )


def subscribe(
    broker: SQSBroker, worker: OutboxWorker, queue: str, *, wait_seconds: int, poll_interval: float
) -> None:
    @broker.subscriber(
        SQSQueue.of(queue),
        wait_time_seconds=wait_seconds,
        poll_interval=poll_interval or None,
        max_concurrency=AT_ONCE,
        retry_delay=PAUSES,
    )
    async def handle(body: Any, message: SQSMessage) -> None:
        await worker.receive(body, message)
