"""Calls of trackers, and how each answer is taken."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.inbound.workers.ports import Delivery
from adapters.outbound.system.clock import SystemClock
from adapters.outbound.web import Web
from adapters.outbound.web.pixels import Pixels
from commands.kernel.policy import Effect
from commands.media.pixels import AT_MOST, error_pixels
from tests.support.misbehaving import (
    broken_after,
    drip,
    drip_head,
    flood,
)
from tests.support.strangers import Reply, Stranger, answer, redirect


def pixel(body: dict[str, Any]) -> Effect:
    return Effect("p1", "pixel", body, "c", "m")


@pytest.fixture
def pixels(web: Web) -> Pixels:
    return Pixels(web, clock=SystemClock(), time_limit=2.0)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer(b"GIF89a", Content_Type="image/gif"), "delivered"),
        (answer(status="204 No Content"), "delivered"),
        (answer(status="304 Not Modified"), "delivered"),
        (answer(status="302 Found"), "delivered"),
        (drip, "delivered"),
        (flood, "delivered"),
        (answer(status="404 Not Found"), "given_up"),
        (answer(status="410 Gone"), "given_up"),
        (answer(status="408 Request Timeout"), "retry"),
        (answer(status="425 Too Early"), "retry"),
        (answer(status="500 Internal Server Error"), "retry"),
        (redirect("http://169.254.169.254/"), "given_up"),
        (redirect("/pixel"), "given_up"),
        (drip_head, "retry"),
        (broken_after(0, b""), "delivered"),
    ],
)
async def test_a_pixel_is_delivered_retried_or_given_up(
    host: Stranger, pixels: Pixels, reply: Reply, outcome: str
) -> None:
    host.routes["/pixel"] = reply
    delivery = await pixels.deliver(pixel({"url": host.url("/pixel?ifa=viewer-1")}))
    assert delivery.outcome == outcome
    assert "viewer-1" not in delivery.detail


async def test_a_tracker_may_say_when_to_come_back(host: Stranger, pixels: Pixels) -> None:
    host.routes["/pixel"] = answer(status="429 Too Many Requests", Retry_After="7")
    delivery = await pixels.deliver(pixel({"url": host.url("/pixel")}))
    assert delivery == Delivery("retry", "HTTP 429", after=7.0)


async def test_a_tracker_that_is_away_is_tried_again(host: Stranger, pixels: Pixels) -> None:
    url = host.url("/pixel")
    host._server.close()
    await host._server.wait_closed()
    assert (await pixels.deliver(pixel({"url": url}))).outcome == "retry"


@pytest.mark.parametrize("body", [{}, {"url": 5}, {"url": "http://127.1/"}, {"url": "nonsense"}])
async def test_a_pixel_that_leads_nowhere_is_given_up(pixels: Pixels, body: dict[str, Any]) -> None:
    assert (await pixels.deliver(pixel(body))).outcome == "given_up"


async def test_a_trackers_connection_is_used_again(host: Stranger, pixels: Pixels) -> None:
    host.routes["/pixel"] = answer(b"GIF89a")
    for effect in error_pixels(
        407,
        [host.url(f"/pixel?{n}") for n in range(3)],
        cause="ad-1",
        correlation_id="c",
        headers={"User-Agent": "TV/1.0"},
    ):
        assert (await pixels.deliver(effect)).outcome == "delivered"
    assert [asked.path for asked in host.asked] == ["/pixel?0", "/pixel?1", "/pixel?2"]
    assert host.asked[0].headers["user-agent"] == "TV/1.0"
    assert host.connections == 1


def test_error_pixels_have_the_same_ids_each_time_and_no_doubles() -> None:
    urls = ["http://a/", "http://b/", "http://a/"]
    first = error_pixels(407, urls, cause="ad-1", correlation_id="c")
    assert [one.body["url"] for one in first] == ["http://a/", "http://b/"]
    assert first == error_pixels(407, urls, cause="ad-1", correlation_id="c")
    other = error_pixels(302, urls, cause="ad-1", correlation_id="c")
    assert not {one.id for one in first} & {one.id for one in other}
    many = error_pixels(407, map(str, range(1_000)), cause="ad-1", correlation_id="c")
    assert len(many) == AT_MOST
