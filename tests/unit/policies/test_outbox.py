"""The outbox's worker: each outcome settles the message its own way; attempts are bounded."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import pytest

from adapters.faststream_aws import Backoff
from adapters.inbound.workers import outbox
from adapters.inbound.workers.outbox import LONGEST_WISH, OutboxWorker
from adapters.inbound.workers.ports import Delivery
from commands.kernel.policy import Effect

EFFECT = Effect("p:1:device-a:1:0", "webhook", {"type": "t"}, "c", "1:device-a:1")


class Attempt:
    """A received message, as far as the worker settles it."""

    def __init__(self, receive_count: int = 1) -> None:
        self.receive_count = receive_count
        self.delayed: list[float] = []

    async def nack(self, delay: float) -> None:
        self.delayed.append(delay)


class Graveyard:
    """A broker that keeps what is published."""

    def __init__(self) -> None:
        self.buried: list[tuple[str, dict[str, str]]] = []

    async def publish(self, body: str, *, queue: Any, headers: dict[str, str]) -> None:
        self.buried.append((body, headers))


class Hanging:
    async def deliver(self, effect: Effect) -> Delivery:
        await asyncio.Event().wait()
        raise AssertionError("it never comes")


class Answering:
    def __init__(self, answer: Delivery | Exception) -> None:
        self.answer = answer
        self.got: list[Effect] = []

    async def deliver(self, effect: Effect) -> Delivery:
        self.got.append(effect)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def received(
    answer: Delivery | Exception, *, attempt: int = 1, body: Any = None
) -> tuple[Attempt, Graveyard, Answering]:
    message, graveyard, handler = Attempt(attempt), Graveyard(), Answering(answer)
    broker: Any = graveyard
    worker = OutboxWorker(
        {"webhook": handler},
        broker=broker,
        dead_letters="dead",
        pauses=Backoff(first=2.0, maximum=900.0, jitter=0.0),
        attempts=5,
    )
    await worker.receive(asdict(EFFECT) if body is None else body, message)
    return message, graveyard, handler


async def test_a_delivered_effect_is_done() -> None:
    message, graveyard, handler = await received(Delivery("delivered"))
    assert (message.delayed, graveyard.buried) == ([], [])
    assert handler.got == [EFFECT]


@pytest.mark.parametrize(
    ("attempt", "after", "pause"),
    [
        (1, None, 2.0),
        (2, None, 4.0),
        (4, None, 16.0),
        (1, 60.0, 60.0),
        (4, 1.0, 16.0),
        (1, 10 * LONGEST_WISH, LONGEST_WISH),
    ],
)
async def test_pauses_grow_and_a_wish_is_followed_within_bounds(
    attempt: int, after: float | None, pause: float
) -> None:
    message, graveyard, _ = await received(Delivery("retry", "x", after), attempt=attempt)
    assert (message.delayed, graveyard.buried) == ([pause], [])


@pytest.mark.parametrize(
    ("answer", "attempt", "error"),
    [
        (Delivery("given_up", "HTTP 410"), 1, "HTTP 410"),
        (Delivery("retry", "HTTP 503"), 5, "HTTP 503"),
        (RuntimeError("with a secret in it"), 5, "RuntimeError"),
    ],
)
async def test_what_is_given_up_is_buried_with_the_last_error(
    answer: Delivery | Exception, attempt: int, error: str
) -> None:
    message, graveyard, _ = await received(answer, attempt=attempt)
    ((_, headers),) = graveyard.buried
    assert headers == {"error": error, "attempts": str(attempt)}
    assert message.delayed == []


async def test_what_is_no_effect_is_buried_at_once_as_it_is() -> None:
    _, graveyard, handler = await received(Delivery("delivered"), body={"id": 1})
    assert graveyard.buried == [('{"id":1}', {"error": "undecodable", "attempts": "1"})]
    assert handler.got == []


async def test_an_attempt_that_hangs_is_ended_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "DELIVERY_LIMIT", 0.01)
    broker: Any = Graveyard()
    message = Attempt()
    worker = OutboxWorker({"webhook": Hanging()}, broker=broker, dead_letters="d")
    await worker.receive(asdict(EFFECT), message)
    assert len(message.delayed) == 1


async def test_an_effect_of_a_dropped_kind_leaves_nothing_when_it_is_given_up() -> None:
    message, graveyard = Attempt(1), Graveyard()
    broker: Any = graveyard
    worker = OutboxWorker(
        {"pixel": Answering(Delivery("given_up", "HTTP 404"))},
        broker=broker,
        dead_letters="dead",
        dropped={"pixel"},
    )
    await worker.receive(asdict(EFFECT) | {"kind": "pixel"}, message)
    assert (message.delayed, graveyard.buried) == ([], [])
