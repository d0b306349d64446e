"""``homecast report``: statistics of ads, asked of the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.inbound.cli.client import ApiClient
from adapters.inbound.cli.connection import find_connection
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import plain

reports = typer.Typer(no_args_is_help=True, help="Statistics of ads.")
DAY = ["%Y-%m-%d"]
Name = Annotated[str, typer.Argument(metavar="REPORT", help="As `homecast report list` names it")]
First = Annotated[
    datetime | None, typer.Option("--from", formats=DAY, help="UTC day; else a week ago")
]
Last = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="UTC day; else today")]
WEEK = timedelta(days=6)


@reports.command("list")
def list_reports(context: typer.Context, as_json: AsJson = False) -> None:
    """List the reports and what they can be narrowed down by."""
    with connect() as api:
        found = api.reports()
    output = output_of(context)

    def lines() -> None:
        for one in found:
            by = ", ".join(f"--{name}" for name in one["filters"])
            output.line(f"{one['name']:<18}", plain(one["title"]), f"({by})")

    output.show(found, lines)


@reports.command("show")
def show_report(
    context: typer.Context,
    name: Name,
    first: First = None,
    last: Last = None,
    broker: Annotated[str, typer.Option(help="Only of this broker")] = "",
    campaign: Annotated[str, typer.Option(help="Only of this campaign")] = "",
    service: Annotated[str, typer.Option(help="Only of this channel, app or site")] = "",
    creative: Annotated[str, typer.Option(help="Only of this creative, by our id")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show a report over the last seven days, or the days given."""
    until = (last or datetime.now(UTC)).date()
    since = first.date() if first else until - WEEK
    filters = {"broker": broker, "campaign": campaign, "service": service, "creative": creative}
    asked = {"from": since.isoformat(), "to": until.isoformat(), "limit": str(limit)}
    with connect() as api:
        report = api.report(name, asked | {key: given for key, given in filters.items() if given})
    output = output_of(context)
    output.show(report, lambda: output.out.print(table_of(report)))
    if report["truncated"]:
        output.note(f"There are more than {limit} rows.")


def table_of(report: dict[str, Any]) -> Table | str:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in report["columns"]:
        table.add_column(plain(column).replace("_", " "), overflow="fold")
    for row in report["rows"]:
        table.add_row(*map(cell, row))
    return table if table.row_count else "Nothing was recorded on these days."


def cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def connect() -> ApiClient:
    return ApiClient(find_connection())
