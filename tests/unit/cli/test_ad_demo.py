"""The demo's ad breaks: what is said of them, and by whom."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters.inbound.cli.ad_demo import flow
from adapters.inbound.cli.up import with_broker
from tests.support.waiting import eventually


async def test_what_keeps_the_demo_from_its_breaks_is_said_once_and_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flow, "SECONDS_BETWEEN_BREAKS", 0)
    status = {"Homecast-Ad-Status": "ok;filled=2;left-out=1"}
    answers = [httpx.Response(403), httpx.Response(403), httpx.Response(200, headers=status)]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return answers[min(len(asked), len(answers)) - 1]

    said: list[str] = []
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as api:
        task = asyncio.create_task(flow.watch_ads(api, said.append))

        async def goes_on() -> bool:
            return len(asked) > len(answers) + 1

        await eventually(goes_on, within=10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert said == [
        "ad break of demo: the API answers 403",
        "ad break of demo: 2 ads played, 1 left out until they are ready",
    ]


@pytest.mark.parametrize(
    ("others", "allowed"),
    [("", "127.0.0.1:9"), ("10.0.0.7:80", "127.0.0.1:9,10.0.0.7:80")],
)
def test_the_broker_of_the_demo_stands_before_what_the_operator_allows(
    others: str, allowed: str
) -> None:
    assert with_broker("127.0.0.1:9", others) == allowed
