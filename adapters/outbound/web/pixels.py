"""Tracking and error pixels: a GET whose answer nobody reads.

The head says all. A body that came along with it (a picture of one dot) lets the connection be used
again; one that is still to come is cut off, so that no slow one has a call counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.inbound.workers.ports import Delivery
from adapters.outbound.web.client import LATER, Answer, Web
from adapters.outbound.webhooks import retry_after
from commands.kernel.policy import Effect
from commands.kernel.ports import Clock
from domain.kernel.errors import HomecastError

TIME_LIMIT = 10.0


class Pixels:
    """Port ``EffectHandler`` for the kind ``pixel`` (``commands/media/pixels``).

    A 3xx that leads nowhere counts as delivered; redirects from https to http are followed, for
    many trackers live on http only.
    """

    def __init__(self, web: Web, *, clock: Clock, time_limit: float = TIME_LIMIT) -> None:
        self._web = web
        self._clock = clock
        self._time_limit = time_limit

    async def deliver(self, effect: Effect) -> Delivery:
        url, headers = effect.body.get("url"), headers_of(effect.body.get("headers"))
        if not isinstance(url, str):
            return Delivery("given_up", "the effect has no URL")
        try:
            async with self._web.get(
                url, headers, limit=self._time_limit, downgrade=True
            ) as answer:
                return delivery_of(answer, self._clock.now())
        except HomecastError as error:
            return Delivery("retry" if error.retryable else "given_up", error.code)


def headers_of(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {name: text for name, text in value.items() if isinstance(text, str)}


def delivery_of(answer: Answer, now: datetime) -> Delivery:
    status = answer.status
    detail = f"HTTP {status}"
    if 200 <= status < 400:
        return Delivery("delivered", detail)
    if status in LATER or status >= 500:
        wish = answer.response.headers.get("Retry-After")
        return Delivery("retry", detail, after=retry_after(wish, now))
    return Delivery("given_up", detail)
