"""RFC 9700, rule by rule, from outside. What another test has in full is named at the end."""

from __future__ import annotations

import importlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Message
from structlog.testing import capture_logs

from adapters.inbound.http.__main__ import configuration
from adapters.inbound.http.accounts.rendering import ASSETS, TEMPLATES
from adapters.inbound.http.accounts.routes import ALL
from adapters.inbound.http.oauth.routes import ROUTES
from adapters.settings import Settings
from commands.accounts.oauth.parts import CLIENT_FAILURES
from domain.accounts.client import CLIENT_ID
from tests.support.oauth import APP, VERIFIER, challenge_of
from tests.unit.http.accounts.world import (
    CALLBACK,
    EMAIL,
    PASSWORD,
    PUBLIC_URL,
    Browser,
    asked,
)
from tests.unit.http.security.world import (
    OF_APP,
    SECRET,
    Client,
    Site,
    addresses_in,
    allowed,
    app_tokens,
)

METADATA = "/.well-known/oauth-authorization-server"


# --- 4.1: redirect URIs; 4.11: open redirectors ---------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "https://shop.example/callback/",
        "https://shop.example/callback?x=1",
        "https://shop.example/callback#x",
        "https://shop.example/callback/../callback",
        "https://shop.example/%63allback",
        "https://SHOP.example/callback",
        "http://shop.example/callback",
        "https://shop.example:443/callback",
        "https://shop.example@evil.example/callback",
        "https://shop.example.evil.example/callback",
        "https://evil.example/callback",
        "//shop.example/callback",
        "https://shop.example\\@evil.example/callback",
        " https://shop.example/callback",
        "javascript:alert(1)",
        "",
    ],
)
async def test_a_redirect_uri_fits_exactly_or_nobody_is_sent_anywhere(
    ann: Browser, uri: str
) -> None:
    for more in ({}, {"scope": "no-such-scope"}, {"prompt": "none"}, {"response_type": "token"}):
        answer = await ann.http.get(asked(redirect_uri=uri, **more))
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "http-equiv" not in answer.text
        assert "evil.example" not in addresses_in(answer.text)


@pytest.mark.parametrize("client_id", ["nobody", "", "SHOP", "shop/", "../shop", "a" * 500])
async def test_an_unknown_client_is_no_way_out(ann: Browser, client_id: str) -> None:
    answer = await ann.http.get(asked(client_id=client_id))
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_wrong_request_leads_nowhere_but_to_a_registered_address(stranger: Browser) -> None:
    for wrong in ({"scope": "x"}, {"response_type": "token"}, {"prompt": "none"}, {"max_age": "x"}):
        answer = await stranger.http.get(asked(**wrong))
        assert answer.headers["location"].startswith(CALLBACK + "?error=")


# --- 4.2, 4.3, 4.17: what leaks -------------------------------------------------------------------


async def test_no_page_on_the_way_tells_others_where_it_was(ann: Browser) -> None:
    pages = [await ann.http.get(asked())]
    await ann.get(asked())
    pages.append(await ann.send("/oauth2/consent", button="Allow"))
    for page in pages:
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        tree = ann.tree
        assert not tree.xpath("//iframe | //object | //embed")
        for place in tree.xpath("//*/@src | //link/@href"):
            assert urlsplit(place).netloc == ""


async def test_no_token_ever_stands_in_an_address(ann: Browser, client: Client) -> None:
    found = await allowed(ann)
    assert set(found) == {"code", "state", "iss", "location"}
    assert urlsplit(found["location"]).fragment == ""
    for wanted in ("token", "id_token", "code token", "code id_token", "none"):
        answer = await ann.http.get(asked(response_type=wanted))
        assert "error=unsupported_response_type" in answer.headers["location"]
    for mode in ("fragment", "form_post", "web_message", "query.jwt"):
        answer = await ann.http.get(asked(response_mode=mode))
        assert "error=invalid_request" in answer.headers["location"]
    token = (await app_tokens(ann, client))["access_token"]
    for path in ("/v1/devices", "/oauth2/userinfo"):
        answer = await client.http.get(path, params={"access_token": token})
        assert answer.status_code == 401


