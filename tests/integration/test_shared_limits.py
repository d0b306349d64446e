"""Limits hold over all processes: two, each with its own memory, on one Redis and one store."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI

from adapters.bootstrap.http import api
from adapters.bootstrap.single_sign_on import SingleSignOn, single_sign_on
from adapters.inbound.http.app import create_app
from adapters.settings import Settings
from commands.accounts.entering import OF_STRANGERS, OF_VISITOR, Entered
from commands.accounts.mail import PREFIX as MAIL
from commands.accounts.oauth.clients import IssueSecret, RegisterClient, issue_secret, register
from commands.accounts.oauth.parts import CLIENT_FAILURES, USER_CODE_FAILURES
from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.sign_in_sessions import Visitor
from commands.accounts.signing_up import ask_for_link, confirm_sign_up
from domain.accounts.client import Profile
from domain.kernel.recorded import Context
from tests.support.platform import settings_from
from tests.unit.http.accounts.world import EMAIL, PASSWORD, Browser

CONTEXT = Context("correlation", "causation", "browser")
SECRET = "hck_" + "s" * 43


@dataclass
class Process:
    app: FastAPI
    parts: SingleSignOn
    url: str

    def browser(self, address: str = "192.0.2.1") -> Browser:
        """One that speaks to this process from that address."""
        browser = Browser(self.app, self.url)
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        browser.http = httpx.AsyncClient(transport=transport, base_url=self.url)
        return browser

    async def sign_up(self) -> Entered:
        people, visitor = self.parts.accounts.parts, Visitor("192.0.2.9", "Firefox")
        await ask_for_link(people, CONTEXT, "sign_up", email=EMAIL, visitor=visitor)
        [(_, mail)] = await people.vault.list(MAIL)
        found = re.search(r"token=([\w-]+)", mail["parameters"]["link"])
        assert found is not None
        return await confirm_sign_up(
            people, CONTEXT, token=found[1], password=PASSWORD, visitor=visitor
        )

    async def add_service(self) -> None:
        oauth = self.parts.oauth.oauth
        config = configured(Wishes(Profile.SERVICE, "Service"))
        message = RegisterClient(client_id="service", config=config)
        issued = IssueSecret(client_id="service", secret_id="1", secret=SECRET)
        run = oauth.dispatcher.execute
        await run(CONTEXT, lambda unit: register(unit, oauth.vault, message))
        await run(CONTEXT, lambda unit: issue_secret(unit, oauth.vault, issued))


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Process]:
    async with api(settings) as container, single_sign_on(settings, container) as parts:
        app = create_app(container, mounts=[parts.mount])
        async with app.router.lifespan_context(app):
            yield Process(app, parts, settings.issuer)


@pytest.fixture
async def two(stack_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[list[Process]]:
    more = {"mail_folder": tmp_path / "mail", "key_file": tmp_path / "key"}
    settings = settings_from(stack_environment).model_copy(update=more)
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(process(settings)) for _ in range(2)]


async def tried(browser: Browser, password: str = "a wrong one", email: str = EMAIL) -> int:
    await browser.get("/signin")
    return (await browser.send("/signin", email=email, password=password)).status_code


async def test_a_password_is_guessed_ten_times_however_many_processes_and_addresses(
    two: list[Process],
) -> None:
    await two[0].sign_up()
    statuses = []
    for number, one in zip(range(OF_STRANGERS.most + 2), itertools.cycle(two)):
        statuses.append(await tried(one.browser(f"192.0.2.{number}")))
    assert statuses == [422] * OF_STRANGERS.most + [429] * 2
    for one in two:
        assert await tried(one.browser("192.0.2.77"), PASSWORD) == 429


async def test_an_address_tries_many_accounts_only_so_often_over_all_processes(
    two: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quickly(_: str) -> None:
        return

    browsers = []
    for one in two:
        monkeypatch.setattr(one.parts.accounts.parts.passwords, "dummy", quickly)
        browsers.append(one.browser("192.0.2.5"))
    statuses = []
    for number, browser in zip(range(OF_VISITOR.most + 4), itertools.cycle(browsers)):
        statuses.append(await tried(browser, email=f"nobody-{number}@example.org"))
    assert statuses == [422] * OF_VISITOR.most + [429] * 4
    assert await tried(two[0].browser("192.0.2.6"), email="nobody@example.org") == 422


async def test_a_clients_secret_is_guessed_only_so_often_over_all_processes(
    two: list[Process],
) -> None:
    """Who has not yet heard of the limit looks at one more, for it counts only what fails."""
    await two[0].add_service()
    statuses = []
    for number, one in zip(range(CLIENT_FAILURES + 10), itertools.cycle(two)):
        answer = await token(one, f"wrong-{number}")
        statuses.append(answer.status_code)
    looked_at = statuses.count(401)
    assert CLIENT_FAILURES <= looked_at <= CLIENT_FAILURES + 1
    assert statuses == [401] * looked_at + [429] * (len(statuses) - looked_at)
    for one in two:
        assert (await token(one, SECRET)).status_code == 429
        assert (await token(one, SECRET, address="198.51.100.7")).status_code == 200


async def token(one: Process, secret: str, address: str = "192.0.2.1") -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": secret}
    return await one.browser(address).http.post("/oauth2/token", data=form)


async def test_codes_of_devices_are_guessed_only_so_often_over_all_processes(
    two: list[Process],
) -> None:
    entered = await two[0].sign_up()
    browsers = []
    for one in two:
        browser = one.browser()
        browser.http.cookies.set("homecast", entered.cookie)
        browsers.append(browser)
    statuses = []
    for number, browser in zip(range(USER_CODE_FAILURES + 6), itertools.cycle(browsers)):
        await browser.get("/device")
        code = "BCDFGHJ" + "BCDFGHJKLMNPQRSTVWXZ"[number]
        form = urlencode(browser.fields_of("/device") | {"user_code": code})
        statuses.append((await browser.post("/device", form)).status_code)
    looked_at = statuses.count(422)
    assert USER_CODE_FAILURES <= looked_at <= USER_CODE_FAILURES + 1
    assert statuses == [422] * looked_at + [429] * (len(statuses) - looked_at)
