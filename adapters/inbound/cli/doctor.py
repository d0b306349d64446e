"""``homecast doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import platform
from dataclasses import asdict
from importlib import metadata
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import httpx
import redis.asyncio
import typer
from redis.exceptions import RedisError
from rich.console import Console

from adapters.outbound.aws_stack.finding import Finding, Verdict, fail, ok, warn
from adapters.outbound.aws_stack.inspection import Inspection
from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.aws_stack.template import (
    Template,
    is_conditional,
    load_template,
    variable_of,
)
from adapters.settings import Settings, load_settings

PACKAGES = ("aiobotocore", "eventsourcing", "faststream", "fastapi", "pydantic")
MARKS = {
    Verdict.OK: "[green]ok  [/]",
    Verdict.WARN: "[yellow]warn[/]",
    Verdict.FAIL: "[red]fail[/]",
}
START = "start the platform (`make up`), or look at its log"


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs")] = False,
) -> None:
    """Check settings, AWS, Redis and the processes. Exit code 1 when something fails."""
    findings = asyncio.run(examine(load_settings(), load_template()))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        show(findings)
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(1)


def show(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    for finding in findings:
        console.print(MARKS[finding.verdict], end=" ")
        line = f"{finding.subject}: {finding.detail}"
        console.print(line, markup=False, soft_wrap=True)
        if finding.advice:
            console.print(f"     → {finding.advice}", markup=False, soft_wrap=True, style="dim")


async def examine(settings: Settings, template: Template) -> list[Finding]:
    names = {
        variable_of(name): setting(settings, name)
        for name, output in template["Outputs"].items()
        if settings.aws_endpoint_url is None or not is_conditional(output)
    }
    found = [versions(), settings_present(names)]
    if found[-1].verdict is Verdict.OK:
        place = Place(settings.aws_region, settings.aws_endpoint_url)
        found += await Inspection(place, template, names).findings()
    found += await asyncio.gather(
        redis_answers(settings.redis_url),
        health("api", settings.api_url),
        health("gateway", as_http(settings.gateway_url)),
    )
    return found


def setting(settings: Settings, output: str) -> str:
    if output == "KmsKey" and settings.key_file:
        return str(settings.key_file)  # stands in for it on one machine
    return str(getattr(settings, variable_of(output).removeprefix("HOMECAST_").lower(), ""))


def versions() -> Finding:
    """That the packages are there at all; which ones, the lock says."""
    try:
        found = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    except metadata.PackageNotFoundError as error:
        return fail("versions", f"{error.name} is not installed", "run `make up` or `make test`")
    return ok("versions", f"Python {platform.python_version()}, {', '.join(found)}")


def settings_present(names: dict[str, str]) -> Finding:
    missing = sorted(name for name, value in names.items() if not value)
    if missing:
        advice = "run `make up` in this folder, or set them from the outputs of the stack"
        return fail("settings", f"missing: {', '.join(missing)}", advice)
    return ok("settings", f"{len(names)} names of tables, topics and queues")


async def redis_answers(url: str) -> Finding:
    """A warning only: without Redis everything accepted still happens, later."""
    shown = urlsplit(url)
    where = f"{shown.hostname}:{shown.port or 6379}"
    client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
    try:
        await client.ping()
    except RedisError as error:
        return warn("redis", f"{where}: {error}", "start it; hints, presence and routing wait")
    finally:
        await client.aclose()
    return ok("redis", f"{where} answers")


async def health(name: str, url: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            answer = await client.get(f"{url}/health/ready")
    except httpx.HTTPError as error:
        return fail(name, f"{url}: {error}", START)
    if answer.is_success:
        return ok(name, f"{url} is ready")
    return fail(name, f"{url} answers {answer.status_code}", START)


def as_http(gateway_url: str) -> str:
    """Its health is told on the port that devices connect to."""
    parts = urlsplit(gateway_url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return urlunsplit((scheme, parts.netloc, "", "", ""))