async def test_credentials_in_an_address_are_refused(client: Client) -> None:
    form = {"grant_type": "client_credentials"}
    secret = {"client_id": "service", "client_secret": SECRET}
    answer = await client.http.post("/oauth2/token", params=secret, data=form)
    assert answer.status_code in (400, 401)
    answer = await client.http.get("/oauth2/token", params={**secret, **form})
    assert answer.status_code == 405


def test_no_page_speaks_to_other_windows() -> None:
    for file in (*TEMPLATES.iterdir(), *ASSETS.iterdir()):
        text = file.read_text()
        for word in ("postMessage", "window.opener", "window.parent", "localStorage"):
            assert word not in text, file.name


async def test_the_log_holds_no_credential(site: Site, stranger: Browser, client: Client) -> None:
    with capture_logs() as told:
        await stranger.sign_up(site.server)
        await stranger.sign_out()
        await stranger.get(asked(**OF_APP))
        await stranger.send("/signin", email=EMAIL, password=PASSWORD)
        tokens = await app_tokens(stranger, client)
        await client.refresh("app", tokens["refresh_token"])
        await client.refresh("app", tokens["refresh_token"])
        await client.post("/oauth2/introspect", "service", token=tokens["access_token"])
        await client.post("/oauth2/token", "shop", grant_type="x", client_secret="a wrong one")
        cookies = list(stranger.http.cookies.jar)
    text = json.dumps(told, default=str)
    assert {"/signin", "/oauth2/authorize", "/oauth2/token"} <= {one.get("route") for one in told}
    hidden = [PASSWORD, EMAIL, VERIFIER, SECRET, "a wrong one", "hcc_", "hcr_", "hca_", "token="]
    for secret in (*hidden, *(str(one.value) for one in cookies)):
        assert secret not in text


# --- 4.4: mix-up ----------------------------------------------------------------------------------


async def test_every_answer_says_whose_it_is(ann: Browser) -> None:
    document = (await ann.http.get(METADATA)).json()
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["issuer"] == PUBLIC_URL
    assert (await allowed(ann))["iss"] == PUBLIC_URL
    await ann.get(asked(state="other", prompt="consent"))
    await ann.send("/oauth2/consent", button="Do not allow")
    refused = parse_qs(urlsplit(ann.onward() or "").query)
    assert refused["iss"] == [PUBLIC_URL]
    assert refused["error"] == ["access_denied"]
    answer = await ann.http.get(asked(scope="x"))
    assert parse_qs(urlsplit(answer.headers["location"]).query)["iss"] == [PUBLIC_URL]


async def test_no_header_of_a_request_makes_another_issuer(
    site: Site, stranger: Browser, client: Client
) -> None:
    hostile = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.example;proto=http",
        "X-Original-URL": "/v1/devices",
        "X-Rewrite-URL": "/v1/devices",
    }
    answer = await client.http.get(METADATA, headers=hostile)
    assert answer.json()["issuer"] == PUBLIC_URL
    assert addresses_in(answer.text) == {"home.example"}
    await stranger.get("/signup")
    form = urlencode({**stranger.fields_of("/signup"), "email": EMAIL})
    answer = await stranger.post("/signup", form, **hostile)
    assert answer.status_code == 303
    [letter] = await site.server.newest()
    assert addresses_in(letter.text) == {"home.example"}
    answer = await client.http.get("/signin", headers=hostile)
    assert answer.headers["set-cookie"].startswith("__Host-")


# --- 4.5, 4.8: injected codes, and PKCE taken away ------------------------------------------------


