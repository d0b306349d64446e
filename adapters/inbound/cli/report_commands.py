"""``homecast report``: statistics of ads, asked of the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.inbound.cli.client import ApiClient
from adapters.inbound.cli.connection import find_connection
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import Output, plain

DAY = ["%Y-%m-%d"]
Name = Annotated[str, typer.Argument(metavar="[REPORT]", help="As listed without it")]
First = Annotated[
    datetime | None, typer.Option("--from", formats=DAY, help="UTC day; else a week ago")
]
Last = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="UTC day; else today")]
WEEK = timedelta(days=6)


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def report(
    context: typer.Context,
    name: Name = "",
    first: First = None,
    last: Last = None,
    broker: Annotated[str, typer.Option(help="Only of this broker")] = "",
    campaign: Annotated[str, typer.Option(help="Only of this campaign")] = "",
    service: Annotated[str, typer.Option(help="Only of this channel, app or site")] = "",
    creative: Annotated[str, typer.Option(help="Only of this creative, by our id")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Statistics of ads over the last seven days, or the days given; without a name, what there is.

    As `homecast report fill-rate --from 2026-11-01 --to 2026-11-07 --broker acme`.
    """
    if not name:
        list_reports(output_of(context))
        return
    until = (last or datetime.now(UTC)).date()
    since = first.date() if first else until - WEEK
    filters = {"broker": broker, "campaign": campaign, "service": service, "creative": creative}
    asked = {"from": since.isoformat(), "to": until.isoformat(), "limit": str(limit)}
    with connect() as api:
        found = api.report(name, asked | {key: given for key, given in filters.items() if given})
    output = output_of(context)
    output.show(found, lambda: output.out.print(table_of(found)))
    if found["truncated"]:
        output.note(f"There are more than {limit} rows.")


def list_reports(output: Output) -> None:
    with connect() as api:
        found = api.reports()

    def lines() -> None:
        for one in found:
            by = ", ".join(f"--{name}" for name in one["filters"])
            output.line(f"{one['name']:<18}", plain(one["title"]), f"({by})")

    output.show(found, lines)


def table_of(found: dict[str, Any]) -> Table | str:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in found["columns"]:
        table.add_column(plain(column).replace("_", " "), overflow="fold")
    for row in found["rows"]:
        table.add_row(*map(cell, row))
    return table if table.row_count else "Nothing was recorded on these days."


def cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def connect() -> ApiClient:
    return ApiClient(find_connection())
