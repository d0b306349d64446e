"""A home to play with: an account with a token, simulated devices, and commands that flow."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from adapters.bootstrap.operators import account_operator, operator
from adapters.inbound.cli.local import inherited
from adapters.outbound.embedded.program import Program
from adapters.settings import Settings
from commands.accounts.opening import new_password, open_account
from commands.accounts.tokens import ADS_MANAGE, ADS_READ, ADS_REQUEST, SCOPES, issue_token
from domain.accounts.account import AccountExists
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import SubjectForgotten
from domain.kernel.recorded import Context

EMAIL = "demo@homecast.example"
SECONDS_BETWEEN_COMMANDS = 5.0
SECONDS_TO_WAIT = 10
SECONDS_TO_COME_ONLINE = 60.0
FORBIDDEN = 403
"""What a token from before the ads is told of them."""

Arguments = Callable[[random.Random], dict[str, Any]]


def none(_: random.Random) -> dict[str, Any]:
    return {}


COMMANDS: dict[str, Arguments] = {
    "OnOff.Toggle": none,
    "LevelControl.MoveToLevel": lambda dice: {"level": dice.randint(1, 254)},
    "ColorControl.MoveToColorTemperature": lambda dice: {
        "color_temperature_mireds": dice.randint(160, 450)
    },
    "Thermostat.SetpointRaiseLower": lambda dice: {
        "mode": "Heat",
        "amount": dice.choice((-5, 5)),
    },
    "DoorLock.LockDoor": none,
    "DoorLock.UnlockDoor": none,
    "WindowCovering.GoToLiftPercentage": lambda dice: {
        "lift_percent_100ths": dice.randrange(0, 10_001, 500)
    },
}
"""What the demo asks of devices; one that is none of these is only looked at."""


@dataclass(frozen=True)
class Home:
    """``email``, ``password``: as they were at the first start; None where they are not known."""

    account_id: str
    token: str = field(repr=False)
    email: str | None = None
    password: str | None = field(default=None, repr=False)


async def find_or_make_home(settings: Settings, file: Path) -> Home:
    """The account stays the same when its token has got lost: its devices belong to it."""
    kept = await asyncio.to_thread(read_home, file)
    current = kept is not None and await accepted(settings, kept.token)
    signs_in = settings.key_file is not None  # functions have no pages of accounts
    if kept is not None and current and (kept.password or not signs_in):
        return kept
    home = kept if kept is not None and current else await with_token(settings, kept)
    if signs_in and home.password is None:
        home = await with_owner(settings, home)
    await asyncio.to_thread(write_home, file, home)
    return home


async def with_token(settings: Settings, kept: Home | None) -> Home:
    async with operator(settings) as parts:
        account = kept.account_id if kept else parts.ids.new()
        token, _ = await issue_token(
            parts.vault,
            clock=parts.clock,
            ids=parts.ids,
            account_id=account,
            label="demo",
            scopes=(*SCOPES, ADS_REQUEST, ADS_READ, ADS_MANAGE),
        )
    return replace(kept, token=token) if kept else Home(account, token)


async def with_owner(settings: Settings, home: Home) -> Home:
    """With an account to sign in by; unchanged where somebody has opened it already, or had it
    forgotten. One whose file was lost keeps the address."""
    password = new_password()
    other = EMAIL.replace("@", f"-{home.account_id[-8:].lower()}@")
    async with account_operator(settings) as parts:
        run = parts.ids.new()
        context = Context(run, run, "cli:up")
        for email in (EMAIL, other):
            with suppress(EmailTaken, AccountExists, SubjectForgotten):
                await open_account(
                    parts, context, email=email, password=password, account_id=home.account_id
                )
                return replace(home, email=email, password=password)
    return home


def read_home(file: Path) -> Home | None:
    return Home(**json.loads(file.read_text())) if file.exists() else None


def write_home(file: Path, home: Home) -> None:
    """For the owner's eyes only: it holds a token and a password."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(home), indent=1) + "\n")


