"""Single sign-on in real processes: people at browsers, their mailbox, clients by the CLI, and
Authlib as the counterpart that knows nothing of us."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from adapters.outbound.mail.local import recent
from tests.support.platform import LoopThread, Platform
from tests.support.waiting import eventually
from tests.unit.http.accounts.world import AGENT, PASSWORD, Browser

PROCESSES = ("api", "relay", "projector", "policies", "outbox")
APP = "http://127.0.0.1/signed-in"
ALEXA = "https://layla.amazon.com/api/skill/link/M2AAAAAAAAAAAA"
GOOGLE = "https://oauth-redirect.googleusercontent.com/r/homecast-1"
SHOP, BYE = "https://shop.example/callback", "https://shop.example/bye"
CLIENTS = {
    "app": ("--profile", "own-app", "--redirect-uri", APP),
    "skill": ("--profile", "alexa", "--vendor", "M2AAAAAAAAAAAA", "--name", "Alexa"),
    "action": ("--profile", "google", "--project", "homecast-1", "--name", "Google"),
    "shop": ("--profile", "web", "--redirect-uri", SHOP, "--logout-uri", BYE, "--name", "Shop"),
    "looker": ("--profile", "service", "--introspect"),
    "tv": ("--profile", "device", "--name", "Television"),
}
MAIL_WITHIN = 30.0


class RealBrowser(Browser):
    """One that speaks to a process, over a socket."""

    def __init__(self, issuer: str) -> None:
        self.http = httpx.AsyncClient(
            base_url=issuer, headers={"User-Agent": AGENT}, trust_env=False, timeout=20
        )
        self.page = httpx.Response(204)

    async def answer(self, authorization_url: str, *, button: str | None = "Allow") -> str:
        """Where the client's request leads, once the person has pressed the button if asked."""
        await self.get(authorization_url)
        if button is not None and self.page.status_code == 200 and self.onward() is None:
            await self.send("/oauth2/consent", button=button)
        location = self.page.headers.get("location") or self.onward()
        assert location is not None, self.words
        return str(location)


@dataclass(frozen=True)
class Mailbox:
    """The outbox of one machine."""

    folder: Path
    issuer: str

    async def link(self, kind: str, to: str) -> str:
        """Path and query of the link in the newest mail to this address."""

        async def arrived() -> str | None:
            found = await asyncio.to_thread(recent, self.folder)
            mine = [one for one in found if one.to == to]
            return mine[0].text if mine else None

        text = await eventually(arrived, within=MAIL_WITHIN, what=f"the mail {kind}")
        found = re.search(r"https?://\S+", text)
        assert found is not None
        assert found[0].startswith(self.issuer)
        return found[0].removeprefix(self.issuer)


@dataclass
class Site:
    """``thread``: where the platform runs. ``secrets``: of the clients that have one. ``metadata``:
    as discovery tells it."""

    platform: Platform
    thread: LoopThread
    secrets: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.platform.environment["HOMECAST_PUBLIC_URL"]

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(Path(self.platform.environment["HOMECAST_MAIL_FOLDER"]), self.issuer)

    async def kill(self, name: str) -> None:
        await asyncio.to_thread(self.thread.run, self.platform.kill(name))

    async def restart(self, name: str) -> None:
        await asyncio.to_thread(self.thread.run, self.platform.restart(name))

    async def begin(self) -> None:
        found = await asyncio.gather(*(self._register(one) for one in CLIENTS))
        self.secrets = {name: secret for name, secret in found if secret}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.issuer}/.well-known/openid-configuration")
        self.metadata = answer.json()
        assert self.metadata["issuer"] == self.issuer

    async def _register(self, name: str) -> tuple[str, str | None]:
        """As an operator does it."""
        command = ("-m", "adapters.inbound.cli", "client", "add", "--id", name, "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            *CLIENTS[name],
            env={**os.environ, **self.platform.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0
        return name, orjson.loads(printed)["client_secret"]

    @asynccontextmanager
    async def person(self) -> AsyncIterator[tuple[RealBrowser, str]]:
        """A browser whose person has just signed up, and the address of that person."""
        email = f"ann-{secrets.token_hex(4)}@example.org"
        async with self.browser() as browser:
            await browser.sign_up(self.mailbox, email)  # type: ignore[arg-type]  # has a link too
            yield browser, email

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[RealBrowser]:
        browser = RealBrowser(self.issuer)
        async with browser.http:
            yield browser

    def client(self, name: str, **more: Any) -> AsyncOAuth2Client:
        """``async with`` it."""
        return AsyncOAuth2Client(
            name,
            self.secrets.get(name),
            token_endpoint=self.metadata["token_endpoint"],
            code_challenge_method="S256",
            trust_env=False,
            timeout=20,
            **more,
        )

    async def linked(
        self, client: AsyncOAuth2Client, browser: RealBrowser, *, verifier: str | None = None
    ) -> dict[str, Any]:
        """By the code grant; the tokens, and in ``answer`` what the browser brought back."""
        nonce = secrets.token_urlsafe(16)
        url, state = client.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        location = await browser.answer(url)
        answer = dict(parse_qsl(urlsplit(location).query))
        assert location.startswith(client.redirect_uri + "?")
        assert answer["iss"] == self.issuer
        more = {"code_verifier": verifier} if verifier else {}
        token = await client.fetch_token(authorization_response=location, state=state, **more)
        return {**token, "nonce": nonce, "location": location}

    async def claims(self, name: str, token: dict[str, Any]) -> CodeIDToken:
        """Of the ID token, as a client believes it: by the published keys, and for itself."""
        async with httpx.AsyncClient(trust_env=False) as client:
            keys = KeySet.import_key_set((await client.get(self.metadata["jwks_uri"])).json())
        read = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
        options = {"iss": {"values": [self.issuer]}, "aud": {"value": name}}
        params = {
            "nonce": token.get("nonce"),
            "access_token": token["access_token"],
            "client_id": name,
        }
        found = CodeIDToken(read.claims, read.header, options, params)
        found.validate(leeway=5)
        return found

    async def devices(self, access_token: str) -> int:
        """The status of an API call with it."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            headers = {"Authorization": f"Bearer {access_token}"}
            answer = await client.get(f"{self.platform.api_url}/v1/devices", headers=headers)
        return answer.status_code

    async def active(self, token: str) -> bool:
        """As a service that may look at all tokens is told."""
        async with self.client("looker") as looker:
            answer = await looker.introspect_token(
                self.metadata["introspection_endpoint"], token=token
            )
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["active"])


__all__ = ["ALEXA", "APP", "BYE", "GOOGLE", "PASSWORD", "SHOP", "Mailbox", "RealBrowser", "Site"]
