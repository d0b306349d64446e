"""The routes of statistics in the whole app: who may ask, what is answered, and as what."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from adapters.inbound.http.app import create_app
from adapters.inbound.http.beacon_tokens import BeaconKeys, BeaconTokens
from adapters.inbound.http.beacons import beacon_url
from adapters.inbound.http.reports import csv_of
from adapters.inbound.http.statistics import mount
from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from commands.accounts.tokens import ADS_READ, ADS_REQUEST
from projections.media.reports import REPORTS, ReportsUnavailable, Table
from projections.media.statistics import Facts, Kind, Record
from tests.support.statistics import FolderFiles, Traffic
from tests.unit.http.world import Client, FakeClock, World

KEYS = BeaconKeys("k", {"k": bytes(range(64))})
DAYS = {"from": "2026-11-01", "to": "2026-11-02"}


@dataclass
class Kept:
    """Port ``Records``."""

    records: list[Record] = field(default_factory=list)

    async def put(self, record: Record) -> None:
        self.records.append(record)

    def offer(self, record: Record) -> None:
        self.records.append(record)


@dataclass
class Statistics:
    files: FolderFiles
    clock: FakeClock
    reports: DuckDbReports
    records: Kept = field(default_factory=Kept)
    beacon_tokens: BeaconTokens = field(default_factory=lambda: BeaconTokens(KEYS))


@pytest.fixture
def statistics(world: World, tmp_path: Path) -> Statistics:
    files = FolderFiles(tmp_path)
    files.add(Traffic(5).all)
    return Statistics(files, world.clock, DuckDbReports(files))


@pytest.fixture
async def app(world: World, statistics: Statistics) -> AsyncIterator[FastAPI]:
    app = create_app(world, mounts=[partial(mount, statistics=statistics)])
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def reader(world: World, app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app, await world.token(scopes=[ADS_READ]))
    async with client.http:
        yield client


async def test_every_report_is_listed_and_answers(reader: Client) -> None:
    listed = (await reader.get("/v1/reports")).json()["items"]
    assert {one["name"] for one in listed} == set(REPORTS)
    for one in listed:
        answer = await reader.get(f"/v1/reports/{one['name']}", **DAYS)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["rows"], one
        assert all(len(row) == len(body["columns"]) for row in body["rows"])


async def test_csv_has_the_rows_that_json_has(reader: Client) -> None:
    found = (await reader.get("/v1/reports/reach", **DAYS)).json()
    as_csv = await reader.http.get("/v1/reports/reach", params=DAYS, headers={"Accept": "text/csv"})
    assert as_csv.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(as_csv.text))
    assert head == found["columns"]
    assert [row[1] for row in rows] == [str(row[1]) for row in found["rows"]]


async def test_rows_beyond_the_limit_are_told(reader: Client) -> None:
    body = (await reader.get("/v1/reports/fill-rate", limit=1, **DAYS)).json()
    assert (len(body["rows"]), body["truncated"]) == (1, True)
    answer = await reader.http.get(
        "/v1/reports/fill-rate", params={"limit": 1, **DAYS}, headers={"Accept": "text/csv"}
    )
    assert answer.headers["truncated"] == "?1"


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("nothing", DAYS, 404, "report_not_found"),
        ("reach", {"from": "2026-11-02", "to": "2026-11-01"}, 422, "invalid_input"),
        ("reach", {"from": "2026-01-01", "to": "2026-11-01"}, 422, "invalid_input"),
        ("reach", {"from": "yesterday", "to": "2026-11-01"}, 422, "invalid_input"),
        ("reach", {**DAYS, "service": "tv"}, 422, "invalid_input"),
        ("reach", {**DAYS, "campaign": "a\nb"}, 422, "invalid_input"),
        ("reach", {**DAYS, "limit": "0"}, 422, "invalid_input"),
    ],
)
async def test_what_cannot_be_asked_is_a_problem(
    reader: Client, path: str, query: dict[str, Any], status: int, code: str
) -> None:
    answer = await reader.get(f"/v1/reports/{path}", **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_reports_that_cannot_be_made_now_are_to_be_asked_for_again(
    reader: Client, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> Table:
        raise ReportsUnavailable("away")

    monkeypatch.setattr(statistics.reports, "run", away)
    answer = await reader.get("/v1/reports/reach", **DAYS)
    assert (answer.status_code, answer.json()["code"]) == (503, "reports_unavailable")


async def test_reports_are_for_those_who_may_read_them(world: World, app: FastAPI) -> None:
    for token, status in ((None, 401), (await world.token(scopes=[ADS_REQUEST]), 403)):
        async with (client := Client(app, token)).http:
            assert (await client.get("/v1/reports/reach", **DAYS)).status_code == status
            assert (await client.get("/v1/reports")).status_code == status


async def test_a_beacon_needs_no_other_credentials(
    world: World, app: FastAPI, statistics: Statistics
) -> None:
    told = Facts(broker="acme", creative_id="C1")
    now = world.clock.now()
    token = statistics.beacon_tokens.sign(Kind.START, told, now=now)
    url = beacon_url("http://homecast", Kind.START, token)
    async with (client := Client(app, None)).http:
        assert (await client.http.get(url)).status_code == 204
        assert (await client.http.post(url, content=b"x" * 100)).status_code == 204
        assert (await client.http.get(url.replace("/start", "/complete"))).status_code == 400
    assert [(one.kind, one.broker) for one in statistics.records.records] == [
        (Kind.START, "acme")
    ] * 2
    assert len({one.event_id for one in statistics.records.records}) == 1


async def test_functions_serve_neither(world: World) -> None:
    paths = {getattr(one, "path", "") for one in create_app(world, lasting=False).routes}
    assert not {one for one in paths if "beacons" in one or "reports" in one}


def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text() -> None:
    table = Table(("name", "n"), [("=cmd()", 1), ("+1", -2), ("plain", None)])
    assert csv_of(table).split("\r\n")[1:4] == ["'=cmd(),1", "'+1,-2", "plain,"]