async def accepted(settings: Settings, token: str) -> bool:
    async with client(settings.api_url, token) as api:
        devices = await api.get("/v1/devices", params={"limit": 1})
        return devices.is_success and (await api.get("/v1/brokers")).status_code != FORBIDDEN


def client(api_url: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=api_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=SECONDS_TO_WAIT + 5,
        trust_env=False,
    )


def simulator(environment: Mapping[str, str], home: Home, directory: Path, devices: int) -> Program:
    """The token goes by the environment: a command line is there for all to read."""
    command = (
        *(sys.executable, "-m", "adapters.inbound.cli", "simulate"),
        *("--devices", str(devices), "--directory", str(directory)),
    )
    token = {"HOMECAST_TOKEN": home.token, "PYTHONUNBUFFERED": "1"}
    return Program("devices", command, inherited() | dict(environment) | token)


async def devices_online(api: httpx.AsyncClient, wanted: int) -> list[dict[str, Any]]:
    """Wait until so many are online; after a minute, those that are."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS_TO_COME_ONLINE
    while True:
        found = [device for device in await all_devices(api) if device["online"]]
        if len(found) >= wanted or loop.time() > deadline:
            return found
        await asyncio.sleep(0.3)


async def all_devices(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Of all pages; what came until one failed."""
    found: list[dict[str, Any]] = []
    wanted: dict[str, str] = {"limit": "50"}
    while True:
        answer = await api.get("/v1/devices", params=wanted)
        if not answer.is_success:
            return found
        page = answer.json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        wanted["cursor"] = page["next_cursor"]


def example(api_url: str, home: Home, devices: list[dict[str, Any]]) -> str | None:
    """A ``curl`` that toggles something, ready to paste."""
    switch = next((d for d in devices if "OnOff.Toggle" in names(d)), None)
    if switch is None:
        return None
    url = f"{api_url}/v1/devices/{switch['id']}/commands?wait=5"
    return (
        f"curl -s -X POST '{url}' -H 'Authorization: Bearer {home.token}'"
        """ -H 'Content-Type: application/json' -d '{"command":"OnOff.Toggle","args":{}}'"""
    )


def names(device: dict[str, Any]) -> set[str]:
    return {command["name"] for command in device["commands"]}


async def flow(api: httpx.AsyncClient, say: Callable[[str], None]) -> None:
    """A command to some device every few seconds, and a line on how it went; until cancelled."""
    dice = random.Random()  # noqa: S311 a demo, no secret
    while True:
        try:
            line = await one_command(api, dice)
        except httpx.TransportError as error:
            line = f"the API does not answer ({type(error).__name__})"
        if line is not None:
            say(line)
        await asyncio.sleep(SECONDS_BETWEEN_COMMANDS)


async def one_command(api: httpx.AsyncClient, dice: random.Random) -> str | None:
    able = [d for d in await all_devices(api) if d["online"] and names(d) & COMMANDS.keys()]
    if not able:
        return None
    device = dice.choice(able)
    command = dice.choice(sorted(names(device) & COMMANDS.keys()))
    arguments = COMMANDS[command](dice)
    answer = await api.post(
        f"/v1/devices/{device['id']}/commands",
        params={"wait": SECONDS_TO_WAIT},
        json={"command": command, "args": arguments},
    )
    told = way(answer.json()) if answer.is_success else f"refused: {answer.text}"
    given = " ".join(f"{name}={value}" for name, value in arguments.items())
    return f"{device['name']}: {f'{command} {given}'.strip()}  {told}"


def way(command: dict[str, Any]) -> str:
    """``ACCEPTED → SENT → SUCCEEDED in 41 ms``: the command's steps, from first to last."""
    history = command.get("history") or [{"status": command["status"], "at": None}]
    steps = " → ".join(dict.fromkeys(str(step["status"]) for step in history))
    first, last = history[0]["at"], history[-1]["at"]
    if first is None or first == last:
        return steps
    took = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    return f"{steps} in {took / timedelta(milliseconds=1):.0f} ms"
