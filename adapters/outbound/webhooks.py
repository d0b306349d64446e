"""Events by HTTP to an endpoint of the operator.

A CloudEvent in structured mode (CloudEvents HTTP binding 1.0.2, section 3.2), signed as Standard
Webhooks 1.0 says: HMAC-SHA256 over id, time and body. A repetition has the same ``webhook-id``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from adapters.inbound.workers.ports import Delivery
from commands.kernel.policy import Effect
from commands.kernel.ports import Clock

TIME_LIMIT = 15.0
"""Seconds for the whole exchange."""
CONNECT_TIMEOUT = 5.0
USER_AGENT = "homecast"


class Webhook:
    """Port ``EffectHandler``. The answer's body is never read, redirects are not followed.

    ``secret``: ``whsec_`` and base64, as Standard Webhooks writes it. Raises ``ValueError`` when it
    is not.
    """

    def __init__(self, client: httpx.AsyncClient, *, url: str, secret: str, clock: Clock) -> None:
        self._client = client
        self._url = url
        self._key = key_of(secret)
        self._clock = clock

    async def deliver(self, effect: Effect) -> Delivery:
        body = orjson.dumps(cloud_event(effect))
        headers = signed(self._key, effect.id, self._clock.now(), body)
        try:
            async with (
                asyncio.timeout(TIME_LIMIT),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                return delivery_of(answer, self._clock.now())
        except (httpx.HTTPError, TimeoutError) as error:
            return Delivery("retry", type(error).__name__)


def make_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIME_LIMIT, connect=CONNECT_TIMEOUT),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
    )


def cloud_event(effect: Effect) -> dict[str, Any]:
    """``effect.body``: type, subject, time and data of the event (``commands/devices/alarms``)."""
    kind = str(effect.body["type"])
    return {
        "specversion": "1.0",
        "id": effect.causation_id,
        "type": kind,
        "source": f"/homecast/{kind.partition('.')[0]}",
        "subject": effect.body["subject"],
        "time": effect.body["time"],
        "datacontenttype": "application/json",
        "correlationid": effect.correlation_id,
        "data": effect.body["data"],
    }


def key_of(secret: str) -> bytes:
    """Raises ``ValueError``."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret has 24 to 64 bytes")
    return key


def signed(key: bytes, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    timestamp = str(int(now.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


def delivery_of(answer: httpx.Response, now: datetime) -> Delivery:
    """410 says that nobody wants it any more (Standard Webhooks); all else but success may pass."""
    detail = f"HTTP {answer.status_code}"
    if answer.is_success:
        return Delivery("delivered", detail)
    if answer.status_code == httpx.codes.GONE:
        return Delivery("given_up", detail)
    return Delivery("retry", detail, after=retry_after(answer.headers.get("Retry-After"), now))


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds or a date (RFC 9110 section 10.2.3)."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:6])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
