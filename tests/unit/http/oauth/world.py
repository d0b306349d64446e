"""The API on memory with the authorization server mounted, and clients that speak to it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import httpx
from fastapi import FastAPI

from adapters.inbound.http.app import create_app
from adapters.inbound.http.oauth.parts import OAuthParts
from adapters.inbound.http.oauth.routes import mount
from adapters.outbound.telemetry.tracing import NullTracer
from commands.accounts.oauth import authorizing
from tests.support.oauth import CHALLENGE, VERIFIER, Server, Session, asking
from tests.unit.http.world import World


class OAuthWorld:
    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http
        self.oauth = server.oauth

    async def code(
        self,
        client_id: str,
        redirect_uri: str,
        session: Session | None = None,
        *,
        challenge: str | None = CHALLENGE,
        **parameters: str | None,
    ) -> str:
        """As a person who said yes sends it back to the client."""
        method = "S256" if challenge else None
        asked = asking(
            client_id,
            redirect_uri,
            **{"code_challenge": challenge, "code_challenge_method": method, **parameters},
        )
        request = await authorizing.validate(self.oauth, asked)
        session = session or await self.server.sign_in()
        location = await authorizing.approve(self.oauth, request, session)
        return parse_qs(urlsplit(location).query)["code"][0]

    async def post(
        self, path: str, form: dict[str, str], *, basic: tuple[str, str] | None = None
    ) -> httpx.Response:
        headers = {"Authorization": basic_header(*basic)} if basic else {}
        return await self.http.post(path, data=form, headers=headers)

    async def token(self, client_id: str, **form: str | None) -> httpx.Response:
        """As a client that shows who it is in the form, if it has a secret."""
        secret = self.server.secrets.get(client_id)
        given = {"client_id": client_id, "client_secret": secret, **form}
        return await self.post(
            "/oauth2/token", {name: value for name, value in given.items() if value is not None}
        )

    async def redeem(
        self, client_id: str, code: str, redirect_uri: str, /, **form: str | None
    ) -> httpx.Response:
        usual = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": VERIFIER,
        }
        return await self.token(client_id, **(usual | form))

    async def refresh(self, client_id: str, token: str, **form: str | None) -> httpx.Response:
        return await self.token(client_id, grant_type="refresh_token", refresh_token=token, **form)

    async def linked(self, client_id: str, redirect_uri: str, **asked: Any) -> dict[str, Any]:
        """What a client is given that a person has allowed what it asked for."""
        code = await self.code(client_id, redirect_uri, **asked)
        response = await self.redeem(client_id, code, redirect_uri)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def introspect(self, client_id: str, token: str) -> dict[str, Any]:
        secret = self.server.secrets[client_id]
        response = await self.post(
            "/oauth2/introspect", {"token": token}, basic=(client_id, secret)
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def basic_header(client_id: str, secret: str) -> str:
    both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(both.encode()).decode()


def app_of(server: Server) -> FastAPI:
    parts = OAuthParts(server.oauth, NullTracer())
    return create_app(World(), mounts=[partial(mount, parts=parts)])


@asynccontextmanager
async def oauth_world(server: Server | None = None) -> AsyncIterator[OAuthWorld]:
    server = server or await Server().with_keys()
    transport = httpx.ASGITransport(app_of(server), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://homecast") as http:
        yield OAuthWorld(server, http)


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]
