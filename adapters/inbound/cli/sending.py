"""Sending a command: which device and command are meant, with which arguments, and its way."""

from __future__ import annotations

import difflib
import json
import time

import typer

from adapters.inbound.cli.client import FINAL, ApiClient, Json
from adapters.inbound.cli.connection import trouble
from adapters.inbound.cli.render import Output


def find_device(devices: list[Json], wanted: str) -> Json:
    """By id, or by a name (in any case) that only one device has."""
    by_id = [one for one in devices if one["id"] == wanted.strip()]
    named = [one for one in devices if one["name"].casefold() == wanted.strip().casefold()]
    found = by_id or named
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(one["id"] for one in found)
        text = f"{len(found)} devices are called {wanted!r}"
        raise trouble("ambiguous_device", text, hint=f"Use an id: {ids}", exit_code=2)
    names = [one["name"] for one in devices]
    raise trouble("device_not_found", f"no device {wanted!r}", hint=suggest(wanted, names))


def suggest(wanted: str, known: list[str]) -> str:
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=3)
    return f"Did you mean {', '.join(folded[name] for name in close)}?" if close else ""


def deliver(
    api: ApiClient, output: Output, device_id: str, body: Json, key: str, wait: float
) -> Json:
    """One waiting request for programs; for people each step as it comes."""
    deadline = time.monotonic() + wait
    first = wait if output.as_json else 0
    command = api.submit(device_id, body, key=key, wait=first)
    if output.as_json:
        *_, command = command, *api.follow(command, seconds=deadline - time.monotonic())
        return command
    output.line(f"{body['command']} is command {command['number']} of {device_id}")
    output.steps(command)
    seen = command["step"]
    for now in api.follow(command, seconds=deadline - time.monotonic()):
        output.steps(now, after=seen)
        command, seen = now, now["step"]
    output.result(command)
    if wait and command["status"] not in FINAL:
        output.note(f"Still {command['status']} after {wait:g} s. It goes on without us.")
    return command


def parse_arguments(given: list[str]) -> Json:
    """``level=120`` → 120, ``mode=Heat`` → "Heat", ``value='"7"'`` → "7"."""
    args: Json = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE", param_hint="--arg")
        try:
            args[name] = json.loads(text)
        except ValueError:
            args[name] = text
    return args


def full_command(device: Json, wanted: str) -> str:
    """The command's full name, in its own spelling; unknown ones are an error where some are."""
    known = [str(one["name"]) for one in device.get("commands") or []]
    folded = wanted.casefold()
    found = [name for name in known if folded in (name.casefold(), short(name))]
    if len(found) == 1 or not known:
        return found[0] if found else wanted
    what = f"{device['name']} takes {', '.join(known)}"
    if found:
        raise trouble("ambiguous_command", f"{wanted!r} may mean {', '.join(found)}", exit_code=2)
    guess = suggest(wanted, [*known, *(name.split(".")[-1] for name in known)])
    raise trouble(
        "command_not_supported",
        f"{device['name']} has no command {wanted!r}",
        hint=f"{guess} {what}.".strip(),
        exit_code=2,
    )


def short(name: str) -> str:
    return name.split(".")[-1].casefold()
