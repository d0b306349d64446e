"""Reports by Athena, against a server on this machine that answers as its API documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest

from adapters.outbound.analytics import clients
from adapters.outbound.analytics.athena_reports import AthenaReports
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.embedded.ministack import CREDENTIALS
from domain.kernel.errors import InvalidInput
from projections.media.reports import (
    Filters,
    ReportFailed,
    ReportNotFound,
    ReportsUnavailable,
    ReportTooCostly,
)
from tests.support.aws_wire import Message, read_message
from tests.support.waiting import eventually

DAYS = Filters(date(2026, 11, 1), date(2026, 11, 2))
TYPES = {"broker": "varchar", "requests": "bigint", "timeout_rate": "double", "p50_ms": "bigint"}
ROWS = [("o'hara", "12", "0.25", "140"), ("acme", "3", "0.0", None)]
Json = dict[str, Any]
Answer = Json | tuple[str, str]


def status(state: str, **more: Any) -> Json:
    return {"QueryExecution": {"QueryExecutionId": "q1", "Status": {"State": state, **more}}}


def page(*rows: tuple[str | None, ...], token: str | None = None) -> Json:
    def row(values: tuple[str | None, ...]) -> Json:
        return {"Data": [{} if one is None else {"VarCharValue": one} for one in values]}

    columns = [{"Name": name, "Type": kind} for name, kind in TYPES.items()]
    result = {"Rows": [row(one) for one in rows], "ResultSetMetadata": {"ColumnInfo": columns}}
    return {"ResultSet": result} | ({"NextToken": token} if token else {})


class Athena:
    """``answers``: by operation, in their order, the last one for ever; a pair is an error."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, list[Answer]] = {
            "StartQueryExecution": [{"QueryExecutionId": "q1"}],
            "GetQueryExecution": [status("QUEUED"), status("RUNNING"), status("SUCCEEDED")],
            "GetQueryResults": [page(tuple(TYPES), *ROWS)],
            "StopQueryExecution": [{}],
        }

    def calls(self, operation: str) -> list[Json]:
        return [body for name, body in self.asked if name == operation]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await read_message(reader)) is not None:
            operation = message.headers[b"x-amz-target"].decode().rpartition(".")[2]
            self.asked.append((operation, message.json()))
            answers = self.answers[operation]
            given = answers.pop(0) if len(answers) > 1 else answers[0]
            start, body = b"HTTP/1.1 200 OK", given
            if isinstance(given, tuple):
                start, body = b"HTTP/1.1 400 Bad Request", {"__type": given[0], "message": given[1]}
            kind = {b"content-type": b"application/x-amz-json-1.1"}
            writer.write(Message(start, kind, orjson.dumps(body)).encoded())
            await writer.drain()
        writer.close()


@pytest.fixture
def athena(monkeypatch: pytest.MonkeyPatch) -> Athena:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Athena()


