"""Reports of the statistics of ads: ``/v1/reports/{name}?from=2026-11-01&to=2026-11-07``.

As JSON, or as CSV for who asks for ``text/csv``. A report is over all services of the platform, so
its scope is given by name only.
"""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import JsonValue

from adapters.inbound.http.auth import Caller, Needs
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import View, answer
from commands.accounts.tokens import ADS_READ
from projections.media.reports import REPORTS, ROWS_MAX, Filters, Reports, Table, Value
from projections.media.statistics import TEXT_MAX

router = APIRouter(prefix="/v1/reports", tags=["reports"], responses=DOCUMENTED)
CSV = "text/csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ReportsContainer(Protocol):
    """What reports need; ``app.state.reports``."""

    @property
    def reports(self) -> Reports: ...


def container_of(request: Request) -> ReportsContainer:
    container: ReportsContainer = request.app.state.reports
    return container


Container = Annotated[ReportsContainer, Depends(container_of)]
Reader = Annotated[Caller, Depends(Needs(ADS_READ))]
Name = Annotated[str, Path(max_length=64)]
First = Annotated[date, Query(alias="from", description="UTC day, included")]
Last = Annotated[date, Query(alias="to", description="UTC day, included")]
Wanted = Annotated[str, Query(max_length=TEXT_MAX)]
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX)]


class ReportView(View):
    """``rows``: values in the order of ``columns``. ``truncated``: there are more rows."""

    name: str
    columns: list[str]
    rows: list[list[JsonValue]]
    truncated: bool


class ReportAbout(View):
    """``filters``: names of query parameters beside ``from`` and ``to``."""

    name: str
    title: str
    filters: list[str]


class ReportList(View):
    items: list[ReportAbout]


@router.get("", response_model=ReportList)
async def list_reports(_: Reader) -> Response:
    """What can be asked."""
    about = [
        {"name": name, "title": one.title, "filters": one.filters} for name, one in REPORTS.items()
    ]
    return answer({"items": about})


@router.get(
    "/{name}", response_model=ReportView, responses={200: {"content": {CSV: {}}}, **DOCUMENTED}
)
async def run_report(
    request: Request,
    name: Name,
    _: Reader,
    container: Container,
    first: First,
    last: Last,
    broker: Wanted = "",
    campaign: Wanted = "",
    service: Wanted = "",
    creative: Wanted = "",
    limit: Limit = ROWS_MAX,
) -> Response:
    """Records show up a minute or two after they happened. CSV tells of more rows by the header
    ``Truncated: ?1``."""
    filters = Filters(first, last, broker, campaign, service, creative)
    table = await container.reports.run(name, filters, limit=limit)
    if wants_csv(request.headers.get("accept", "")):
        told = {"Vary": "Accept"} | ({"Truncated": "?1"} if table.truncated else {})
        return Response(csv_of(table), headers=told, media_type=CSV)
    return answer(
        {
            "name": name,
            "columns": table.columns,
            "rows": table.rows,
            "truncated": table.truncated,
        },
        Vary="Accept",
    )


def wants_csv(accept: str) -> bool:
    """JSON, unless CSV is asked for and JSON is not."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return CSV in kinds and "application/json" not in kinds


def csv_of(table: Table) -> str:
    """RFC 4180. Texts come from brokers: one that a spreadsheet would take for a formula is marked
    as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def cell(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
