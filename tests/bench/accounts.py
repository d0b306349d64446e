"""Accounts and the authorization server over HTTP: one API process, the embedded engines, callers
that keep their connections.

Processor time is the API's, all its threads together, for each request; **a second and core** is
one second of that divided by it: what one core would answer that does nothing else. It is counted
like this because callers and engines run on the same cores, and because the published figures of
Keycloak are per vCPU of the server, without its database.

**Refresh**: clients of the profile ``alexa``, each time with the newest token of one of 40 grants.
**Cold** introspections are the first of each token, **warm** ones the second of the same tokens, by
a service that may look at all of them. Sign-ins are by password, from browsers that are known, with
the form's token: a session is made, and no mail.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from argon2 import Parameters, PasswordHasher, Type
from argon2.profiles import RFC_9106_LOW_MEMORY

from adapters.bootstrap.accounts import account_keys, accounts
from adapters.bootstrap.http import api
from commands.accounts.mail import PREFIX as MAIL
from commands.accounts.oauth.clients import (
    IssueSecret,
    RegisterClient,
    issue_secret,
    new_secret,
    register,
)
from commands.accounts.oauth.parts import OWN_TOKENS
from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.sign_in_sessions import Visitor
from commands.accounts.signing_up import ask_for_link, confirm_sign_up
from commands.accounts.token_family import TokenFamily, TokenKeys, begin, key_of
from commands.kernel.ports import Ids, Vault
from domain.accounts.client import Profile
from domain.kernel.recorded import Context
from tests.bench.markdown import at_least, table
from tests.bench.processes import CpuMeter
from tests.bench.sizes import Sizes
from tests.support.platform import Platform

T = TypeVar("T")
CALLERS = 8
GRANTS = 40
CONTEXT = Context("bench", "bench", "bench")
PASSWORD = "blue kettle on the roof"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
CLIENT, SERVICE = "bench-alexa", "bench-service"
SCOPES = ("commands:write", "devices:read")
KEYCLOAK = {"sign-in": 15, "refresh": 120, "client credentials": 120}
"""A second and vCPU (its sizing guide, which adds 150 % for peaks)."""
OF_KEYCLOAK = Parameters(Type.ID, 19, 16, 32, time_cost=5, memory_cost=7168, parallelism=1)
"""What it hashes passwords with where nobody says otherwise."""
REFRESHES_AIM, INTROSPECTIONS_AIM = 150, 1500


@dataclass(frozen=True)
class Measured:
    """``cpu``: of the API, milliseconds for each request. ``a_second``: of all callers."""

    requests: int
    a_second: float
    cpu: float

    @property
    def of_a_core(self) -> float:
        return 1000 / self.cpu


@dataclass(frozen=True)
class Hash:
    """One verification of a password alone, in milliseconds."""

    cost: str
    cpu: float
    took: float


@dataclass(frozen=True)
class Found:
    kinds: dict[str, Measured]
    ours: Hash
    keycloaks: Hash


@dataclass
class Known:
    """What callers have: refresh tokens by grant, and browsers with what their form needs."""

    secrets: dict[str, str]
    refresh: list[str]
    with_identity: list[str]
    emails: list[str]


async def measure(directory: Path, sizes: Sizes) -> Found:
    many = 200 if sizes.quick else 2_000
    async with AsyncExitStack() as stack:
        platform = Platform(directory, processes=("api",))
        await stack.enter_async_context(platform)
        known = await furnish(platform)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                base_url=platform.environment["HOMECAST_PUBLIC_URL"],
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )
        bench = Bench(session, CpuMeter({"api": platform.supervisor.pid("api")}), known)
        kinds: dict[str, Measured] = {}
        tokens: list[str] = []
        for_nothing = [[0]] * CALLERS
        few = OWN_TOKENS.most * 4 // 5  # a client has no more in a while
        kinds["client credentials"] = await bench.run(few, for_nothing, bench.credentials(tokens))
        for how, times in (("cold", len(tokens)), ("warm", many)):
            kinds[f"introspection, {how}"] = await bench.run(times, dealt(tokens), bench.introspect)
        plain, signed = bench.refresh(known.refresh), bench.refresh(known.with_identity)
        await bench.run(4 * GRANTS, dealt(range(GRANTS)), plain)
        kinds["refresh"] = await bench.run(many, dealt(range(GRANTS)), plain)
        kinds["refresh with an ID token"] = await bench.run(many, dealt(range(GRANTS)), signed)
        browsers = [await bench.browser(email) for email in known.emails]
        kinds["sign-in"] = await bench.run(many // 10, dealt(browsers), bench.sign_in)
    return Found(kinds, argon2(RFC_9106_LOW_MEMORY), argon2(OF_KEYCLOAK))


def dealt(things: Sequence[T]) -> list[Sequence[T]]:
    """To all callers, each thing to one."""
    return [things[number::CALLERS] for number in range(CALLERS)]


def argon2(cost: Parameters) -> Hash:
    hasher = PasswordHasher.from_parameters(cost)
    hashed, times = hasher.hash(PASSWORD), 10
    began, spent = time.perf_counter(), time.process_time()
    for _ in range(times):
        hasher.verify(hashed, PASSWORD)
    took, used = time.perf_counter() - began, time.process_time() - spent
    return Hash(in_words(cost), 1000 * used / times, 1000 * took / times)


def in_words(cost: Parameters) -> str:
    return f"argon2id, t={cost.time_cost}, m={cost.memory_cost // 1024} MiB, p={cost.parallelism}"


# --- callers --------------------------------------------------------------------------------------


@dataclass
class Browser:
    email: str
    token: str
    before: str
    device: str = ""


class Bench:
    def __init__(self, session: aiohttp.ClientSession, meter: CpuMeter, known: Known) -> None:
        self._session = session
        self._meter = meter
        self._known = known
        self._headers = {name: basic(name, one) for name, one in known.secrets.items()}

    async def run(
        self, requests: int, turns: Sequence[Sequence[T]], ask: Callable[[T], Awaitable[None]]
    ) -> Measured:
        """``turns``: of each caller, begun again when they are over."""
        each = requests // len(turns)
        self._meter.start()
        began = time.perf_counter()
        await asyncio.gather(*(self._several(ask, islice(cycle(one), each)) for one in turns))
        took = time.perf_counter() - began
        done = each * len(turns)
        return Measured(done, done / took, 1000 * self._meter.spent()["api"] / done)

    async def _several(self, ask: Callable[[T], Awaitable[None]], mine: Iterable[T]) -> None:
        for one in mine:
            await ask(one)

    async def _form(self, path: str, client: str, **form: str) -> dict[str, Any]:
        async with self._session.post(path, data=form, headers=self._headers[client]) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    def credentials(self, tokens: list[str]) -> Callable[[int], Awaitable[None]]:
        async def ask(_: int) -> None:
            answer = await self._form("/oauth2/token", SERVICE, grant_type="client_credentials")
            tokens.append(answer["access_token"])

        return ask

    async def introspect(self, token: str) -> None:
        answer = await self._form("/oauth2/introspect", SERVICE, token=token)
        assert answer["active"]

    def refresh(self, tokens: list[str]) -> Callable[[int], Awaitable[None]]:
        async def ask(number: int) -> None:
            form = {"grant_type": "refresh_token", "refresh_token": tokens[number]}
            answer = await self._form("/oauth2/token", CLIENT, **form)
            tokens[number] = answer["refresh_token"]

        return ask

    async def browser(self, email: str) -> Browser:
        """Known to the platform after a first sign-in."""
        async with self._session.get("/signin") as answer:
            found = re.search(r'name="csrf" value="([^"]+)"', await answer.text())
            assert found is not None
            before = answer.cookies["homecast-before"].value
        browser = Browser(email, found[1], before)
        await self.sign_in(browser)
        return browser

    async def sign_in(self, browser: Browser) -> None:
        form = {"csrf": browser.token, "email": browser.email, "password": PASSWORD}
        known = f"; homecast-device={browser.device}" if browser.device else ""
        headers = {"Cookie": f"homecast-before={browser.before}{known}", "User-Agent": AGENT}
        async with self._session.post(
            "/signin", data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303, await answer.text()
            assert "homecast" in answer.cookies
            browser.device = answer.cookies["homecast-device"].value


def basic(client: str, secret: str) -> dict[str, str]:
    both = base64.b64encode(f"{client}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {both}"}


# --- who is there ---------------------------------------------------------------------------------


async def furnish(platform: Platform) -> Known:
    settings = platform.settings
    async with api(settings) as parts, accounts(settings, parts) as people:
        secrets = {}
        for name, wishes in (
            (CLIENT, Wishes(Profile.ALEXA, "Alexa", vendor="bench")),
            (SERVICE, Wishes(Profile.SERVICE, "Service", introspect=True)),
        ):
            secrets[name] = await client(parts.accounts.dispatcher, parts.vault, name, wishes)
        keys = account_keys(settings).refresh_tokens
        refresh = [await grant(parts.vault, parts.ids, keys, SCOPES) for _ in range(GRANTS)]
        signed = [
            await grant(parts.vault, parts.ids, keys, (*SCOPES, "openid")) for _ in range(GRANTS)
        ]
        emails = [await person(people.parts, number) for number in range(CALLERS)]
    return Known(secrets, refresh, signed, emails)


async def client(dispatcher: Any, vault: Vault, name: str, wishes: Wishes) -> str:
    message = RegisterClient(client_id=name, config=configured(wishes))
    secret = new_secret()
    issued = IssueSecret(client_id=name, secret_id=name, secret=secret)
    await dispatcher.execute(CONTEXT, lambda unit: register(unit, vault, message))
    await dispatcher.execute(CONTEXT, lambda unit: issue_secret(unit, vault, issued))
    return secret


async def grant(vault: Vault, ids: Ids, keys: TokenKeys, scopes: tuple[str, ...]) -> str:
    """Its refresh token."""
    now = datetime.now(UTC)
    family = TokenFamily(
        grant_id=ids.new(),
        account_id=ids.new(),
        client_id=CLIENT,
        scopes=tuple(sorted(scopes)),
        created_at=now,
        expires_at=now + timedelta(days=30),
        auth_time=now,
        amr=("pwd",),
    )
    made = begin(family, keys, now=now, refreshable=True, lifetime=timedelta(hours=1))
    await vault.put(key_of(family.grant_id), made.family.model_dump(mode="json"), expected=0)
    assert made.refresh_token is not None
    return made.refresh_token


async def person(parts: Any, number: int) -> str:
    """Their e-mail address. The mail stays in the vault: no process sends any here."""
    email, visitor = f"bench-{number}@example.org", Visitor(f"192.0.2.{number}", AGENT)
    await ask_for_link(parts, CONTEXT, "sign_up", email=email, visitor=visitor)
    mails = [item for _, item in await parts.vault.list(MAIL) if item["to"] == email]
    found = re.search(r"token=([\w-]+)", mails[0]["parameters"]["link"])
    assert found is not None
    await confirm_sign_up(parts, CONTEXT, token=found[1], password=PASSWORD, visitor=visitor)
    return email


# --- tables ---------------------------------------------------------------------------------------


PASSWORDS = ("one password, alone", "processor time, ms", "by the clock, ms",
             "sign-ins a second and core, worked out with it")  # fmt: skip


def accounts_tables(found: Found) -> str:
    head = ["one API process, 8 callers", "requests", "a second", "API, ms of processor time each",
            "a second and core", "Keycloak, a second and vCPU"]  # fmt: skip
    rows = [
        [
            name,
            f"{one.requests:,}",
            f"{one.a_second:.0f}",
            f"{one.cpu:.2f}",
            f"**{one.of_a_core:.0f}**",
            str(KEYCLOAK.get(name.split(" with")[0], "")),
        ]
        for name, one in found.kinds.items()
    ]
    aims = [
        at_least("refreshes a second and core", found.kinds["refresh"].of_a_core, REFRESHES_AIM),
        at_least(
            "warm introspections a second and core",
            found.kinds["introspection, warm"].of_a_core,
            INTROSPECTIONS_AIM,
        ),
    ]
    rest = found.kinds["sign-in"].cpu - found.ours.cpu
    alone = [
        [
            f"{whose}: {one.cost}",
            f"{one.cpu:.0f}",
            f"{one.took:.0f}",
            f"{1000 / (rest + one.cpu):.0f}",
        ]
        for whose, one in (("ours", found.ours), ("Keycloak's default", found.keycloaks))
    ]
    return "\n\n".join(
        (
            table(head, rows),
            table(PASSWORDS, alone),
            table(["aim", "at least", "measured", ""], aims),
        )
    )
