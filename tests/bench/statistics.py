"""Reports by DuckDB over many records, as the API's process makes them.

``python -m tests.bench.statistics [ROWS] [FILES_A_DAY] [ROUNDS]`` prints a table. The records are
made by DuckDB itself: a week, sorted by time as the deliverer writes them, every hundredth twice.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb

from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from projections.media.reports import REPORTS, Filters
from projections.media.statistics import COLUMNS
from tests.bench.markdown import table
from tests.support.statistics import FolderFiles

FIRST, DAYS = date(2026, 11, 1), 7
AIM = 2.0
"""Seconds of a report, on two cores."""

RECORDS = """
WITH told AS (
  SELECT i, i - CAST(i % 100 = 0 AS INTEGER) AS n FROM range({begin}, {end}) AS one(i)
),
thrown AS (
  SELECT i, n, hash(n) AS key, hash(n, 'kind') % 1000 AS kinds, hash(n, 'a') % 997 AS a,
    hash(n, 'b') % 991 AS b, hash(n, 'session') % {viewers} AS viewer
  FROM told
),
named AS (
  SELECT *, CASE
    WHEN kinds < 80 THEN 'request' WHEN kinds < 240 THEN 'ad' WHEN kinds < 241 THEN 'ready'
    WHEN kinds < 390 THEN 'impression' WHEN kinds < 535 THEN 'start'
    WHEN kinds < 665 THEN 'first_quartile' WHEN kinds < 785 THEN 'midpoint'
    WHEN kinds < 890 THEN 'third_quartile' WHEN kinds < 985 THEN 'complete'
    WHEN kinds < 989 THEN 'click' WHEN kinds < 995 THEN 'error' ELSE 'skip' END AS kind
  FROM thrown
)
SELECT upper(left(md5(CAST(n AS VARCHAR)), 26)) AS event_id,
  CAST(key // 2 AS BIGINT) AS event_key,
  CAST(TIMESTAMP '{day} 00:00:00' + to_microseconds(CAST((i - {day_begin}) * {micros} AS BIGINT))
    AS TIMESTAMP_MS) AS occurred_at,
  kind,
  CASE WHEN kind = 'request' THEN CASE WHEN a < 800 THEN 'ok' WHEN a < 900 THEN 'no_ad'
      WHEN a < 970 THEN 'timeout' ELSE 'error' END
    WHEN kind = 'ad' THEN CASE WHEN a < 900 THEN 'filled' ELSE 'skipped' END END AS outcome,
  CASE WHEN kind = 'ad' AND a >= 900 THEN 'NEW_CREATIVE' ELSE '' END AS reason,
  CASE WHEN kind = 'ad' AND a >= 900 THEN 407 WHEN kind = 'error' THEN 400 + a % 6 END
    AS error_code,
  CASE WHEN kind = 'request' THEN 20 + b END AS latency_ms,
  CASE WHEN kind = 'ready' THEN 1000 * a END AS wait_ms,
  CASE WHEN kind = 'request' THEN 1 + a % 3 END AS slots,
  'r' || CAST(n // 12 AS VARCHAR) AS request_id, 'broker-' || CAST(a % 8 AS VARCHAR) AS broker,
  'ad-' || CAST(b AS VARCHAR) AS ad_id, left(md5(CAST(b AS VARCHAR)), 26) AS creative_id,
  'campaign-' || CAST(b % 120 AS VARCHAR) AS campaign,
  'advertiser-' || CAST(b % 60 AS VARCHAR) AS advertiser,
  'service-' || CAST(a % 5 AS VARCHAR) AS service,
  left(md5(CAST(viewer AS VARCHAR)), 22) AS session,
  CASE WHEN a % 3 = 0 THEN 'ctv' ELSE 'phone' END AS device,
  CAST(1000000 + b * 20000 AS BIGINT) AS price_micros, 'EUR' AS currency,
  CASE WHEN b % 10 = 0 THEN 'CPC' WHEN b % 10 = 1 THEN 'CPV' ELSE 'CPM' END AS pricing,
  CAST(a % 3 AS INTEGER) AS position, 1 AS schema_version
FROM named
ORDER BY occurred_at
"""


@dataclass(frozen=True)
class Spent:
    """Seconds, and rows of the answer."""

    wall: float
    processor: float
    rows: int


def generate(root: Path, rows: int, files_a_day: int) -> int:
    """How many bytes the files have."""
    each = rows // DAYS // files_a_day
    connection = duckdb.connect(config={"threads": 2})
    for number in range(DAYS * files_a_day):
        day = FIRST + timedelta(days=number // files_a_day)
        sql = RECORDS.format(
            begin=number * each,
            end=(number + 1) * each,
            day=day,
            day_begin=number // files_a_day * files_a_day * each,
            micros=86_400_000_000 // (each * files_a_day),
            viewers=max(rows // 50, 1),
        )
        folder = root / f"dt={day}"
        folder.mkdir(exist_ok=True)
        columns = ", ".join(COLUMNS)
        connection.execute(
            f"COPY (SELECT {columns} FROM ({sql})) TO '{folder}/{number:06}.parquet'"
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )
    connection.close()
    return sum(one.stat().st_size for one in root.glob("dt=*/*"))


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measured(reports: DuckDbReports, name: str, filters: Filters) -> Spent:
    wall, before = time.perf_counter(), processor()
    answer = await reports.run(name, filters)
    return Spent(time.perf_counter() - wall, processor() - before, len(answer.rows))


async def measure(root: Path, rounds: int) -> dict[str, list[Spent]]:
    reports = DuckDbReports(FolderFiles(root), time_limit=120.0)
    filters = Filters(FIRST, FIRST + timedelta(days=DAYS - 1))
    return {
        name: [await measured(reports, name, filters) for _ in range(rounds)] for name in REPORTS
    }


def row(name: str, spent: Sequence[Spent]) -> list[str]:
    wall = median(one.wall for one in spent)
    used = median(one.processor for one in spent)
    verdict = "met" if wall <= AIM else "**missed**"
    return [name, f"{wall:.2f}", f"{used:.2f}", f"{spent[-1].rows:,}", verdict]


def main() -> None:
    given = [int(one) for one in sys.argv[1:]]
    rows, files_a_day, rounds = (*given, *(10_000_000, 24, 3)[len(given) :])
    with tempfile.TemporaryDirectory(prefix="homecast-statistics-") as folder:
        began = time.perf_counter()
        size = generate(Path(folder), rows, files_a_day)
        print(
            f"{rows:,} records, {size / 1e6:,.0f} MB in {DAYS * files_a_day} files, made in"
            f" {time.perf_counter() - began:.0f} s; median of {rounds}\n"
        )
        results = asyncio.run(measure(Path(folder), rounds))
    head = ("report", "wall, s", "processor, s", "rows", f"at most {AIM:g} s")
    print(table(head, [row(name, spent) for name, spent in results.items()]))


if __name__ == "__main__":
    main()
