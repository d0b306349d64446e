"""``homecast read-models``, ``rebuild``, ``verify``, ``repair``: straight at tables and queues."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from adapters.inbound.cli import connection
from adapters.inbound.cli.client import Json
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import plain

T = TypeVar("T")

Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]…", help="Else all")]
Rate = Annotated[
    float | None, typer.Option(min=1, help="Read units a second that the store may be read with")
]
Grace = Annotated[
    float, typer.Option(min=0, help="Seconds in which an event may still be on its way")
]
Segments = Annotated[int, typer.Option(min=1, max=64, help="Of the store, read side by side")]


def register(app: typer.Typer) -> None:
    app.command("read-models")(show)
    app.command()(rebuild)
    app.command()(verify)
    app.command()(repair)


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show version, live slot, lag and dead letters of every read model."""
    found, counters = with_read_side(statuses_and_counters)
    output = output_of(context)
    rows = [one.model_dump(mode="json") for one in found]
    kinds = ", ".join(f"{count} {kind}" for kind, count in counters.items()) or "none"
    lines = [*map(status_text, found), f"devices claimed: {sum(counters.values())} ({kinds})"]
    output.show({"items": rows, "claimed": counters}, lambda: output.line("\n".join(lines)))


async def statuses_and_counters(side: Any) -> tuple[list[Any], dict[str, int]]:
    return await side.statuses.all(), await side.devices.count_by_kind()


def status_text(one: Any) -> str:
    lag = "unknown" if one.lag_seconds is None else f"{one.lag_seconds:.1f} s"
    progress = "" if one.progress is None else f" {one.progress:.0%}"
    lines = [
        f"{one.model}: version {one.version}, {one.live.value} live, {one.phase.value}{progress}",
        f"  lag {lag}, {one.waiting} waiting, {one.dead_letters} dead letters, {one.parked} parked",
    ]
    if one.outdated:
        lines.append(f"  the code has version {one.code_version}: homecast rebuild {one.model}")
    return "\n".join(lines)


def rebuild(
    context: typer.Context,
    model: str,
    rate: Rate = None,
    segments: Segments = 8,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Switch unseen")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Feed the old slot on, to go back")] = False,
    back: Annotated[bool, typer.Option("--back", help="To the slot that was kept")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Feed the live slot only")] = False,
) -> None:
    """Build a read model anew beside the one that is read, then switch. Resumes where it ended."""

    async def work(side: Any) -> None:
        require_known(side, [model])
        with progress_bar(model) as report:
            work = side.rebuild(
                model, report=report, rate=rate, segments=segments, verify=not no_verify, keep=keep
            )
            await (work.back() if back else work.cancel() if cancel else work.run())

    with_read_side(work)
    output_of(context).line(f"{model}: done.")


PHASES = {
    "emptying": "emptying the idle slot",
    "opening": "waiting for a canary",
    "scanning": "reading the store",
    "verifying": "comparing with the store",
    "switched": "switched, waiting for all readers",
    "retiring": "emptying the old slot",
}


@contextmanager
def progress_bar(model: str) -> Iterator[Callable[[Any, Any], None]]:
    """On standard error; phases as lines where there is no terminal."""
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(model, total=1)
        told: list[str] = []

        def report(phase: Any, run: Any) -> None:
            words = PHASES.get(phase.value, phase.value)
            total = max(run.total, run.events, 1)
            bar.update(task, description=f"{model}: {words}", completed=run.events, total=total)
            if not console.is_terminal and told[-1:] != [words]:
                told.append(words)
                console.print(f"{model}: {words}", markup=False)

        yield report


def verify(
    context: typer.Context,
    models: Models = None,
    rate: Rate = None,
    segments: Segments = 8,
    grace: Grace = 10,
    as_json: AsJson = False,
) -> None:
    """Compare every row with the tail of its stream. Exit code 1 when something differs."""
    reports = of_each("verify", models, rate, segments, grace)
    show_reports(context, [report_json(model, report) for model, report in reports.items()])
    if not all(report.clean for report in reports.values()):
        raise typer.Exit(1)


def repair(
    context: typer.Context,
    models: Models = None,
    rate: Rate = None,
    segments: Segments = 8,
    grace: Grace = 10,
    as_json: AsJson = False,
) -> None:
    """Verify, and send what is missing straight to the read model's queue."""
    done = of_each("repair", models, rate, segments, grace)
    rows = [report_json(model, report) | {"repaired": n} for model, (report, n) in done.items()]
    show_reports(context, rows)


def of_each(
    act: str, models: list[str] | None, rate: float | None, segments: int, grace: float
) -> dict[str, Any]:
    """What an act of the read side says of each model."""
    options = {"rate": rate, "segments": segments, "grace": timedelta(seconds=grace)}

    async def work(side: Any) -> dict[str, Any]:
        chosen = require_known(side, models)
        return {model: await getattr(side, act)(model, **options) for model in chosen}

    return with_read_side(work)


def show_reports(context: typer.Context, rows: list[Json]) -> None:
    output = output_of(context)
    output.show(rows, lambda: output.line("\n".join(map(report_text, rows))))


def report_json(model: str, report: Any) -> Json:
    return {
        "model": model,
        "streams": report.streams,
        "events": report.events,
        "rows": report.rows,
        "findings": {kind.value: count for kind, count in sorted(report.counts.items())},
        "miscounted": report.miscounted,
        "unreadable": len(report.unreadable),
        "first": report.in_words(),
    }


def report_text(row: Json) -> str:
    beside = {"miscounted": len(row["miscounted"]), "unreadable": row["unreadable"]}
    counts = row["findings"] | {kind: count for kind, count in beside.items() if count}
    found = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    read = f"{row['rows']} rows of {row['streams']} streams"
    lines = [f"{row['model']}: {read}, {found or 'all as in the store'}"]
    lines += [f"  {one}" for one in row["first"]]
    if "repaired" in row:
        lines.append(f"  {row['repaired']} on their way")
    return plain("\n".join(lines))


def require_known(side: Any, models: list[str] | None) -> list[str]:
    known = list(side.models)
    for model in models or ():
        if model not in known:
            hint = f"There are {', '.join(known)}."
            raise connection.trouble("unknown_model", f"no model {model}", hint=hint, exit_code=2)
    return models or known


def with_read_side(work: Callable[[Any], Awaitable[T]]) -> T:
    """On a machine that may reach the tables: this one, or an operator's."""
    from adapters.bootstrap.operators import read_side

    settings = connection.platform_settings()
    if not settings.read_models_table:
        raise connection.trouble(
            "no_platform",
            "no platform found in this folder",
            hint="Run this where `homecast up` runs, or set HOMECAST_READ_MODELS_TABLE and more.",
            exit_code=2,
        )

    async def run() -> T:
        async with read_side(settings) as side:
            return await work(side)

    return asyncio.run(run())
