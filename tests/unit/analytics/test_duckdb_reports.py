from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from adapters.outbound.analytics import duckdb_reports
from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from adapters.outbound.analytics.sql import TEXTS, athena_sql, duckdb_sql, literal, used
from domain.kernel.errors import InvalidInput
from projections.media.reports import (
    NAMES,
    REPORTS,
    Filters,
    ReportFailed,
    ReportNotFound,
    ReportsUnavailable,
    ReportTooCostly,
    Table,
)
from projections.media.statistics import Kind, Record
from tests.support.statistics import FolderFiles, Traffic, record
from tests.unit.analytics.recount import RECOUNTS, Rows

DAYS = Filters(date(2026, 11, 1), date(2026, 11, 2))
SEEDS = (1, 2, 3)


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path)


def comparable(table: Table) -> Rows:
    """Percentiles are approximate: they have a test of their own."""
    kept = [n for n, name in enumerate(table.columns) if re.match(r"p\d+_ms", name) is None]
    return {
        tuple(round(v, 9) if isinstance(v, float) else v for v in (row[n] for n in kept))
        for row in table.rows
    }


def rounded(rows: Rows) -> Rows:
    return {tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in rows}


def matching(records: Sequence[Record], filters: Filters) -> list[Record]:
    return [
        one
        for one in records
        if filters.broker in ("", one.broker)
        and filters.campaign in ("", one.campaign)
        and filters.service in ("", one.service)
        and filters.creative in ("", one.creative_id)
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_counts_each_event_once(files: FolderFiles, name: str, seed: int) -> None:
    traffic = Traffic(seed)
    assert len(traffic.all) > len(traffic.once)
    half = len(traffic.all) // 2
    files.add(traffic.all[:half])
    files.add(traffic.all[half:])
    table = await DuckDbReports(files).run(name, DAYS)
    assert table.rows
    assert len(table.rows) == len(comparable(table)), "no row twice"
    assert comparable(table) == rounded(RECOUNTS[name](traffic.once))
    assert not table.truncated


@pytest.mark.parametrize(
    "narrowed",
    [{"broker": "o'hara \"&\" sons"}, {"broker": "zeta\\' OR 1=1 --"}, {"campaign": "sommer ü"},
     {"service": "tv"}, {"creative": "C2"}, {"broker": "' OR ''='"}],
    ids=str,
)  # fmt: skip
async def test_a_filter_is_a_value_and_never_sql(
    files: FolderFiles, narrowed: dict[str, str]
) -> None:
    traffic = Traffic(7)
    files.add(traffic.all)
    [filtered] = narrowed
    changes: dict[str, Any] = {**narrowed}
    filters = replace(DAYS, **changes)
    heeding = [name for name, one in REPORTS.items() if filtered in one.filters]
    assert heeding
    for name in heeding:
        table = await DuckDbReports(files).run(name, filters)
        assert comparable(table) == rounded(RECOUNTS[name](matching(traffic.once, filters)))


async def test_percentiles_are_near_the_true_ones(files: FolderFiles) -> None:
    files.add([record(n, Kind.REQUEST, latency_ms=n) for n in range(1, 1001)])
    table = await DuckDbReports(files).run("latency", DAYS)
    [row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert row["p50_ms"] == pytest.approx(500, abs=20)
    assert row["p95_ms"] == pytest.approx(950, abs=20)
    assert row["p99_ms"] == pytest.approx(990, abs=10)


async def test_only_the_days_asked_for_are_counted(files: FolderFiles) -> None:
    files.add(Traffic(1).once)
    day = Filters(date(2026, 11, 2), date(2026, 11, 2))
    table = await DuckDbReports(files).run("completion", day)
    assert {row[2] for row in table.rows} == {"2026-11-02"}


async def test_days_without_files_give_no_rows(files: FolderFiles) -> None:
    for name in REPORTS:
        table = await DuckDbReports(files).run(name, DAYS)
        assert (table.rows, bool(table.columns)) == ([], True)


async def test_more_rows_than_asked_for_are_told(files: FolderFiles) -> None:
    files.add(Traffic(1).once)
    table = await DuckDbReports(files).run("fill-rate", DAYS, limit=2)
    assert (len(table.rows), table.truncated) == (2, True)


async def test_a_file_of_an_older_schema_lacks_columns(files: FolderFiles) -> None:
    """Firehose and older versions of this program know fewer."""
    folder = files.root / "dt=2026-11-01"
    folder.mkdir()
    duckdb.sql(
        "COPY (SELECT 'x' AS event_id, 7::BIGINT AS event_key, 'acme' AS broker, "
        "TIMESTAMP '2026-11-01 12:00' AS occurred_at, 'request' AS kind, 'ok' AS outcome) "
        f"TO '{folder}/old.parquet'"
    )
    files.add([record(1, Kind.REQUEST, latency_ms=5, outcome="ok")])
    table = await DuckDbReports(files).run("latency", DAYS)
    assert table.rows[0][:2] == ("acme", 2)
    for path in folder.glob("*.parquet"):
        if path.name != "old.parquet":
            path.unlink()
    assert (await DuckDbReports(files).run("fill-rate", DAYS)).rows[0][:3] == (
        "acme",
        "2026-11-01T12:00Z",
        1,
    )


# --- what it may not ------------------------------------------------------------------------------


async def test_an_unknown_report_and_a_useless_filter_are_refused(files: FolderFiles) -> None:
    with pytest.raises(ReportNotFound):
        await DuckDbReports(files).run("nothing", DAYS)
    with pytest.raises(InvalidInput):
        await DuckDbReports(files).run("readiness", replace(DAYS, creative="C1"))


async def test_a_database_reads_its_folder_and_nothing_else(
    files: FolderFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files.add(Traffic(1).once)
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.csv"
    secret.write_text("a\n1\n")
    connection = DuckDbReports(files)._opened(await files.of(DAYS.days()))
    assert connection.execute("SELECT count(*) FROM statistics").fetchone()[0] > 0
    for hostile in (
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM '{files.root}/../../{secret.parent.name}/secret.csv'",
        f"COPY statistics TO '{secret.parent}/out.csv'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "SET allowed_directories = ['/']",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(hostile)
    connection.close()


async def test_a_report_that_takes_too_long_is_given_up(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "SELECT count(*) FROM range(100000000000) a, range(1000) b"
    monkeypatch.setattr(duckdb_reports, "duckdb_sql", lambda _: endless)
    monkeypatch.setattr(duckdb_reports, "used", lambda _: set())
    reports = DuckDbReports(files, time_limit=0.2)
    async with asyncio.timeout(20):
        with pytest.raises(ReportTooCostly):
            await reports.run("latency", DAYS)
    monkeypatch.undo()
    assert (await reports.run("latency", DAYS)).rows == [], "its place is free again"


async def test_a_report_that_needs_too_much_memory_is_given_up(
    files: FolderFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = "SELECT range AS r, count(*) FROM range(50000000) GROUP BY ALL ORDER BY r"
    monkeypatch.setattr(duckdb_reports, "duckdb_sql", lambda _: large)
    monkeypatch.setattr(duckdb_reports, "used", lambda _: set())
    with pytest.raises(ReportTooCostly):
        await DuckDbReports(files, memory="50MB").run("latency", DAYS)


async def test_a_broken_file_is_told_as_such(files: FolderFiles) -> None:
    folder = files.root / "dt=2026-11-01"
    folder.mkdir()
    (folder / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises((ReportsUnavailable, ReportFailed)):
        await DuckDbReports(files).run("latency", DAYS)


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2026, 11, 2), date(2026, 11, 1)), (date(2026, 1, 1), date(2026, 11, 1))],
)
def test_days_are_in_order_and_not_too_many(first: date, last: date) -> None:
    with pytest.raises(InvalidInput):
        Filters(first, last)


# --- the texts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTS)
def test_a_text_is_athena_sql_with_the_parameters_of_its_report(name: str) -> None:
    parsed = sqlglot.parse_one(TEXTS[name], read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    placeholders = {one.name for one in parsed.find_all(sqlglot.exp.Placeholder)}
    assert placeholders == used(name) == {"first", "last", *REPORTS[name].filters}
    given = Filters(date(2026, 11, 1), date(2026, 11, 2), broker="o'hara")
    text, values = athena_sql(name, given.parameters())
    again = sqlglot.parse_one(text, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(list(again.find_all(sqlglot.exp.Placeholder))) == len(values) == text.count("?")
    assert values[:2] == ["'2026-11-01'", "'2026-11-02'"]
    assert ":" not in re.sub(r"'[^']*'", "", text)


def test_every_report_has_a_text_and_every_text_a_report() -> None:
    assert set(TEXTS) == set(REPORTS) == set(RECOUNTS)
    assert all(set(one.filters) <= set(NAMES) for one in REPORTS.values())
    assert all("$first" in duckdb_sql(name) for name in TEXTS)


@pytest.mark.parametrize("value", ["", "a", "o'hara", "''", "\\'", "a'; DROP TABLE x --", "ü\\"])
def test_a_literal_is_one_literal(value: str) -> None:
    parsed = sqlglot.parse_one(literal(value), read="athena")
    assert isinstance(parsed, sqlglot.exp.Literal)
    assert parsed.this == value
