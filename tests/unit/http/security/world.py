"""All that strangers reach of accounts and the authorization server, as one process serves it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI

from adapters.inbound.http.accounts.parts import AccountPages
from adapters.inbound.http.accounts.routes import mount as mount_pages
from adapters.inbound.http.app import create_app
from adapters.inbound.http.oauth.parts import OAuthParts
from adapters.inbound.http.oauth.routes import mount as mount_protocol
from commands.accounts.bearers import VaultRevocations
from commands.accounts.oauth.clients import IssueSecret, RegisterClient, issue_secret, register
from commands.accounts.oauth.profiles import Wishes, configured
from domain.accounts.client import Profile
from domain.kernel.recorded import Context
from tests.support.oauth import APP, CHALLENGE, VERIFIER
from tests.unit.http.accounts.world import CALLBACK, PUBLIC_URL, Browser, Server, answer_of, asked

SECRET = "hck_" + "s" * 43
CONTEXT = Context("c", "m", "test")
APP_CLIENT: dict[str, Any] = {"profile": Profile.OWN_APP, "redirect_uris": (APP,)}
SHOP_CLIENT: dict[str, Any] = {"profile": Profile.WEB, "redirect_uris": (CALLBACK,)}
SERVICE_CLIENT: dict[str, Any] = {"profile": Profile.SERVICE, "introspect": True}


class Site:
    """``shop`` has a secret, ``app`` is a public client of ours, ``service`` acts for itself."""

    def __init__(self) -> None:
        self.server = Server(public_url=PUBLIC_URL)

    def mount(self, app: FastAPI) -> None:
        """As ``adapters.bootstrap.single_sign_on`` has it."""
        server = self.server
        oauth = replace(
            server.oauth,
            introspection=app.state.parts.tokens,
            revocations=VaultRevocations(server.vault, server.api.token_states),
        )
        pages = AccountPages(
            server.parts,
            oauth,
            tracer=server.api.tracer,
            outbox=server,
            memberships=server.api.memberships,
        )
        mount_protocol(app, parts=OAuthParts(oauth, server.api.tracer))
        mount_pages(app, pages=pages)

    @asynccontextmanager
    async def app(self) -> AsyncIterator[FastAPI]:
        app = create_app(self.server.api, mounts=[self.mount])
        async with app.router.lifespan_context(app):
            await self.add("shop", **SHOP_CLIENT)
            await self.add("app", **APP_CLIENT)
            await self.add("service", **SERVICE_CLIENT)
            yield app

    async def add(self, client_id: str, **wishes: Any) -> None:
        config = configured(Wishes(name=client_id.title(), **wishes))
        message = RegisterClient(client_id=client_id, config=config, replace=True)
        server = self.server
        run = server.dispatcher.execute
        await run(CONTEXT, lambda unit: register(unit, server.vault, message))
        if not config.public:
            issued = IssueSecret(client_id=client_id, secret_id="1", secret=SECRET)
            await run(CONTEXT, lambda unit: issue_secret(unit, server.vault, issued))
        server.oauth.clients.forget()


class Client:
    """What a client sends by itself, and no browser."""

    def __init__(self, app: FastAPI, address: str = "198.51.100.1") -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
        self.http = httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)

    async def post(self, path: str, client_id: str, **form: str) -> httpx.Response:
        given = {"client_id": client_id, **form}
        if client_id != "app":
            given.setdefault("client_secret", SECRET)
        return await self.http.post(path, data=given)

    async def redeem(self, client_id: str, code: str, **form: str) -> httpx.Response:
        usual = {"grant_type": "authorization_code", "code": code}
        return await self.post("/oauth2/token", client_id, **{**usual, **form})

    async def refresh(self, client_id: str, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await self.post("/oauth2/token", client_id, **form)

    async def opens(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await self.http.get("/v1/devices", headers=headers)).status_code


OF_APP = {
    "client_id": "app",
    "redirect_uri": APP,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


async def allowed(browser: Browser, **parameters: str) -> dict[str, str]:
    """What a signed-in person's yes gives the client, by its redirect URI."""
    await browser.get(asked(**parameters))
    if browser.page.status_code == 200 and browser.onward() is None:
        await browser.send("/oauth2/consent", button="Allow")
    location = browser.page.headers.get("location") or browser.onward()
    assert location is not None, browser.words
    return {**answer_of(location), "location": location}


async def app_tokens(browser: Browser, client: Client) -> dict[str, Any]:
    code = (await allowed(browser, **OF_APP))["code"]
    answer = await client.redeem("app", code, redirect_uri=APP, code_verifier=VERIFIER)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def addresses_in(text: str) -> set[str]:
    """Hosts of all addresses that a page names."""
    return set(re.findall(r"https?://([^/\"'\s<>]+)", text))