@asynccontextmanager
async def reports(athena: Athena, **options: Any) -> AsyncIterator[AthenaReports]:
    server = await asyncio.start_server(athena.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = AwsConnection("eu-central-1", f"http://127.0.0.1:{port}")
    async with server, clients.athena(connection) as client:
        yield AthenaReports(client, database="home", work_group="g", pause=0.001, **options)


async def test_a_report_is_typed_and_its_header_is_no_row(athena: Athena) -> None:
    async with reports(athena) as port:
        table = await port.run("latency", DAYS)
    assert table.columns == tuple(TYPES)
    assert table.rows == [("o'hara", 12, 0.25, 140), ("acme", 3, 0.0, None)]
    assert not table.truncated
    assert len(athena.calls("GetQueryExecution")) == 3


async def test_filters_go_as_parameters_and_never_into_the_text(athena: Athena) -> None:
    hostile = "x' OR 1=1 --"
    async with reports(athena) as port:
        await port.run("latency", replace(DAYS, broker=hostile))
    [started] = athena.calls("StartQueryExecution")
    assert "OR 1=1" not in started["QueryString"]
    assert started["QueryString"].count("?") == len(started["ExecutionParameters"])
    assert "'x'' OR 1=1 --'" in started["ExecutionParameters"]
    assert started["ExecutionParameters"][:2] == ["'2026-11-01'", "'2026-11-02'"]
    assert started["WorkGroup"] == "g"
    assert started["QueryExecutionContext"] == {"Database": "home"}
    assert "ResultConfiguration" not in started, "the work group says where results go"


async def test_pages_are_followed_until_there_are_rows_enough(athena: Athena) -> None:
    athena.answers["GetQueryResults"] = [
        page(tuple(TYPES), *ROWS, token="2"), page(*ROWS, token="3"), page(*ROWS),
    ]  # fmt: skip
    async with reports(athena) as port:
        table = await port.run("latency", DAYS, limit=3)
    assert (len(table.rows), table.truncated) == (3, True)
    assert [one.get("NextToken") for one in athena.calls("GetQueryResults")] == [None, "2"]


ENDINGS: list[tuple[Json, type[Exception]]] = [
    (status("CANCELLED", StateChangeReason="Bytes scanned limit was exceeded"), ReportTooCostly),
    (status("FAILED", AthenaError={"ErrorCategory": 1, "Retryable": True}), ReportsUnavailable),
    (status("FAILED", AthenaError={"ErrorCategory": 2, "Retryable": False}), ReportFailed),
    (status("FAILED", StateChangeReason="SYNTAX_ERROR: line 1"), ReportFailed),
]


@pytest.mark.parametrize(("ending", "error"), ENDINGS)
async def test_how_a_query_ended_says_whether_to_ask_again(
    athena: Athena, ending: Json, error: type[Exception]
) -> None:
    athena.answers["GetQueryExecution"] = [status("RUNNING"), ending]
    async with reports(athena) as port:
        with pytest.raises(error):
            await port.run("latency", DAYS)
    assert not athena.calls("GetQueryResults")


async def test_a_query_that_takes_too_long_is_stopped(athena: Athena) -> None:
    athena.answers["GetQueryExecution"] = [status("RUNNING")]
    async with reports(athena, time_limit=0.2) as port:
        with pytest.raises(ReportTooCostly):
            await port.run("latency", DAYS)
    assert athena.calls("StopQueryExecution") == [{"QueryExecutionId": "q1"}]


async def test_a_query_that_nobody_waits_for_is_stopped(athena: Athena) -> None:
    athena.answers["GetQueryExecution"] = [status("RUNNING")]

    async def asked() -> bool:
        return bool(athena.calls("GetQueryExecution"))

    async with reports(athena) as port:
        task = asyncio.create_task(port.run("latency", DAYS))
        await eventually(asked, within=10, every=0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert athena.calls("StopQueryExecution")


async def test_a_query_whose_state_cannot_be_asked_is_stopped(athena: Athena) -> None:
    athena.answers["GetQueryExecution"] = [("InternalServerException", "away")]
    async with reports(athena) as port:
        with pytest.raises(ReportsUnavailable):
            await port.run("latency", DAYS)
    assert len(athena.calls("StopQueryExecution")) == 1


async def test_too_many_queries_at_once_are_to_be_asked_again(athena: Athena) -> None:
    athena.answers["StartQueryExecution"] = [("TooManyRequestsException", "slow down")]
    async with reports(athena) as port:
        with pytest.raises(ReportsUnavailable):
            await port.run("latency", DAYS)


async def test_an_unknown_report_costs_no_call(athena: Athena) -> None:
    async with reports(athena) as port:
        with pytest.raises(ReportNotFound):
            await port.run("nothing", DAYS)
        with pytest.raises(InvalidInput):
            await port.run("latency", replace(DAYS, creative="C1"))
    assert not athena.asked
