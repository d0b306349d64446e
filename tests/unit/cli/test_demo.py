"""What the demo asks of the API."""

from __future__ import annotations

import httpx

from adapters.inbound.cli.demo import all_devices
from adapters.inbound.cli.main import pause_after

PAGES = {
    None: {"items": [{"id": "a"}], "next_cursor": "a"},
    "a": {"items": [{"id": "b"}], "next_cursor": "b"},
    "b": {"items": [{"id": "c"}], "next_cursor": None},
}


async def test_a_home_of_several_pages_is_seen_whole() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=PAGES[request.url.params.get("cursor")])

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://homecast") as api:
        assert [device["id"] for device in await all_devices(api)] == ["a", "b", "c"]


async def test_an_api_that_refuses_shows_no_devices() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with httpx.AsyncClient(transport=transport, base_url="http://homecast") as api:
        assert await all_devices(api) == []


def test_a_watcher_tries_again_ever_more_slowly_and_for_ever() -> None:
    assert [pause_after(failures) for failures in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 8, 8, 8]
