"""The ``homecast`` command. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 platform not reached."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.inbound.cli import (
    ad_commands,
    connection,
    login_commands,
    read_models,
    report_commands,
)
from adapters.inbound.cli.account_commands import accounts
from adapters.inbound.cli.backup_commands import backups
from adapters.inbound.cli.client import ApiClient, Json
from adapters.inbound.cli.client_commands import clients
from adapters.inbound.cli.connection import Trouble, find_connection
from adapters.inbound.cli.edge import Commands
from adapters.inbound.cli.operation_commands import dead_letters, parked
from adapters.inbound.cli.options import AsJson, DeviceName, Number, output_of
from adapters.inbound.cli.render import live_line, plain
from adapters.inbound.cli.sending import deliver, find_device, full_command, parse_arguments
from adapters.inbound.cli.token_commands import tokens

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Homecast: a platform for the devices of a home.",
)
app.add_typer(accounts, name="account")
app.add_typer(tokens, name="token")
app.add_typer(clients, name="client")
app.add_typer(backups, name="backup")
read_models.register(app)
ad_commands.register(app)
report_commands.register(app)
login_commands.register(app)
app.add_typer(parked, name="parked")
app.add_typer(dead_letters, name="dead-letters")


def connect() -> ApiClient:
    return ApiClient(find_connection())


# --- devices --------------------------------------------------------------------------------------


@app.command()
def devices(context: typer.Context, as_json: AsJson = False) -> None:
    """List the devices with what they report and which commands they take."""
    with connect() as api:
        found = sorted(api.devices(), key=lambda one: str(one["name"]).casefold())
    output = output_of(context)
    output.show(found, lambda: output.devices(found))


@app.command()
def rename(context: typer.Context, device: DeviceName, name: str, as_json: AsJson = False) -> None:
    """Give a device another name."""
    with connect() as api:
        target = find_device(api.devices(), device)
        renamed = api.rename(target["id"], name, target["version"])
    output = output_of(context)
    output.show(renamed, lambda: output.line(plain(f"{target['name']} is now {name}.")))


@app.command()
def release(
    context: typer.Context,
    device: DeviceName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a device up: its queue is emptied and it may be claimed by anyone who holds it."""
    with connect() as api:
        target = find_device(api.devices(), device)
        if not yes:
            typer.confirm(f"Release {plain(target['name'])}?", abort=True, err=True)
        api.release(target["id"])
    output = output_of(context)
    done = {"id": target["id"], "status": "RELEASED"}
    output.show(done, lambda: output.line(f"{plain(target['name'])} is released."))


# --- commands -------------------------------------------------------------------------------------


@app.command()
def send(
    context: typer.Context,
    device: DeviceName,
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="Such as OnOff.On, or On if that is clear")
    ],
    arg: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, the value as JSON")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the outcome")] = 0,
    ttl: Annotated[int | None, typer.Option(help="Seconds until it must be sent")] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds until it must be done")] = None,
    collapse_key: Annotated[str | None, typer.Option(help="Newer ones replace it unsent")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Else a new one each time")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a command. With --wait the exit code is 0 only when the device has done it."""
    output, args = output_of(context), parse_arguments(arg or [])
    limits = {"ttl": ttl, "execution_timeout": timeout, "collapse_key": collapse_key}
    options = {name: value for name, value in limits.items() if value is not None}
    key = idempotency_key or str(uuid.uuid4())
    with connect() as api:
        target = find_device(api.devices(), device)
        name = full_command(target, command)
        body: Json = {"command": name, "args": args, **options}
        result = deliver(api, output, target["id"], body, key, wait)
    if as_json:
        output.json(result)
    if wait and result["status"] != "SUCCEEDED":
        raise typer.Exit(1)


@app.command()
def commands(
    context: typer.Context,
    device: DeviceName,
    only_open: Annotated[bool, typer.Option("--open", help="Only those under way")] = False,
    limit: Annotated[int, typer.Option(min=1, max=50)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what a device was asked to do, newest first."""
    with connect() as api:
        target = find_device(api.devices(), device)
        found = api.commands(target["id"], status="open" if only_open else "all", limit=limit)
    output = output_of(context)
    output.show(found, lambda: output.commands(found))


@app.command()
def cancel(
    context: typer.Context, device: DeviceName, number: Number, as_json: AsJson = False
) -> None:
    """Cancel a command that was not sent yet."""
    with connect() as api:
        target = find_device(api.devices(), device)
        command = api.cancel(target["id"], number)
    output = output_of(context)
    output.show(command, lambda: output.steps(command))


@app.command()
def watch(context: typer.Context, as_json: AsJson = False) -> None:
    """Show everything that happens, until Ctrl-C; with --json one object a line."""
    output, names = output_of(context), dict[str, str]()
    last_event_id, failures = "", 0
    with suppress(KeyboardInterrupt), connect() as api:
        while True:
            try:
                for event in api.live(last_event_id):
                    last_event_id, failures = event.id, 0
                    learn_names(names, event.type, event.data)
                    if as_json:
                        output.json_line({"event": event.type, "id": event.id, "data": event.data})
                    else:
                        live_line(output, event.type, event.data, names)
            except Trouble as error:
                if error.exit_code != 3 or not names:
                    raise
            failures += 1
            output.note("The connection was lost; trying again.")
            time.sleep(pause_after(failures))


def pause_after(failures: int) -> float:
    """Seconds before the next try: 1, 2, 4, 8, and 8 from then on."""
    return 0.5 * (1 << min(failures, 4))


def learn_names(names: dict[str, str], kind: str, data: Json) -> None:
    devices = data.get("devices", []) if kind == "snapshot" else [data] if kind == "device" else []
    names.update({one["id"]: one["name"] for one in devices if "name" in one and "id" in one})


@app.command()
def simulate(
    devices: Annotated[int, typer.Option(min=1, max=1000, help="How many")] = 12,
    directory: Annotated[Path | None, typer.Option(help="Where their keys are kept")] = None,
) -> None:
    """Run simulated devices until Ctrl-C; the same ones again when started again."""
    from adapters.inbound.cli import simulator

    settings, found = connection.platform_settings(), find_connection()
    beside = connection.run_directory() or Path(connection.RUN_DIRECTORY)
    running = simulator.simulate(
        found.api_url,
        settings.gateway_url,
        found.token,
        devices=devices,
        directory=directory or beside / "devices",
    )
    asyncio.run(until_stopped(running))


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C and SIGTERM cancel the work, which is then no failure."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
