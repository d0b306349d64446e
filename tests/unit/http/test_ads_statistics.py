"""What ad requests leave in the statistics, from the answer through a player into reports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from adapters.inbound.http.ads_statistics import SINCE_3, AdStatistics
from adapters.inbound.http.app import create_app
from adapters.inbound.http.statistics import mount
from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from adapters.outbound.system.clock import Ulids
from projections.media.reports import Filters
from projections.media.statistics import TRACKING, Facts, Kind, Outcome, Pricing
from tests.support.statistics import FolderFiles
from tests.unit.http.test_reports import Statistics
from tests.unit.http.world import Client, World

ASKED = Facts(request_id="r1", broker="acme", service="tv", session="v1")
AD = ASKED.model_copy(
    update={
        "creative_id": "C1",
        "campaign": "winter",
        "price_micros": 20_000_000,
        "currency": "EUR",
        "pricing": Pricing.CPM,
    }
)
DAY = Filters(date(2026, 11, 23), date(2026, 11, 23))


@pytest.fixture
def statistics(world: World, tmp_path: Path) -> Statistics:
    files = FolderFiles(tmp_path)
    return Statistics(files, world.clock, DuckDbReports(files))


@pytest.fixture
async def app(world: World, statistics: Statistics) -> AsyncIterator[FastAPI]:
    app = create_app(world, mounts=[partial(mount, statistics=statistics)])
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def ads(statistics: Statistics) -> AdStatistics:
    return AdStatistics(
        statistics.records,
        statistics.beacon_tokens,
        clock=statistics.clock,
        ids=Ulids(),
        base_url="http://homecast",
    )


async def reported(statistics: Statistics, name: str) -> dict[str, Any]:
    """The only row."""
    statistics.files.add(statistics.records.records)
    table = await statistics.reports.run(name, DAY)
    [row] = table.rows
    return dict(zip(table.columns, row, strict=True))


async def test_what_was_asked_and_answered_is_the_fill_rate(
    ads: AdStatistics, statistics: Statistics
) -> None:
    ads.requested(ASKED, Outcome.OK, latency=timedelta(milliseconds=140), slots=4)
    ads.requested(ASKED, Outcome.TIMEOUT, latency=timedelta(seconds=1))
    ads.filled(AD)
    ads.skipped(AD, reason="NEW_CREATIVE", error_code=407)
    row = await reported(statistics, "fill-rate")
    assert (row["requests"], row["slots"], row["filled"], row["skipped"]) == (2, 5, 1, 1)
    assert (await reported(statistics, "latency"))["max_ms"] == 1000
    assert (await reported(statistics, "not-ready"))["revenue_forgone"] == 0.02


async def test_a_players_calls_of_our_beacons_are_the_funnel(
    ads: AdStatistics, statistics: Statistics, app: FastAPI
) -> None:
    told = ads.beacons(AD)
    calls = [*told.impressions, *(told.tracking[one] for one in ("start", "midpoint", "complete"))]
    async with (player := Client(app, None)).http:
        for url in [*calls, *calls[:2]]:
            assert (await player.http.get(url)).status_code == 204
    row = await reported(statistics, "completion")
    assert (row["campaign"], row["creative_id"]) == ("winter", "C1")
    assert [row[one] for one in ("impressions", "starts", "midpoints", "completes")] == [1] * 4
    assert (await reported(statistics, "revenue"))["revenue"] == 0.02


async def test_an_error_beacon_leaves_room_for_the_players_code(
    ads: AdStatistics, statistics: Statistics, app: FastAPI
) -> None:
    [url] = ads.beacons(AD).errors
    assert "[ERRORCODE]" in url
    async with (player := Client(app, None)).http:
        await player.http.get(url.replace("[ERRORCODE]", "405"))
    [record] = statistics.records.records
    assert (record.kind, record.error_code) == (Kind.ERROR, 405)


def test_an_answer_of_vast_2_has_only_events_of_vast_2(ads: AdStatistics) -> None:
    assert set(ads.beacons(AD).tracking) == set(TRACKING)
    assert set(ads.beacons(AD, version="2.0").tracking) == set(TRACKING) - SINCE_3


def test_the_same_ad_twice_in_a_pod_has_beacons_of_its_own(ads: AdStatistics) -> None:
    again = AD.model_copy(update={"position": 1})
    assert ads.beacons(AD) == ads.beacons(AD)
    assert not set(ads.beacons(AD).impressions) & set(ads.beacons(again).impressions)
