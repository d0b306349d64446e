"""Webhooks: signed as Standard Webhooks says, told apart by what the other side answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from adapters.inbound.workers.ports import Delivery
from adapters.outbound import webhooks
from adapters.outbound.webhooks import Webhook, key_of, retry_after, signed
from adapters.settings import Settings
from commands.kernel.policy import Effect
from tests.support.receiver import HttpReceiver
from tests.support.write_side import SetClock

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EFFECT = Effect(
    "alarms:1:device-a:3:0",
    "webhook",
    {
        "type": "devices.device_reported_lost",
        "subject": "device-a",
        "time": "2026-11-25T00:00:00+00:00",
        "data": {"by": "token:t"},
    },
    "c",
    "1:device-a:3",
)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """Test vector of the Standard Webhooks reference libraries."""
    headers = signed(
        key_of(SECRET),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def delivered(*answers: str) -> tuple[Delivery, HttpReceiver]:
    async with HttpReceiver(*answers) as receiver, webhooks.make_client() as client:
        hook = Webhook(client, url=receiver.url, secret=SECRET, clock=SetClock())
        return await hook.deliver(EFFECT), receiver


async def test_an_event_arrives_as_a_signed_cloud_event() -> None:
    delivery, receiver = await delivered("204 No Content")
    assert delivery == Delivery("delivered", "HTTP 204")
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["webhook-id"] == EFFECT.id
    content = f"{EFFECT.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = hmac.digest(key_of(SECRET), content, hashlib.sha256)
    assert got.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert orjson.loads(got.body) == {
        "specversion": "1.0",
        "id": "1:device-a:3",
        "type": "devices.device_reported_lost",
        "source": "/homecast/devices",
        "subject": "device-a",
        "time": "2026-11-25T00:00:00+00:00",
        "datacontenttype": "application/json",
        "correlationid": "c",
        "data": {"by": "token:t"},
    }


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        ("200 OK", Delivery("delivered", "HTTP 200")),
        ("410 Gone", Delivery("given_up", "HTTP 410")),
        ("400 Bad Request", Delivery("retry", "HTTP 400")),
        ("429 Slow\r\nRetry-After: 120", Delivery("retry", "HTTP 429", 120.0)),
        ("500 Oh", Delivery("retry", "HTTP 500")),
        ("302 Found\r\nLocation: /other", Delivery("retry", "HTTP 302")),
    ],
)
async def test_the_status_says_how_it_went(answer: str, delivery: Delivery) -> None:
    found, receiver = await delivered(answer)
    assert found == delivery
    assert len(receiver.got) == 1, "a redirect was followed"


async def test_an_endless_answer_is_not_read() -> None:
    found, _ = await delivered("200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\nffffff")
    assert found.outcome == "delivered"


async def test_who_does_not_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIME_LIMIT", 0.2)
    found, _ = await delivered("")
    assert found.outcome == "retry"
    async with webhooks.make_client() as client:
        nobody = Webhook(client, url="http://127.0.0.1:9/", secret=SECRET, clock=SetClock())
        assert (await nobody.deliver(EFFECT)) == Delivery("retry", "ConnectError")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("9" * 400, 999_999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 !"])
def test_a_poor_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        key_of(secret)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("", True),
        ("https://example.org/hook", True),
        ("http://127.0.0.1:8000/hook", True),
        ("http://localhost/hook", True),
        ("http://example.org/hook", False),
        ("ftp://127.0.0.1/", False),
        ("example.org", False),
    ],
)
def test_events_leave_this_machine_encrypted_only(url: str, allowed: bool) -> None:
    values: dict[str, Any] = {"webhook_url": url}
    if allowed:
        assert Settings(**values).webhook_url == url
    else:
        with pytest.raises(ValidationError):
            Settings(**values)


def test_the_secret_is_not_shown() -> None:
    values: dict[str, Any] = {"webhook_secret": SECRET}
    settings = Settings(**values)
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()}"
