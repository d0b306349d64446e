"""``homecast up``: the whole platform on this machine, and a home to play with."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from adapters import settings as settings_module
from adapters.inbound.cli import demo as demo_home
from adapters.inbound.cli import local
from adapters.inbound.cli.ad_demo import flow as ad_demo
from adapters.inbound.cli.processes import AlreadyRunning, DirectoryLock
from adapters.inbound.cli.steps import Steps
from adapters.inbound.cli.supervisor import NotStarted, Supervisor
from adapters.outbound.aws_stack.provision import StackFailed
from adapters.outbound.embedded.ports import Ports, PortTaken
from adapters.settings import Settings

PREFIX = "homecast"
API_PORT = 8080
PRIVATE_HOSTS = "HOMECAST_ALLOWED_PRIVATE_HOSTS"


@dataclass(frozen=True)
class Options:
    demo: bool
    devices: int
    port: int | None
    reset: bool
    directory: Path


Main = Callable[[Options, Steps, Supervisor], Coroutine[Any, Any, None]]
Welcome = Callable[[Mapping[str, str], demo_home.Home, str | None], str]


def up(
    demo: Annotated[bool, typer.Option(help="A home of simulated devices, and commands")] = True,
    devices: Annotated[int, typer.Option(min=1, max=500, help="How many devices")] = 12,
    port: Annotated[int | None, typer.Option(help="Port of the HTTP API")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget all data first")] = False,
) -> None:
    """Run the platform on this machine until Ctrl-C. Data, logs and ports stay in .homecast/."""
    steps, options = (
        Steps(),
        Options(demo, devices, port, reset, settings_module.RUN_DIRECTORY.resolve()),
    )
    try:
        with DirectoryLock(options.directory):
            asyncio.run(run(options, steps, live))
    except AlreadyRunning as error:
        steps.fail(already_running(options.directory, str(error)))
        raise typer.Exit(1) from error
    except (NotStarted, PortTaken, StackFailed) as error:
        steps.fail(str(error))
        raise typer.Exit(1) from error


async def run(options: Options, steps: Steps, main: Main) -> None:
    """Ctrl-C or SIGTERM cancels whatever is under way, and everything is stopped in order."""
    supervisor = Supervisor(options.directory, steps.warn)
    task = asyncio.create_task(main(options, steps, supervisor))

    def stop() -> None:
        on_signals(ignore)
        task.cancel()

    on_signals(stop)
    try:
        await task
    except asyncio.CancelledError:
        steps.plain()
    finally:
        on_signals(ignore)
        if supervisor.running():
            with steps.step("Stopped; the data is kept in .homecast/"):
                await supervisor.stop_all()


def on_signals(act: Callable[[], object]) -> None:
    for kind in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(kind, act)


def ignore() -> None:
    """A second Ctrl-C: stopping is under way."""


async def live(options: Options, steps: Steps, supervisor: Supervisor) -> None:
    since = time.monotonic()
    await clear_away(options, steps, supervisor)
    environment = await start_platform(options, steps, supervisor)
    api_url = environment["HOMECAST_API_URL"]
    if not options.demo:
        steps.plain(f"\nReady after {time.monotonic() - since:.1f} s: {api_url}/docs (API)")
        await asyncio.Event().wait()
    await show_demo(options, steps, supervisor, environment, since=since, welcome=welcome)


async def show_demo(
    options: Options,
    steps: Steps,
    supervisor: Supervisor,
    environment: Mapping[str, str],
    *,
    since: float,
    welcome: Welcome,
) -> None:
    """Until it is cancelled. ``since``: when the start began."""
    api_url = environment["HOMECAST_API_URL"]
    home = await start_demo(options, steps, supervisor, environment)
    async with demo_home.client(api_url, home.token) as api:
        with steps.step(f"{options.devices} devices come online"):
            found = await demo_home.devices_online(api, options.devices)
        if len(found) < options.devices:
            steps.warn(f"only {len(found)} devices are online; see {supervisor.log('devices')}")
        steps.plain(f"\nReady after {time.monotonic() - since:.1f} s.\n")
        steps.plain(welcome(environment, home, demo_home.example(api_url, home, found)))

        def say(line: str) -> None:
            steps.plain(f"{datetime.now():%H:%M:%S} {line}")  # noqa: DTZ005 the reader's clock

        async with asyncio.TaskGroup() as group:
            group.create_task(demo_home.flow(api, say))
            if hosts := environment.get(PRIVATE_HOSTS):
                broker = hosts.partition(",")[0]
                group.create_task(ads_of_the_demo(api, f"http://{broker}", say))


async def ads_of_the_demo(
    api: httpx.AsyncClient, broker_url: str, say: Callable[[str], None]
) -> None:
    try:
        await ad_demo.configure(api, broker_url)
    except httpx.HTTPError as error:
        say(f"The demo's brokers could not be configured ({type(error).__name__}).")
        return
    await ad_demo.watch_ads(api, say)


async def clear_away(options: Options, steps: Steps, supervisor: Supervisor) -> None:
    left = await asyncio.to_thread(supervisor.clean_up)
    if left:
        steps.warn(f"ended what an earlier run had left: {', '.join(left)}")
    if options.reset:
        with steps.step("Forget all data"):
            await asyncio.to_thread(forget, options.directory)


def forget(directory: Path) -> None:
    """All but the lock, which is held."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


