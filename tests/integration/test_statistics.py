"""Statistics in real processes: beacons over a socket, a deliverer that is killed, reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.bootstrap.core import core
from adapters.bootstrap.statistics import beacon_keys
from adapters.inbound.http.beacon_tokens import BeaconTokens
from adapters.inbound.http.beacons import beacon_url
from adapters.outbound.embedded.ministack import CREDENTIALS
from adapters.outbound.system.clock import Ulids
from adapters.settings import Settings
from commands.accounts.tokens import ADS_READ, issue_token
from projections.media.statistics import Facts, Kind
from tests.support.platform import Platform, settings_from
from tests.support.waiting import eventually

FUNNEL = (Kind.IMPRESSION, Kind.START, Kind.MIDPOINT, Kind.COMPLETE)
VIEWS = 40
WITHIN = 60.0


@pytest.fixture
async def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    often = {"HOMECAST_STATISTICS_INTERVAL": "0.3"}
    async with Platform(tmp_path, processes=("api", "deliverer"), extra=often) as platform:
        yield platform


async def token_of(settings: Settings) -> str:
    async with core(settings, "test") as parts:
        token, _ = await issue_token(
            parts.vault,
            clock=parts.clock,
            ids=Ulids(),
            account_id=Ulids().new(),
            scopes=[ADS_READ],
        )
    return token


def urls(platform: Platform, *, first: int, count: int, now: datetime) -> list[str]:
    """Of views, each with its own place in a pod."""
    tokens = BeaconTokens(beacon_keys(settings_from(platform.environment)))
    views = [
        Facts(request_id=f"r{number}", broker="acme", campaign="winter", creative_id="C1")
        for number in range(first, first + count)
    ]
    return [
        beacon_url(platform.api_url, kind, tokens.sign(kind, view, now=now))
        for view in views
        for kind in FUNNEL
    ]


async def tell(client: httpx.AsyncClient, addresses: list[str]) -> None:
    """As many players do, at once."""
    answers = await asyncio.gather(*map(client.get, addresses))
    assert {one.status_code for one in answers} == {204}


async def test_each_beacon_counts_once_though_it_is_repeated_and_the_deliverer_is_killed(
    platform: Platform,
) -> None:
    token = await token_of(settings_from(platform.environment))
    now = datetime.now(UTC)
    query = {
        "from": (now - timedelta(days=1)).date().isoformat(),
        "to": (now + timedelta(days=1)).date().isoformat(),
    }
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def counted() -> list[int]:
            answer = await client.get(
                f"{platform.api_url}/v1/reports/completion",
                params=query,
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 200, answer.text
            body: Any = answer.json()
            rows = [dict(zip(body["columns"], row, strict=True)) for row in body["rows"]]
            names = ("impressions", "starts", "midpoints", "completes", "third_quartiles")
            return [sum(row[name] for row in rows) for name in names]

        async def is_counted(views: int) -> bool:
            return await counted() == [views, views, views, views, 0]

        before = urls(platform, first=0, count=VIEWS, now=now)
        await tell(client, before)
        await eventually(lambda: is_counted(VIEWS), within=WITHIN, what="the first views")
        after = urls(platform, first=VIEWS, count=VIEWS, now=now)
        await tell(client, after[:100])
        await platform.kill("deliverer")
        await tell(client, after[100:])
        await tell(client, before[:50] + after)
        await platform.restart("deliverer")
        await eventually(lambda: is_counted(2 * VIEWS), within=WITHIN, what="all views")
        changed = after[0].replace("/impression?", "/start?")
        assert (await client.get(changed)).status_code == 400
