"""``homecast parked`` and ``homecast dead-letters``, straight on tables and queues."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from adapters.inbound.cli import connection
from adapters.inbound.cli.client import Json
from adapters.inbound.cli.options import AsJson, output_of
from adapters.inbound.cli.render import Output, plain

T = TypeVar("T")

parked = typer.Typer(no_args_is_help=True, help="Rows of read models that cannot go on.")
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that no worker could handle.")
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Such as remote_commands")]
RowName = Annotated[str, typer.Argument(metavar="ROW", help="As listed")]
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="As listed")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


# --- parked rows ----------------------------------------------------------------------------------


@parked.command("list")
def list_parked(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Only of this read model")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those seen to")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List parked rows with what stopped them."""
    found, more = operate(
        lambda acts: acts.parked.list(model=model, limit=limit, everything=everything)
    )
    output, rows = output_of(context), [parked_json(one) for one in found]
    output.show(rows, lambda: parked_lines(output, rows))
    if more:
        output.note(f"There are more than {limit}.")


@parked.command("show")
def show_parked(
    context: typer.Context, model: ModelName, row: RowName, as_json: AsJson = False
) -> None:
    """Show the event, the error, the trace and what was done about a parked row."""
    entry = parked_json(operate(lambda acts: acts.parked.show(model, row)))
    output = output_of(context)

    def lines() -> None:
        for name, value in entry.items():
            if name not in ("event", "actions"):
                output.line(Text(f"{name:<15}", "dim"), plain(str(value)))
        output.line(Text("event", "dim"))
        output.json(entry["event"])
        action_lines(output, entry["actions"])

    output.show(entry, lines)


@parked.command("retry")
def retry_parked(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]")] = None,
    row: Annotated[str | None, typer.Argument(metavar="[ROW]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All rows, of MODEL or any")] = False,
    only_model: Annotated[str, typer.Option("--model", help="With --all: of this one")] = "",
    as_json: AsJson = False,
) -> None:
    """Apply the event again, once its cause is mended. Exit code 1 if a row stays parked."""
    output, of_model = output_of(context), only_model or model or ""
    if everything and row is None:
        entries = operate(lambda acts: retry_all(acts, of_model))
    elif model and row and not everything:
        entries = [operate(lambda acts: acts.parked.retry(model, row, who=who()))]
    else:
        raise typer.BadParameter("give MODEL and ROW, or --all")
    rows = [parked_json(one) for one in entries]
    output.show(rows, lambda: parked_lines(output, rows))
    if any(one["status"] == "PARKED" for one in rows):
        raise typer.Exit(1)


async def retry_all(acts: Any, model: str) -> list[Any]:
    """Those that are listed now; each row once."""
    listed = [entry async for entry in acts.parked.every(model)]
    return [await acts.parked.retry(one.model, one.row, who=who()) for one in listed]


@parked.command("skip")
def skip_parked(
    context: typer.Context,
    model: ModelName,
    row: RowName,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Go on without the event: the row will lack what it says. Exit code 1 if it stays parked."""
    if not yes:
        typer.confirm(f"Skip the event that stopped {row}?", abort=True, err=True)
    entry = parked_json(operate(lambda acts: acts.parked.skip(model, row, who=who())))
    output = output_of(context)
    output.show(entry, lambda: parked_lines(output, [entry]))
    if entry["status"] == "PARKED":
        raise typer.Exit(1)


@parked.command("drop")
def drop_parked(
    context: typer.Context,
    model: ModelName,
    row: RowName,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let the row stand as it is, until the model is rebuilt or the row retried."""
    if not yes:
        typer.confirm(f"Give up on {row}?", abort=True, err=True)
    entry = parked_json(operate(lambda acts: acts.parked.drop(model, row, who=who())))
    output = output_of(context)
    output.show(entry, lambda: parked_lines(output, [entry]))


# --- dead letters ---------------------------------------------------------------------------------


@dead_letters.command("list")
def list_dead_letters(context: typer.Context, as_json: AsJson = False) -> None:
    """Count dead letters, by the queue that they come from."""
    found = [asdict(one) for one in operate(lambda acts: acts.dead_letters.waiting())]
    output = output_of(context)

    def lines() -> None:
        for one in found:
            flight = f", {one['in_flight']} being looked at" if one["in_flight"] else ""
            output.line(f"{one['queue']:<24} {one['waiting']}{flight}")

    output.show(found, lines)


@dead_letters.command("show")
def show_dead_letters(
    context: typer.Context,
    queue: QueueName,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the first dead letters of a queue; they stay there."""
    letters = operate(lambda acts: acts.dead_letters.peek(queue, limit=limit))
    found = [asdict(one) | {"sent_at": one.sent_at.isoformat()} for one in letters]
    output = output_of(context)

    def lines() -> None:
        for one in found:
            why = one["error"] or f"received {one['received']} times here"
            output.line(Text(one["id"], "bold"), "", one["sent_at"], "", plain(why))
            output.line(plain(one["body"]))

    output.show(found, lines)


@dead_letters.command("redrive")
def redrive_dead_letters(
    context: typer.Context,
    queue: QueueName,
    limit: Annotated[int | None, typer.Option(min=1, help="Else all that are there")] = None,
    per_second: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to their queue, once the cause is mended."""
    done = asdict(
        operate(
            lambda acts: acts.dead_letters.redrive(
                queue, who=who(), limit=limit, per_second=per_second
            )
        )
    )
    output = output_of(context)
    going = " AWS goes on with it by itself." if done["task"] else ""
    output.show(done, lambda: output.line(f"{done['moved']} sent back to {queue}.{going}"))


@dead_letters.command("drop")
def drop_dead_letter(
    context: typer.Context, queue: QueueName, letter: str, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Delete one dead letter for good."""
    if not yes:
        typer.confirm(f"Delete {letter}?", abort=True, err=True)
    operate(lambda acts: acts.dead_letters.drop(queue, letter, who=who()))
    output = output_of(context)
    output.show({"id": letter}, lambda: output.line(f"{letter} is deleted."))


# --- shared ---------------------------------------------------------------------------------------


def operate(work: Callable[[Any], Awaitable[T]]) -> T:
    """On a machine that may reach tables and queues: this one, or an operator's."""
    from adapters.bootstrap.operations import operating

    settings = connection.operator_settings()

    async def run() -> T:
        async with operating(settings) as acts:
            return await work(acts)

    return asyncio.run(run())


def who() -> str:
    return f"cli:{getpass.getuser()}"


def parked_json(entry: Any) -> Json:
    from adapters.inbound.operations.ports import parked_json as shown

    return shown(entry)


def parked_lines(output: Output, rows: Iterable[Json]) -> None:
    styles = {"PARKED": "red", "DROPPED": "yellow"}
    empty = True
    for one in rows:
        empty = False
        status = Text(one["status"], styles.get(one["status"], "green"))
        output.line(Text(f"{one['model']} {one['row']}", "bold"), "", status, "", one["last_at"])
        why = (
            f"  {one['error']}: {one['message']}; event {one['event_id']}, {one['attempts']} times"
        )
        output.line(Text(plain(why), "dim"))
    if empty:
        output.line("No parked rows.")


def action_lines(output: Output, actions: Iterable[Json]) -> None:
    for one in actions:
        output.line(one["at"], "", plain(f"{one['who']} {one['what']}: {one['outcome'] or '…'}"))
