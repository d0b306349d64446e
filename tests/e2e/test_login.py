"""``homecast login`` in processes of its own, agreed to by a person at the platform's pages."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.household import Household, make_token
from tests.support.platform import Platform

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EMAIL = "jo@home.example"
CODE = re.compile(r"^ +([A-Z]{4}-[A-Z]{4})$", re.MULTILINE)
CSRF = re.compile(r'action="([^"]+)"[^<]*<input type="hidden" name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Shell:
    """Somebody's, in a folder of their own. ``environment``: what it has beside the ordinary."""

    folder: Path
    environment: dict[str, str]

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        kept = {name: one for name, one in os.environ.items() if not name.startswith("HOMECAST_")}
        own = {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(self.folder / "config")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapters.inbound.cli", *words),
            cwd=self.folder,
            env=kept | own | self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *words: str) -> tuple[int | None, Any]:
        """The exit code, and what it says as JSON."""
        process = await self.start(*words, "--json")
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, json.loads(said)


async def read_until_code(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(30):
        while not (found := CODE.search(said)):
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
    return found[1]


@dataclass(frozen=True)
class Browser:
    """As little of one as the pages need: cookies, and forms that come back as they were made."""

    client: httpx.AsyncClient

    async def submit(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        csrf = dict(CSRF.findall(page.text))[action]
        return await self.client.post(action, data={"csrf": csrf, **fields})


@pytest.fixture
def person(platform: Platform, tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"HOMECAST_API_URL": platform.api_url})


async def test_a_login_is_agreed_to_on_another_screen_and_ends_with_the_logout(
    platform: Platform, person: Shell, tmp_path: Path
) -> None:
    operator = Shell(tmp_path, platform.process_environment)
    done, made = await operator.run("account", "create", "--email", EMAIL, "--generate")
    assert done == 0, made
    token = await make_token(platform.settings, platform.endpoint_url, made["account_id"])
    async with Household(made["account_id"], token, platform.settings) as household:
        await household.new_device("Hall lamp")

    login = await person.start("login", "--json")
    code = await read_until_code(login)
    await agree(platform, made["password"], code)
    said, _ = await asyncio.wait_for(login.communicate(), 60)
    assert login.returncode == 0
    assert json.loads(said)["api_url"] == platform.api_url

    async def seen() -> list[str]:
        done, devices = await person.run("devices")
        assert done == 0, devices
        return [one["name"] for one in devices]

    assert await seen() == ["Hall lamp"]
    _, who = await person.run("whoami")
    assert (who["account_id"], who["email"]) == (made["account_id"], EMAIL)
    assert who["client_id"] == "homecast-cli"

    [file] = (tmp_path / "config" / "homecast" / "logins").glob("*.json")
    held = json.loads(file.read_text())
    assert await person.run("logout") == (
        0,
        {"api_url": platform.api_url, "was_logged_in": True},
    )
    assert not file.exists()
    done, refused = await person.run("devices")
    assert (done, refused["code"]) == (2, "no_token")
    assert await status_with(platform, held["access_token"]) == 401


async def test_a_login_that_is_refused_leaves_nothing(
    platform: Platform, person: Shell, tmp_path: Path
) -> None:
    operator = Shell(tmp_path, platform.process_environment)
    _, made = await operator.run("account", "create", "--email", "no@home.example", "--generate")
    login = await person.start("login", "--json")
    code = await read_until_code(login)
    await agree(platform, made["password"], code, email="no@home.example", decision="deny")
    said, _ = await asyncio.wait_for(login.communicate(), 60)
    assert login.returncode == 1
    assert json.loads(said)["code"] == "access_denied"
    assert not list((tmp_path / "config").rglob("*.json"))


async def agree(
    platform: Platform, password: str, code: str, *, email: str = EMAIL, decision: str = "approve"
) -> None:
    url = platform.environment["HOMECAST_PUBLIC_URL"]
    async with httpx.AsyncClient(
        base_url=url, follow_redirects=True, timeout=20, trust_env=False
    ) as client:
        browser = Browser(client)
        page = await client.get("/device")
        assert page.url.path == "/signin", "nobody is signed in yet"
        page = await browser.submit(
            page, "/signin", email=email, password=password, return_to="/device"
        )
        assert page.url.path == "/device"
        page = await browser.submit(page, "/device", user_code=code.replace("-", "").lower())
        assert code in page.text
        page = await browser.submit(page, "/device/confirm", user_code=code, decision=decision)
        assert page.url.path == "/device/done"
        assert ("Not connected" in page.text) is (decision == "deny")


async def status_with(platform: Platform, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=platform.api_url, trust_env=False) as client:
        return (await client.get("/v1/devices", headers=headers)).status_code