async def test_a_stolen_code_is_of_no_use_in_another_run_of_the_same_client(
    ann: Browser, client: Client
) -> None:
    code = (await allowed(ann, **OF_APP))["code"]
    mine = "m" * 43
    assert challenge_of(mine) != OF_APP["code_challenge"]
    answer = await client.redeem("app", code, redirect_uri=APP, code_verifier=mine)
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"code_challenge": ""},
    ],
)
async def test_pkce_cannot_be_left_out_or_made_weaker(
    ann: Browser, parameters: dict[str, str]
) -> None:
    answer = await ann.http.get(asked(**{**OF_APP, **parameters}))
    assert answer.headers["location"].startswith(APP + "?error=invalid_request")


async def test_a_code_that_was_asked_for_with_pkce_needs_its_verifier(
    ann: Browser, client: Client
) -> None:
    pkce = {"code_challenge": OF_APP["code_challenge"], "code_challenge_method": "S256"}
    code = (await allowed(ann, **pkce))["code"]
    answer = await client.redeem("shop", code, redirect_uri=CALLBACK)
    assert answer.json()["error"] == "invalid_grant"
    document = (await client.http.get(METADATA)).json()
    assert document["code_challenge_methods_supported"] == ["S256"]


async def test_a_verifier_that_no_challenge_was_sent_for_is_a_downgrade(
    ann: Browser, client: Client
) -> None:
    code = (await allowed(ann))["code"]
    answer = await client.redeem("shop", code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_is_used_once_and_a_second_use_ends_what_the_first_gave(
    ann: Browser, client: Client
) -> None:
    code = (await allowed(ann, **OF_APP))["code"]
    form = {"redirect_uri": APP, "code_verifier": VERIFIER}
    tokens = (await client.redeem("app", code, **form)).json()
    assert await client.opens(tokens["access_token"]) == 200
    assert (await client.redeem("app", code, **form)).json()["error"] == "invalid_grant"
    assert await client.opens(tokens["access_token"]) == 401
    assert (await client.refresh("app", tokens["refresh_token"])).status_code == 400


# --- 4.7: forged requests -------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["a", "x y/&z=%25+é", "<script>", "'\"", "s" * 1000])
async def test_the_state_comes_back_as_it_was(ann: Browser, state: str) -> None:
    assert (await allowed(ann, state=state))["state"] == state
    await ann.get(asked(state=state, prompt="consent"))
    await ann.send("/oauth2/consent", button="Do not allow")
    assert parse_qs(urlsplit(ann.onward() or "").query)["state"] == [state]


async def test_a_forged_form_gives_no_consent(ann: Browser) -> None:
    request = urlsplit(asked()).query
    form = urlencode({"request": request, "decision": "approve"})
    answer = await ann.post("/oauth2/consent", form)
    assert answer.status_code == 403
    await ann.get(asked())
    form = urlencode({**ann.fields_of("/oauth2/consent"), "decision": "approve"})
    answer = await ann.post("/oauth2/consent", form, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


# --- 4.9, 4.10: replayed tokens -------------------------------------------------------------------


async def test_a_revoked_token_is_worth_nothing_anywhere(ann: Browser, client: Client) -> None:
    tokens = await app_tokens(ann, client)
    access = tokens["access_token"]
    assert await client.opens(access) == 200
    await client.post("/oauth2/revoke", "app", token=tokens["refresh_token"])
    assert await client.opens(access) == 401
    headers = {"Authorization": f"Bearer {access}"}
    assert (await client.http.get("/oauth2/userinfo", headers=headers)).status_code == 401
    told = await client.post("/oauth2/introspect", "service", token=access)
    assert told.json() == {"active": False}
    assert (await client.refresh("app", tokens["refresh_token"])).status_code == 400


async def test_a_token_is_no_more_than_its_scopes(ann: Browser, client: Client) -> None:
    code = (await allowed(ann, **OF_APP, scope="openid"))["code"]
    answer = await client.redeem("app", code, redirect_uri=APP, code_verifier=VERIFIER)
    assert answer.json()["scope"] == "openid"
    assert await client.opens(answer.json()["access_token"]) == 403
    assert await client.opens(answer.json()["id_token"]) == 401
    assert await client.opens(answer.json()["refresh_token"]) == 401


# --- 4.12: redirects by status --------------------------------------------------------------------


async def test_no_form_is_passed_on_by_a_redirect(ann: Browser) -> None:
    """307 and 308 would have the browser send a password again, to wherever it is led."""
    hostile = {"password": PASSWORD, "email": EMAIL, "return_to": "https://evil.example/"}
    paths = sorted({page.path for page in ALL} | {one[0] for one in ROUTES})
    for path in (one + end for one in paths for end in ("", "/", "?x=1")):
        for given in ({}, hostile):
            answer = await ann.post(path, urlencode(given))
            assert answer.status_code not in (301, 302, 307, 308), path
            assert not answer.is_redirect or answer.headers["location"].startswith("/"), path


async def test_a_sign_in_is_answered_by_303_and_a_page_that_leads_on(
    ann: Browser, stranger: Browser
) -> None:
    await stranger.get("/signin")
    answer = await stranger.send("/signin", email=EMAIL, password=PASSWORD, follow=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")


# --- 4.13: proxies --------------------------------------------------------------------------------


async def seen_by(settings: Settings, peer: str, *headers: tuple[bytes, bytes]) -> Any:
    """The address that the application is told of."""
    seen: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))

    config: uvicorn.Config = configuration(inner, settings, "h11")
    config.load()
    scope: Any = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": list(headers)}

    async def nothing(*_: Any) -> Message:
        return {}

    await config.loaded_app(scope, nothing, nothing)
    return seen[0]


SAID = ((b"x-forwarded-for", b"203.0.113.9, 203.0.113.7"), (b"x-forwarded-proto", b"https"))


async def test_what_a_stranger_says_of_a_proxy_is_not_believed() -> None:
    for peer in ("127.0.0.1", "198.51.100.9"):
        assert await seen_by(Settings(), peer, *SAID) == (peer, "http")
    ours = Settings(reverse_proxies="10.0.0.0/8,192.0.2.1/32")
    assert await seen_by(ours, "198.51.100.9", *SAID) == ("198.51.100.9", "http")


async def test_behind_a_proxy_of_ours_the_nearest_hop_before_it_counts() -> None:
    ours = Settings(reverse_proxies="10.0.0.0/8")
    assert await seen_by(ours, "10.1.2.3", *SAID) == ("203.0.113.7", "https")


async def test_who_may_speak_for_a_device_may_not_for_a_person() -> None:
    stitching = Settings(trusted_proxies="10.0.0.0/8")
    assert await seen_by(stitching, "10.1.2.3", *SAID) == ("10.1.2.3", "http")
    both = Settings(trusted_proxies="10.0.0.0/8", reverse_proxies="192.0.2.1/32")
    assert await seen_by(both, "10.1.2.3", *SAID) == ("10.1.2.3", "http")


async def test_nobody_gets_more_attempts_by_headers(app: FastAPI) -> None:
    client = Client(app)
    async with client.http:
        statuses = []
        for number in range(CLIENT_FAILURES + 1):
            address = f"203.0.113.{number}"
            headers = {"X-Forwarded-For": address, "X-Real-IP": address, "Forwarded": address}
            form = {"client_id": "service", "client_secret": "x", "token": "x"}
            answer = await client.http.post("/oauth2/introspect", data=form, headers=headers)
            statuses.append(answer.status_code)
    assert statuses == [401] * CLIENT_FAILURES + [429]


async def test_no_header_signs_a_client_or_a_person_in(client: Client) -> None:
    headers = {
        "X-Client-Cert": "MIIB",
        "X-SSL-Client-S-DN": "CN=service",
        "X-Forwarded-User": EMAIL,
        "Remote-User": EMAIL,
        "X-Amzn-Oidc-Identity": EMAIL,
    }
    form = {"client_id": "service", "grant_type": "client_credentials"}
    answer = await client.http.post("/oauth2/token", data=form, headers=headers)
    assert answer.json()["error"] == "invalid_client"
    assert (await client.http.get("/account", headers=headers)).status_code == 303


# --- 4.15: a client that poses as a person --------------------------------------------------------


async def test_a_client_can_never_be_taken_for_a_person(client: Client) -> None:
    answer = await client.post("/oauth2/token", "service", grant_type="client_credentials")
    token = answer.json()["access_token"]
    told = (await client.post("/oauth2/introspect", "service", token=token)).json()
    assert told["sub"] == told["client_id"] == "service"
    assert await client.opens(token) == 403
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.http.get("/oauth2/userinfo", headers=headers)).status_code == 403
    assert "A-Z" not in CLIENT_ID, "ids of accounts are in capital letters"


