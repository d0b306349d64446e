"""The pages on memory stores: a server, browsers without scripts, and a mailbox."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from fastapi import FastAPI
from lxml import html

from adapters.inbound.http.accounts.parts import AccountPages
from adapters.inbound.http.accounts.routes import mount
from adapters.inbound.http.app import create_app
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from commands.accounts.attempts import Attempts
from commands.accounts.keys import AccountKeys
from commands.accounts.mail import PREFIX as MAIL
from commands.accounts.oauth import parts as oauth_parts
from commands.accounts.oauth.clients import Clients, RegisterClient, register
from commands.accounts.oauth.lookups import VaultIntrospection
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.ports import Person
from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.oauth.signing_keys import SigningKeys
from commands.accounts.parts import Parts
from commands.accounts.password_rules import PasswordRules
from commands.kernel.dispatch import Dispatcher, Repository
from domain.accounts.client import Profile
from domain.kernel.errors import Busy
from domain.kernel.recorded import Context, Recorded
from projections.devices.memberships import MEMBERSHIPS
from tests.unit.http.world import World

PUBLIC_URL = "https://home.example"
EMAIL, PASSWORD = "ann@example.org", "blue kettle on the roof"
CALLBACK = "https://shop.example/callback"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


class FakePasswords:
    """As quick as can be. ``busy``: the pool is full."""

    def __init__(self) -> None:
        self.busy = False
        self.work = 0

    async def hash(self, password: str) -> str:
        self._one()
        return f"plain {password}"

    async def verify(self, hash: str, password: str) -> bool:  # noqa: A002
        self._one()
        return hash == f"plain {password}"

    def needs_rehash(self, hash: str) -> bool:  # noqa: A002
        return False

    async def dummy(self, password: str) -> None:
        self._one()

    def _one(self) -> None:
        self.work += 1
        if self.busy:
            raise Busy("too many at once", retry_after=2)


class FakeSeals:
    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}

    async def seal(self, account_id: str, place: str, fields: Mapping[str, Any]) -> str:
        key = f"{account_id} {place} {len(self.held)}"
        self.held[key] = dict(fields)
        return key

    async def open(self, account_id: str, place: str, sealed: str) -> dict[str, Any]:
        return self.held[sealed]


class NoRevocations:
    async def told(self, grant_ids: Collection[str]) -> None:
        return

    async def changed(self, grant_ids: Collection[str]) -> None:
        return


class PlainWrapper:
    async def wrap(self, material: bytes, subject: str) -> bytes:
        return material

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes:
        return wrapped


class NoPeople:
    async def find(self, account_id: str) -> Person | None:
        return None


@dataclass(frozen=True)
class FakeLetter:
    id: str
    to: str
    subject: str
    text: str
    sent_at: datetime | None


class Server:
    """``outbox``: whether mail stays on the machine."""

    def __init__(self, *, public_url: str = PUBLIC_URL, outbox: bool = True) -> None:
        self.api = World()
        self.clock, self.vault = self.api.clock, self.api.vault
        self.store = MemoryEventStore(self.vault)
        self.dispatcher = Dispatcher(
            store=self.store,
            repository=Repository(self.store, MemorySnapshotStore(self.store.keyring)),
            hints=self,
            clock=self.clock,
            ids=self.api.ids,
        )
        self.keys = AccountKeys({"a": b"k" * 32})
        self.passwords = FakePasswords()
        self.parts = Parts(
            dispatcher=self.dispatcher,
            vault=self.vault,
            clock=self.clock,
            ids=self.api.ids,
            keys=self.keys,
            passwords=self.passwords,
            rules=PasswordRules(),
            seals=FakeSeals(),
            attempts=Attempts(self.api.counters, self.keys, self.clock),
            public_url=public_url,
        )
        self.oauth = OAuth(
            issuer=public_url,
            clock=self.clock,
            ids=self.api.ids,
            vault=self.vault,
            dispatcher=self.dispatcher,
            keys=self.keys,
            clients=Clients(self.dispatcher.repository, self.vault),
            signing_keys=SigningKeys(self.vault, PlainWrapper(), self.clock),
            people=NoPeople(),
            introspection=VaultIntrospection(self.vault, self.clock),
            revocations=NoRevocations(),
            limits=oauth_parts.limits(self.api.counters, self.keys, self.clock),
        )
        self.pages = AccountPages(
            self.parts,
            self.oauth,
            tracer=self.api.tracer,
            outbox=self if outbox else None,
            memberships=self.api.memberships,
        )
        self.public_url = public_url

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        """As the projector of memberships, at once."""
        prefix = MEMBERSHIPS.category + "-"
        mine = [one for one in recorded if one.event.originator_id.startswith(prefix)]
        await self.api.members.apply(mine)

    @asynccontextmanager
    async def app(self) -> AsyncIterator[FastAPI]:
        app = create_app(self.api, mounts=[lambda app: mount(app, pages=self.pages)])
        async with app.router.lifespan_context(app):
            yield app

    async def newest(self) -> list[FakeLetter]:
        found = []
        for key, item in reversed(await self.vault.list(MAIL)):
            text = " ".join((item["kind"], *item["parameters"].values()))
            at = datetime(2026, 11, 25, tzinfo=UTC)
            found.append(FakeLetter(key.removeprefix(MAIL), item["to"], item["kind"], text, at))
        return found

    async def link(self, kind: str, to: str = EMAIL) -> str:
        """Of the newest mail of this kind: path and query."""
        for letter in await self.newest():
            if letter.subject == kind and letter.to == to:
                found = re.search(r"https?://\S+", letter.text)
                assert found is not None
                return found[0].removeprefix(self.public_url)
        raise AssertionError(f"no mail {kind} to {to}")

    async def add_client(self, client_id: str = "shop", **wishes: Any) -> None:
        made = configured(
            Wishes(
                Profile.WEB,
                wishes.pop("name", "Shop & Co <b>"),
                redirect_uris=wishes.pop("redirect_uris", (CALLBACK,)),
                post_logout_redirect_uris=("https://shop.example/bye",),
                **wishes,
            )
        )
        message = RegisterClient(client_id=client_id, config=made, replace=True)
        await self.dispatcher.execute(
            Context("c", "m", "test"), lambda unit: register(unit, self.vault, message)
        )
        self.oauth.clients.forget()


class Browser:
    """One that runs no scripts: follows redirects within the platform, sends forms as they are.

    ``page``: the last answer. Cookies are kept as the answers say.
    """

    def __init__(self, app: FastAPI, public_url: str = PUBLIC_URL) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(
            transport=transport, base_url=public_url, headers={"User-Agent": AGENT}
        )
        self.page: httpx.Response = httpx.Response(204)

    @property
    def tree(self) -> html.HtmlElement:
        return html.document_fromstring(self.page.text)

    @property
    def path(self) -> str:
        return self.page.request.url.path

    @property
    def heading(self) -> str:
        return str(self.tree.xpath("normalize-space(//h1)"))

    @property
    def words(self) -> str:
        return " ".join(str(self.tree.xpath("string(//body)")).split())

    async def get(self, path: str, **headers: str) -> httpx.Response:
        self.page = await self.http.get(path, headers=headers)
        return await self._followed()

    async def send(
        self, action: str, *, button: str | None = None, follow: bool = True, **fields: str
    ) -> httpx.Response:
        """The form of this address on the page, its other fields as they are."""
        content = urlencode(self.fields_of(action) | fields | self._pressed(action, button))
        self.page = await self.post(action, content)
        return await self._followed() if follow else self.page

    def fields_of(self, action: str) -> dict[str, str]:
        form = self.form(action)
        chosen = {
            one.getparent().get("name"): one.get("value")
            for one in form.xpath(".//select/option[@selected]")
        }
        given = {one.get("name"): one.get("value", "") for one in form.xpath(".//input[@name]")}
        return given | chosen

    def form(self, action: str) -> html.HtmlElement:
        found = [one for one in self.tree.iter("form") if one.get("action") == action]
        assert found, f"no form {action} on {self.path}: {self.words}"
        return found[0]

    def _pressed(self, action: str, button: str | None) -> dict[str, str]:
        if button is None:
            return {}
        found = self.form(action).xpath(f".//button[normalize-space()={button!r}]")
        assert found, f"no button {button}"
        return {found[0].get("name"): found[0].get("value")}

    async def post(self, action: str, content: str, **headers: str) -> httpx.Response:
        """As browsers do it from a page that tells no referrer."""
        usual = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": "null",
            "Sec-Fetch-Site": "same-origin",
        }
        self.page = await self.http.post(action, content=content, headers=usual | headers)
        return self.page

    async def _followed(self) -> httpx.Response:
        for _ in range(8):
            location = self.page.headers.get("location")
            onward = None if self.page.is_error else self.onward()
            target = location or (onward if onward and onward.startswith("/") else None)
            if target is None or not target.startswith("/"):
                return self.page
            self.page = await self.http.get(target)
        raise AssertionError("too many redirects")

    def onward(self) -> str | None:
        """Where the page leads by itself."""
        if not self.page.headers.get("content-type", "").startswith("text/html"):
            return None
        found = self.tree.xpath("//meta[@http-equiv='refresh']/@content")
        return str(found[0]).partition("url=")[2] if found else None

    def pages_token(self, server: Server, action: str) -> str:
        """As a page would hold it for the session that the browser has."""
        session = self.http.cookies["__Host-homecast"].split("_")[1]
        return server.pages.tokens.make(f"session:{session}", action, server.clock.now())

    # --- journeys --------------------------------------------------------------------------------

    async def sign_up(self, server: Server, email: str = EMAIL, password: str = PASSWORD) -> None:
        await self.get("/signup")
        await self.send("/signup", email=email)
        await self.get(await server.link("sign_up", email))
        await self.send("/signup/confirm", password=password)
        assert self.path == "/account", self.words

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        await self.get("/signin")
        await self.send("/signin", email=email, password=password)

    async def sign_out(self) -> None:
        await self.get("/account")
        await self.send("/signout")


def asked(**parameters: str) -> str:
    """An authorization request of the client ``shop``."""
    usual = {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": CALLBACK,
        "scope": "openid devices:read commands:write",
        "state": "x y/&z",
    }
    return "/oauth2/authorize?" + urlencode(usual | parameters)


def answer_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))
