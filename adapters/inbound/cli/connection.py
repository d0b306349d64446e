"""Where the platform is and who asks, and what the command line says when something is wrong.

``find_connection`` needs no settings on the machine where ``homecast up`` runs: the folder
``.homecast`` here or above names the platform and holds the demo's token.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.settings import Settings, export, load_settings, read_environment

RUN_DIRECTORY = ".homecast"


class Trouble(Exception):
    """Something to tell the user: problem details, a hint, and the exit code."""

    def __init__(self, problem: Mapping[str, Any], *, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or "failed")
        self.problem = dict(problem)
        self.hint = hint
        self.exit_code = exit_code


def trouble(code: str, detail: str, *, hint: str = "", exit_code: int = 1) -> Trouble:
    title = code.replace("_", " ").capitalize()
    return Trouble({"title": title, "detail": detail, "code": code}, hint=hint, exit_code=exit_code)


def operator_settings() -> Settings:
    """On a machine that may reach the tables: this one, or an operator's. Raises ``Trouble``."""
    settings = platform_settings()
    if not settings.vault_table:
        raise trouble(
            "no_platform",
            "no platform found in this folder",
            hint="Run this where `homecast up` runs, or set HOMECAST_VAULT_TABLE and the like.",
            exit_code=2,
        )
    return settings


# --- where the platform is ------------------------------------------------------------------------


@dataclass(frozen=True)
class Connection:
    """The token is kept out of every representation.

    ``renew``: of a login; another token in place of the one that is given, which was refused.
    """

    api_url: str
    token: str = field(repr=False)
    renew: Callable[[str], str] | None = field(default=None, repr=False, compare=False)


def run_directory(start: Path | None = None) -> Path | None:
    """The nearest ``.homecast`` with something in it, here or above."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        found = folder / RUN_DIRECTORY
        if (found / "environment").is_file() or (found / "demo.json").is_file():
            return found
    return None


def platform_settings() -> Settings:
    """As the platform's own processes read them, from whichever folder below it."""
    found = run_directory()
    environment = found / "environment" if found else None
    unset = "HOMECAST_DEVICES_EVENTS_TABLE" not in os.environ
    if unset and environment is not None and environment.is_file():
        export(read_environment(environment))
    return load_settings()


def demo(directory: Path | None) -> dict[str, str]:
    """What ``homecast up`` wrote about its demo home; empty without one."""
    file = directory / "demo.json" if directory else None
    if file is None or not file.is_file():
        return {}
    held = json.loads(file.read_text())
    return {name: value for name, value in held.items() if isinstance(value, str)}


def api_url(*, with_own_token: bool = False) -> str:
    """``HOMECAST_API_URL``, else what the run directory says.

    A token from the environment goes to an address found in a folder only on this machine: the
    folder may be somebody else's.
    """
    directory = run_directory()
    local = demo(directory).get("api_url") or _environment(directory).get("HOMECAST_API_URL")
    if with_own_token and local and not on_this_machine(local):
        local = None
    return os.environ.get("HOMECAST_API_URL") or local or Settings().api_url


def find_connection() -> Connection:
    """The first that there is: ``HOMECAST_TOKEN``, the login at that address, the demo's token."""
    from adapters.inbound.cli.logins import Logins, Renewal

    given = os.environ.get("HOMECAST_TOKEN")
    if given:
        return Connection(api_url(with_own_token=True), given)
    url = api_url()
    if Logins().find(url) is not None:
        renewal = Renewal(url)
        return Connection(url, renewal.token(), renewal.token)
    token = demo(run_directory()).get("token")
    if not token:
        raise trouble(
            "no_token",
            "no access token found",
            hint="Run `homecast login`, or this where `homecast up` runs; or set HOMECAST_TOKEN.",
            exit_code=2,
        )
    return Connection(url, token)


def _environment(directory: Path | None) -> dict[str, str]:
    file = directory / "environment" if directory else None
    return read_environment(file) if file is not None and file.is_file() else {}


def on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
