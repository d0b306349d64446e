"""Reports by DuckDB over Parquet files on this machine's disk.

Each report has a database of its own, in memory, that can read the files it was given and nothing
else: no other files, no network, no extensions, no change of its settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast

import duckdb

from adapters.outbound.analytics.sql import duckdb_sql, used
from projections.media.reports import (
    ROWS_MAX,
    Filters,
    ReportFailed,
    ReportsUnavailable,
    ReportTooCostly,
    Table,
    Value,
    report_of,
)
from projections.media.statistics import COLUMNS, DAY

TIME_LIMIT = 30.0
MEMORY = "1GB"
THREADS = 2
AT_ONCE = 2
TYPES = {"string": "VARCHAR", "bigint": "BIGINT", "int": "INTEGER", "timestamp": "TIMESTAMP_MS"}


class DayFiles(Protocol):
    """Parquet files of days, in folders ``dt=…`` below one root."""

    @property
    def root(self) -> Path: ...

    async def of(self, days: Sequence[str]) -> Sequence[Path]:
        """Raises ``ReportsUnavailable``, ``ReportTooCostly``."""


class DuckDbReports:
    """Port ``Reports``."""

    def __init__(
        self,
        files: DayFiles,
        *,
        time_limit: float = TIME_LIMIT,
        memory: str = MEMORY,
        threads: int = THREADS,
        at_once: int = AT_ONCE,
    ) -> None:
        self._files = files
        self._time_limit = time_limit
        self._memory = memory
        self._threads = threads
        self._places = asyncio.Semaphore(at_once)

    async def run(self, name: str, filters: Filters, *, limit: int = ROWS_MAX) -> Table:
        report_of(name, filters)
        try:
            async with asyncio.timeout(self._time_limit), self._places:
                files = await self._files.of(filters.days())
                connection = await asyncio.to_thread(self._opened, files)
                try:
                    return await self._answer(connection, name, filters, limit)
                finally:
                    connection.close()
        except TimeoutError as error:
            raise ReportTooCostly(f"the report took over {self._time_limit:g} s") from error

    async def _answer(self, connection: Any, name: str, filters: Filters, limit: int) -> Table:
        """A query goes on in its thread until it is told to stop."""
        given = filters.parameters()
        parameters = {one: given[one] for one in used(name)}
        task = asyncio.create_task(
            asyncio.to_thread(queried, connection, duckdb_sql(name), parameters, limit)
        )
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                connection.interrupt()
                await asyncio.wait({task}, timeout=0.02)
            task.exception()  # of the interruption; seen, so that nobody logs it
            raise

    def _opened(self, files: Sequence[Path]) -> Any:
        connection = duckdb.connect(
            ":memory:",
            config={
                "threads": self._threads,
                "memory_limit": self._memory,
                "max_temp_directory_size": "0KB",
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            },
        )
        root = str(self._files.root.resolve()).replace("'", "''")
        # In this order: the folder cannot be named any more once all others are shut out.
        connection.execute(f"SET allowed_directories = ['{root}']")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            connection.execute(relation(files))
        except duckdb.Error as error:
            connection.close()
            raise failure(error) from error
        return connection


def relation(files: Sequence[Path]) -> str:
    """A view over the files, with all columns of today: older files lack some, and without any
    file there are the columns alone."""
    nothing = ", ".join(f"CAST(NULL AS {TYPES[kind]}) AS {name}" for name, kind in COLUMNS.items())
    empty = f"SELECT {nothing}, CAST(NULL AS VARCHAR) AS {DAY} WHERE false"
    if not files:
        return f"CREATE VIEW statistics AS {empty}"
    listed = ", ".join(map(quoted, files))
    options = f"hive_partitioning = true, hive_types = {{'{DAY}': VARCHAR}}, union_by_name = true"
    held = f"SELECT * FROM read_parquet([{listed}], {options})"  # noqa: S608 ours
    return f"CREATE VIEW statistics AS {held} UNION ALL BY NAME {empty}"


def quoted(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"


def queried(connection: Any, sql: str, parameters: dict[str, str], limit: int) -> Table:
    try:
        answer = connection.execute(sql, parameters)
        columns = tuple(str(one[0]) for one in answer.description)
        rows = answer.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise failure(error) from error
    shown = [tuple(plain(value) for value in row) for row in rows[:limit]]
    return Table(columns, shown, truncated=len(rows) > limit)


def plain(value: object) -> Value:
    match value:
        case Decimal():
            return float(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            return cast("Value", value)


def failure(error: duckdb.Error) -> ReportTooCostly | ReportsUnavailable | ReportFailed:
    match error:
        case duckdb.InterruptException() | duckdb.OutOfMemoryException():
            return ReportTooCostly("the report took more time or memory than it may")
        case duckdb.IOException():
            return ReportsUnavailable("a file of the statistics cannot be read")
        case _:
            return ReportFailed(f"DuckDB: {type(error).__name__}")
