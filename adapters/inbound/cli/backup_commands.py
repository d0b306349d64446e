"""``homecast backup``: backups of the truth, and putting one back (docs/runbook.md)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from adapters.inbound.cli import connection
from adapters.inbound.cli.options import AsJson, output_of
from adapters.settings import CONTEXTS, OVERRIDES, Settings

backups = typer.Typer(no_args_is_help=True, help="Backups of the truth: events, vault, time-outs.")


@backups.command("create")
def create(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Make a backup of this name (letters, digits, ``_``, ``-`` and ``.``)."""
    from adapters.outbound.aws_stack import backups as stored

    settings = connection.operator_settings()
    asyncio.run(stored.create(place_of(settings), truth_of(settings), name))
    output = output_of(context)
    output.show({"name": name}, lambda: output.line(f"Backup {name} was made."))


@backups.command("list")
def list_backups(context: typer.Context, as_json: AsJson = False) -> None:
    """List the backups that hold all tables, oldest first."""
    from adapters.outbound.aws_stack import backups as stored

    settings = connection.operator_settings()
    found = asyncio.run(stored.found(place_of(settings), truth_of(settings)))
    rows = [{"name": one.name, "at": one.at.isoformat()} for one in found]

    def lines() -> None:
        for row in rows:
            output.line(f"{row['at']}  {row['name']}")

    output = output_of(context)
    output.show(rows, lines)


@backups.command("restore")
def restore(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A backup's name")] = None,
    time: Annotated[
        datetime | None,
        typer.Option(help="Or a moment of the last 35 days, UTC", formats=["%Y-%m-%dT%H:%M:%SZ"]),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup into new tables; prints the settings to start the processes with.

    Stop all processes that write first: what they store meanwhile is not in the new tables.
    """
    settings = connection.operator_settings()
    if (name is None) == (time is None):
        raise typer.BadParameter("give either a backup's NAME or a --time")
    if not yes:
        typer.confirm("Have the api, gateways, sweepers and policies been stopped?", abort=True)
    environment, dropped = asyncio.run(_restore(settings, name, time))
    output = output_of(context)
    lines = "\n".join(f"{name}={value}" for name, value in environment.items())
    output.show(environment, lambda: output.line(lines))
    output.note(f"{dropped} reported states were dropped; devices tell them again.")
    output.note(told(environment))


async def _restore(
    settings: Settings, name: str | None, time: datetime | None
) -> tuple[dict[str, str], int]:
    from adapters.outbound.aws_stack import backups as stored

    place, truth = place_of(settings), truth_of(settings)
    moment = time.replace(tzinfo=UTC) if time else None
    if moment is None:
        made = [one for one in await stored.found(place, truth) if one.name == name]
        since = made[0].at if made else datetime.now(UTC)
    else:
        since = moment
    environment = await stored.restore(place, truth, moment or str(name))
    return environment, await stored.drop_newer_twins(place, settings.twins_table, since)


def told(environment: dict[str, str]) -> str:
    """On the machine of ``homecast up`` its next start takes the settings by itself."""
    run = connection.run_directory()
    if run is None:
        return "Start all processes with these settings, then rebuild every read model."
    lines = "".join(f"{name}={value}\n" for name, value in environment.items())
    (run / OVERRIDES).write_text("# Written by `homecast backup restore`.\n" + lines)
    return f"Kept in {run / OVERRIDES}: stop `homecast up` and start it again, then rebuild."


def truth_of(settings: Settings) -> Any:
    from adapters.outbound.aws_stack.backups import Truth

    events = {
        f"HOMECAST_{context.upper()}_EVENTS_TABLE": settings.events_table(context)
        for context in CONTEXTS
    }
    tables = events | {
        "HOMECAST_VAULT_TABLE": settings.vault_table,
        "HOMECAST_TIMEOUTS_TABLE": settings.timeouts_table,
    }
    return Truth(tables, settings.store_generation)


def place_of(settings: Settings) -> Any:
    from adapters.outbound.aws_stack.provision import Place

    return Place(settings.aws_region, settings.aws_endpoint_url)