# --- 4.16: clickjacking ---------------------------------------------------------------------------


async def test_no_page_is_shown_within_another(ann: Browser) -> None:
    for path in (asked(), "/device", "/oauth2/logout", "/signin?x=1", "/oauth2/authorize"):
        headers = (await ann.http.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


# --- 2.4, 2.5, 2.6 --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2"])
async def test_passwords_are_for_our_pages_only(client: Client, kind: str) -> None:
    form = {"grant_type": kind, "username": EMAIL, "password": PASSWORD}
    for name in ("app", "shop", "service"):
        answer = await client.post("/oauth2/token", name, **form)
        assert answer.json()["error"] == "unsupported_grant_type"
    document = (await client.http.get(METADATA)).json()
    assert kind not in document["grant_types_supported"]
    assert document["response_types_supported"] == ["code"]


async def test_a_client_with_a_secret_is_asked_for_it_everywhere(client: Client) -> None:
    for path in ("/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"):
        form = {"client_id": "shop", "token": "x", "grant_type": "refresh_token"}
        answer = await client.http.post(path, data=form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_pages_of_other_origins_reach_no_page_of_ours(ann: Browser) -> None:
    """CORS (section 2.1): never at the authorization endpoint."""
    headers = {"Origin": "https://evil.example"}
    for path in (asked(), "/account", "/signin"):
        answer: httpx.Response = await ann.http.get(path, headers=headers)
        assert "access-control-allow-origin" not in answer.headers
        answer = await ann.http.options(path, headers=headers)
        assert answer.status_code == 405


PAGES, TOKENS = "unit.http.accounts.test_security", "unit.http.oauth.test_tokens"
REQUESTS, REDIRECTS = "unit.accounts.oauth.test_authorizing", "unit.accounts.oauth.test_redirects"
ELSEWHERE = [
    ("4.1.3", REDIRECTS, "test_of_a_loopback_address_only_the_port_is_free"),
    ("4.5", TOKENS, "test_a_code_of_another_client_gives_nothing"),
    ("4.7", PAGES, "test_a_token_of_another_browser_is_refused"),
    ("4.11.2", PAGES, "test_nobody_is_led_to_another_place_by_a_sign_in"),
    ("4.14.2", TOKENS, "test_a_refresh_rotates_and_an_old_token_of_an_own_app_ends_the_grant"),
    (
        "4.14.2",
        TOKENS,
        "test_an_assistants_old_token_does_until_its_successor_was_used",
    ),
    ("4.14.2", TOKENS, "test_a_refresh_token_of_another_client_does_nothing"),
    ("session fixation", PAGES, "test_a_session_is_another_one_after_each_sign_in"),
    ("RFC 8628 5.1", "unit.http.oauth.test_devices", "test_user_codes_cannot_be_guessed"),
    ("RFC 8252 8.6", REQUESTS, "test_a_program_that_another_could_pose_as_is_looked_at_each_time"),
]


@pytest.mark.parametrize(("rule", "module", "name"), ELSEWHERE)
def test_what_is_proven_elsewhere_is_there(rule: str, module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(f"tests.{module}"), name, None)), rule
