"""Every page: its headers, and that it is HTML which people with any browser can use."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import httpx
import pytest
from lxml import html

from adapters.inbound.http.accounts.paths import PAGES
from adapters.inbound.http.accounts.routes import ALL, PATHS
from adapters.inbound.http.accounts.routing import For
from tests.unit.http.accounts.world import EMAIL, Browser, Server, asked

ANYBODYS = ["/signup", "/mail-sent", "/mail-sent?of=reset", "/signin", "/password/forgot",
            "/signup/confirm?token=x", "/password/reset",
            "/email/confirm"]  # fmt: skip
SIGNED_IN = ["/account/homes", "/account", "/account/email", "/account/security",
             "/account/security/passkeys/add",
             "/account/sessions", "/account/services", "/account/data", "/device", "/device/done",
             "/device?user_code=BCDF-GHJK", "/signin/again", "/signin?return_to=/account",
             "/oauth2/logout", asked()]  # fmt: skip
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def test_the_list_of_addresses_is_that_of_the_routes() -> None:
    assert PATHS == PAGES
    shown = {page.path for page in ALL if page.show} - {
        "/signin/code",
        "/dev/outbox",
        "/dev/outbox/{mail_id}",
    }
    visited = {path.partition("?")[0] for path in ANYBODYS + SIGNED_IN}
    assert shown <= visited


def require_headers(answer: httpx.Response) -> None:
    headers = answer.headers
    policy = dict(one.split(" ", 1) for one in headers["content-security-policy"].split("; "))
    policy["img-src"] = policy["img-src"].removesuffix(" data:")
    assert policy == POLICY
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert "access-control-allow-origin" not in headers
    for cookie in headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-homecast")
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "; Path=/" in cookie
        assert "; SameSite=lax" in cookie
        assert "Domain" not in cookie


def require_sound(answer: httpx.Response) -> None:
    tree = html.document_fromstring(answer.text)
    assert tree.get("lang") == "en"
    assert str(tree.xpath("string(//title)")).endswith("· Homecast")
    assert len(tree.xpath("//h1")) == 1
    assert len(tree.xpath("//main")) == 1
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    labels = set(tree.xpath("//label/@for"))
    for field in tree.xpath("//input[not(@type='hidden')] | //select"):
        named = (
            field.get("id") in labels or field.get("aria-label") or field.xpath("ancestor::label")
        )
        assert named, html.tostring(field)
        assert field.get("autocomplete") or field.get("type") == "checkbox"
    for named in ("aria-labelledby", "aria-describedby"):
        assert set(" ".join(tree.xpath(f"//@{named}")).split()) <= set(ids)
    assert all(one.text_content().strip() for one in tree.xpath("//button | //a"))
    assert all(one.get("alt") is not None for one in tree.xpath("//img"))
    levels = [int(one.tag[1]) for one in tree.xpath("//h1 | //h2 | //h3")]
    assert not tree.xpath("//@style")
    assert not tree.xpath("//script[not(@src)]")
    assert all(b - a <= 2 for a, b in itertools.pairwise(levels))
    for place in tree.xpath("//@src | //link/@href"):
        assert place.startswith(("/account-assets/", "data:image/svg+xml")), place


@pytest.mark.parametrize("path", ANYBODYS)
async def test_a_page_for_anybody(browser: Browser, path: str) -> None:
    answer = await browser.http.get(path)
    assert answer.status_code == (
        410 if "confirm" in path or "reset" in path.split("?")[0] else 200
    )
    require_headers(answer)
    require_sound(answer)


@pytest.mark.parametrize("path", SIGNED_IN)
async def test_a_page_for_who_is_signed_in(ann: Browser, server: Server, path: str) -> None:
    await server.add_client()
    answer = await ann.http.get(path)
    assert answer.status_code == 200
    require_headers(answer)
    require_sound(answer)
    head = await ann.http.head(path)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path", [page.path for page in ALL if page.whom != For.ANYBODY and page.show]
)
async def test_a_stranger_is_led_to_the_sign_in_and_back(browser: Browser, path: str) -> None:
    answer = await browser.http.get(path, params={"x": "1 2"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/signin?return_to=%2F")
    require_headers(answer)


@pytest.mark.parametrize("page", [page for page in ALL if page.submit], ids=lambda page: page.path)
async def test_no_form_is_taken_without_its_token(browser: Browser, page: object) -> None:
    path = page.path  # type: ignore[attr-defined]
    answer = await browser.post(path, "email=a%40b.example&password=x")
    if page.whom == For.ANYBODY:  # type: ignore[attr-defined]
        assert answer.status_code == 403
        require_headers(answer)
        require_sound(answer)
    else:
        assert answer.headers["location"].startswith("/signin?")


@pytest.mark.parametrize(
    "page", [page for page in ALL if page.submit and page.whom != For.ANYBODY],
    ids=lambda page: page.path,
)  # fmt: skip
async def test_no_form_of_who_is_signed_in_is_taken_without_its_token(
    ann: Browser, page: object
) -> None:
    before = dict(await ann_state(ann))
    answer = await ann.post(page.path, "sure=yes&decision=approve&password=x")  # type: ignore[attr-defined]
    assert answer.status_code == 403
    assert dict(await ann_state(ann)) == before


async def ann_state(ann: Browser) -> dict[str, int]:
    return {path: (await ann.http.get(path)).status_code for path in ("/account", "/account/data")}


@pytest.fixture
async def local() -> AsyncIterator[Browser]:
    """On one machine, by http."""
    server = Server(public_url="http://localhost:8080")
    async with server.app() as app:
        browser = Browser(app, server.public_url)
        async with browser.http:
            yield browser


async def test_on_one_machine_cookies_have_plain_names_and_nothing_asks_for_https(
    local: Browser,
) -> None:
    answer = await local.http.get("/signin")
    assert answer.headers["set-cookie"].startswith("homecast-before=")
    assert "Secure" not in answer.headers["set-cookie"]
    assert "strict-transport-security" not in answer.headers


async def test_the_same_machine_by_another_name_is_led_to_the_name_of_its_cookies(
    local: Browser,
) -> None:
    answer = await local.http.get("http://127.0.0.1:8080/signin?return_to=/device")
    assert answer.headers["location"] == "http://localhost:8080/signin?return_to=/device"
    foreign = await local.http.get("http://evil.example/signin")
    assert foreign.status_code == 200


async def test_assets_are_kept_for_ever_and_other_files_are_not_served(browser: Browser) -> None:
    page = await browser.get("/signin")
    names = browser.tree.xpath("//link[@rel]/@href | //script/@src")
    assert {str(one).rpartition(".")[2] for one in names} == {"svg", "css", "js"}
    for one in names:
        answer = await browser.http.get(str(one))
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        other = await browser.http.get("/account-assets/0000/" + str(one).rpartition("/")[2])
        assert other.headers["cache-control"] == "no-store"
    assert (await browser.http.get("/account-assets/0000/base.html")).status_code == 404
    assert page.status_code == 200


async def test_programs_that_want_json_get_problem_details(browser: Browser) -> None:
    answer = await browser.http.get(
        "/signup/confirm", params={"token": "x"}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_defect_has_a_page_with_a_reference_and_no_cause(
    ann: Browser, server: Server
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret cause")

    server.parts.vault.get = broken  # type: ignore[method-assign]
    answer = await ann.http.get("/account")
    assert answer.status_code == 500
    require_headers(answer)
    require_sound(answer)
    assert "secret" not in answer.text
    assert answer.headers["x-correlation-id"] in answer.text


async def test_a_busy_platform_has_a_page(browser: Browser, server: Server) -> None:
    server.passwords.busy = True
    await browser.get("/signin")
    answer = await browser.send("/signin", email=EMAIL, password="x")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    require_sound(answer)


async def test_who_tries_too_often_has_a_page(browser: Browser) -> None:
    for _ in range(10):
        await browser.get("/signin")
        assert (await browser.send("/signin", email=EMAIL, password="x")).status_code == 422
    await browser.get("/signin")
    answer = await browser.send("/signin", email=EMAIL, password="x")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    require_headers(answer)
    require_sound(answer)
