"""``homecast deploy-local``: all of ``serverless.yml``, functions too, on the embedded AWS.

It goes to the engine of ``homecast up`` if that runs in this folder, beside what is there (tables,
queues and streams of a stage are its own); else an engine of its own is started. What can be no
function runs as processes, with a demo home, until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from adapters import settings as settings_module
from adapters.inbound.cli import demo as demo_home
from adapters.inbound.cli import local
from adapters.inbound.cli.processes import AlreadyRunning, DirectoryLock
from adapters.inbound.cli.steps import Steps
from adapters.inbound.cli.supervisor import NotStarted, Supervisor
from adapters.inbound.cli.up import Options, clear_away, run, show_demo, write_environment
from adapters.outbound.aws_stack.provision import StackFailed
from adapters.outbound.embedded.ministack import MiniStack
from adapters.outbound.embedded.ports import Ports
from adapters.outbound.embedded.redis import Redis

FOLDER = "functions"
"""Below ``.homecast``: data, logs and addresses of this installation."""
PROCESSES = tuple(name for name in local.PLATFORM if name not in local.FUNCTIONS)


def deploy_local(
    stage: Annotated[str, typer.Option(help="Name of the stage, part of every name")] = "local",
    devices: Annotated[int, typer.Option(min=1, max=500, help="Devices of the demo")] = 4,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the own engine's data")] = False,
) -> None:
    """Deploy serverless.yml, functions and all, on this machine until Ctrl-C. Needs `npm ci`."""
    folder = settings_module.RUN_DIRECTORY.resolve()
    steps, options = Steps(), Options(True, devices, None, reset, folder / FOLDER)
    try:
        with DirectoryLock(options.directory):
            asyncio.run(run(options, steps, partial(live, folder, stage)))
    except AlreadyRunning as error:
        steps.fail(f"It is running in this folder already (process {error}).")
        raise typer.Exit(1) from error
    except (NotStarted, StackFailed) as error:
        steps.fail(str(error))
        raise typer.Exit(1) from error


async def live(
    folder: Path, stage: str, options: Options, steps: Steps, supervisor: Supervisor
) -> None:
    since = time.monotonic()
    await clear_away(options, steps, supervisor)
    ports = Ports(options.directory / "ports.json")
    engines = found_engines(folder)
    if engines is None:
        engines = local.Engines.in_directory(options.directory, ports, roles=True)
        with steps.step("Redis and AWS (MiniStack)"):
            await engines.start(supervisor)
    else:
        steps.plain("The engine of `homecast up` is used.")
    with steps.step(f"Stage {stage}: resources, functions, event sources"):
        environment = local.addresses(ports) | await engines.functions(stage)
    write_environment(options.directory / "environment", environment)
    with steps.step(", ".join(PROCESSES)):
        await supervisor.start_together(local.process(name, environment) for name in PROCESSES)
    await show_demo(options, steps, supervisor, environment, since=since, welcome=welcome)


def found_engines(folder: Path) -> local.Engines | None:
    """Those of the platform that runs in this folder."""
    try:
        with DirectoryLock(folder):
            return None
    except AlreadyRunning:
        known = settings_module.read_environment(folder / "environment")
    aws, redis = (urlsplit(known[f"HOMECAST_{name}_URL"]) for name in ("AWS_ENDPOINT", "REDIS"))
    assert aws.port is not None
    assert redis.port is not None
    ministack = MiniStack(folder, aws.port, local.REGION)
    return local.Engines(ministack, Redis(folder, redis.port), folder / "key")


def welcome(environment: Mapping[str, str], home: demo_home.Home, example: str | None) -> str:
    api_url = environment["HOMECAST_API_URL"]
    url = f"  API   {api_url}/v1/devices\n  Token {home.token}"
    curl = f"\n\nSend a command yourself:\n\n  {example}" if example else ""
    return f"{url}{curl}\n\nCommands of the demo (Ctrl-C stops everything):\n"