async def start_platform(
    options: Options, steps: Steps, supervisor: Supervisor
) -> Mapping[str, str]:
    """Engines, stack, processes. The environment is written before the processes start."""
    ports = Ports(options.directory / "ports.json")
    addresses = local.addresses(ports, api_port=options.port, api_preferred=API_PORT)
    engines = local.Engines.in_directory(options.directory, ports)
    with steps.step("Redis and AWS (MiniStack)"):
        await engines.start(supervisor)
    with steps.step("Tables, topic and queues"):
        environment = await engines.stack(PREFIX) | addresses | overrides(options.directory)
    if options.demo:
        broker = await start_ad_broker(options, steps, supervisor, ports)
        environment[PRIVATE_HOSTS] = with_broker(broker, environment.get(PRIVATE_HOSTS, ""))
    write_environment(options.directory / "environment", environment)
    with steps.step(", ".join(local.PLATFORM)):
        await supervisor.start_together(local.process(name, environment) for name in local.PLATFORM)
    return environment


async def start_ad_broker(
    options: Options, steps: Steps, supervisor: Supervisor, ports: Ports
) -> str:
    """Its ``host:port``."""
    port = ports.of("ad-broker")
    with steps.step("Demo ad broker and its films"):
        broker = local.ad_broker(port, options.directory / "ads")
        await supervisor.start(broker, within=120)
    return f"127.0.0.1:{port}"


def with_broker(broker: str, others: str) -> str:
    """What the platform may reach although it is private: the demo's broker first, then whatever
    the operator allows."""
    return ",".join(filter(None, (broker, others)))


async def start_demo(
    options: Options, steps: Steps, supervisor: Supervisor, environment: Mapping[str, str]
) -> demo_home.Home:
    os.environ.update(environment)
    with steps.step("Demo home"):
        home = await demo_home.find_or_make_home(Settings(), options.directory / "demo.json")
        directory = options.directory / "devices"
        program = demo_home.simulator(environment, home, directory, options.devices)
        await supervisor.start(program)
    return home


def overrides(directory: Path) -> dict[str, str]:
    file = directory / settings_module.OVERRIDES
    return settings_module.read_environment(file) if file.exists() else {}


def write_environment(file: Path, environment: Mapping[str, str]) -> None:
    lines = [f"{name}={value}" for name, value in sorted(environment.items())]
    file.write_text("# Written by `homecast up`.\n" + "\n".join(lines) + "\n")


def welcome(environment: Mapping[str, str], home: demo_home.Home, example: str | None) -> str:
    api_url, public_url = (environment[f"HOMECAST_{one}_URL"] for one in ("API", "PUBLIC"))
    known = f"  ({home.email} / {home.password})" if home.password else ""
    lines = [
        f"  Page     {api_url}/#token={home.token}",
        f"  Ads      {api_url}/ads#token={home.token}",
        f"  API      {api_url}/docs",
        f"  Sign in  {public_url}/account{known}",
        f"  Mails    {public_url}/dev/outbox",
    ]
    curl = f"\n\nSend a command yourself:\n\n  {example}" if example else ""
    page = "\n".join(lines)
    return f"{page}{curl}\n\nCommands of the demo (Ctrl-C stops everything):\n"


def already_running(directory: Path, pid: str) -> str:
    text = f"The platform is running in this folder already (process {pid})."
    file = directory / "environment"
    if file.exists():
        url = settings_module.read_environment(file).get("HOMECAST_API_URL")
        text += f" Its API is at {url}."
    return text
