"""Reports by Athena over the same files in S3."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.outbound.analytics.sql import athena_sql
from adapters.outbound.dynamodb.client import store_errors
from domain.kernel.errors import HomecastError
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

if TYPE_CHECKING:
    from types_aiobotocore_athena import AthenaClient

TIME_LIMIT = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
PAGE = 1000
"""Rows that GetQueryResults gives at most."""
WHOLE = frozenset({"tinyint", "smallint", "integer", "int", "bigint"})
BROKEN = frozenset({"double", "float", "real", "decimal"})
SYSTEM = 1
"""``ErrorCategory``: 1 Athena's own, 2 the query's, 3 others'."""


class AthenaReports:
    """Port ``Reports``. The work group says where results go, and how much a query may scan."""

    def __init__(
        self,
        client: AthenaClient,
        *,
        database: str,
        work_group: str,
        time_limit: float = TIME_LIMIT,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._client = client
        self._database = database
        self._work_group = work_group
        self._time_limit = time_limit
        self._pause = pause

    async def run(self, name: str, filters: Filters, *, limit: int = ROWS_MAX) -> Table:
        report_of(name, filters)
        query, values = athena_sql(name, filters.parameters())
        try:
            with store_errors():
                started = await self._client.start_query_execution(
                    QueryString=query,
                    ExecutionParameters=values,
                    QueryExecutionContext={"Database": self._database},
                    WorkGroup=self._work_group,
                )
            return await self._answer(started["QueryExecutionId"], limit)
        except (ReportTooCostly, ReportFailed, ReportsUnavailable):
            raise
        except HomecastError as error:
            raise ReportsUnavailable(f"Athena: {error.detail}") from error

    async def _answer(self, execution: str, limit: int) -> Table:
        """A query that nobody waits for any more is stopped: it costs money."""
        try:
            async with asyncio.timeout(self._time_limit):
                await self._ended(execution)
                return await self._rows(execution, limit)
        except TimeoutError as error:
            await self._stop(execution)
            raise ReportTooCostly(f"the report took over {self._time_limit:g} s") from error
        except (ReportTooCostly, ReportFailed):
            raise  # Athena has ended it itself
        except (asyncio.CancelledError, HomecastError):
            await self._stop(execution)
            raise

    async def _ended(self, execution: str) -> None:
        pause = self._pause
        while True:
            with store_errors():
                answer = await self._client.get_query_execution(QueryExecutionId=execution)
            status = answer["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return
            if status["State"] in ("FAILED", "CANCELLED"):
                raise failure(status)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _rows(self, execution: str, limit: int) -> Table:
        """The first row of the first page is the names of the columns."""
        rows: list[tuple[Value, ...]] = []
        request: dict[str, Any] = {"QueryExecutionId": execution, "MaxResults": PAGE}
        header = True
        while True:
            with store_errors():
                answer = await self._client.get_query_results(**request)
            result = answer["ResultSet"]
            columns = result["ResultSetMetadata"]["ColumnInfo"]
            casts = [cast_of(one["Type"]) for one in columns]
            rows += [typed(row, casts) for row in result["Rows"][1 if header else 0 :]]
            header, token = False, answer.get("NextToken")
            if len(rows) > limit or not token:
                names = tuple(one["Name"] for one in columns)
                return Table(names, rows[:limit], truncated=len(rows) > limit)
            request["NextToken"] = token

    async def _stop(self, execution: str) -> None:
        try:
            with store_errors():
                await self._client.stop_query_execution(QueryExecutionId=execution)
        except HomecastError:
            return  # the work group's limit stops it at the latest


def failure(status: Mapping[str, Any]) -> ReportTooCostly | ReportsUnavailable | ReportFailed:
    """What Athena says quotes the query, not the data; it goes to the log of who asks."""
    reason = str(status.get("StateChangeReason", ""))[:300]
    error = status.get("AthenaError") or {}
    if status["State"] == "CANCELLED":
        return ReportTooCostly("Athena stopped the report: it scanned more than it may")
    if error.get("Retryable") or error.get("ErrorCategory") == SYSTEM:
        return ReportsUnavailable(f"Athena failed: {reason}")
    return ReportFailed(f"Athena refused the query: {reason}")


def cast_of(kind: str) -> Callable[[str], Value]:
    if kind in WHOLE:
        return int
    return float if kind in BROKEN else str


def typed(row: Any, casts: Sequence[Callable[[str], Value]]) -> tuple[Value, ...]:
    """A NULL has no value at all."""
    data: Sequence[Mapping[str, str]] = row["Data"]
    return tuple(
        None if (text := one.get("VarCharValue")) is None else cast(text)
        for one, cast in zip(data, casts, strict=True)
    )
