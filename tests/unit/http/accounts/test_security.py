"""What an attacker tries on the pages of accounts."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import httpx
import pytest

from tests.unit.http.accounts.test_local_paths import HOSTILE
from tests.unit.http.accounts.world import EMAIL, PASSWORD, Browser, Server

SESSION, BEFORE = "__Host-homecast", "__Host-homecast-before"


async def test_a_session_is_another_one_after_each_sign_in(
    browser: Browser, server: Server
) -> None:
    await browser.get("/signin")
    planted = "hcs_01KA0000000000000000000005_" + "a" * 43
    browser.http.cookies.set(SESSION, planted, domain="home.example", path="/")
    before = browser.http.cookies[BEFORE]
    await browser.sign_up(server)
    first = browser.http.cookies[SESSION]
    assert first != planted
    assert before not in browser.http.cookies.values()
    await browser.get("/signin?return_to=/account")
    await browser.send("/signin", email=EMAIL, password=PASSWORD)
    assert browser.http.cookies[SESSION] != first
    browser.http.cookies.set(SESSION, first, domain="home.example", path="/")
    await browser.get("/account")
    assert browser.path == "/signin", "the session from before has ended"


async def test_a_token_of_another_browser_is_refused(browser: Browser, other: Browser) -> None:
    await other.get("/signin")
    stolen = other.fields_of("/signin")["csrf"]
    await browser.get("/signin")
    answer = await browser.post("/signin", urlencode({"csrf": stolen, "email": EMAIL}))
    assert answer.status_code == 403


async def test_a_token_of_another_session_or_form_is_refused(
    ann: Browser, other: Browser, server: Server
) -> None:
    await other.sign_up(server, "eve@example.org")
    await other.get("/account/data")
    stolen = other.fields_of("/account/data/delete")["csrf"]
    form = urlencode({"csrf": stolen, "sure": "yes"})
    assert (await ann.post("/account/data/delete", form)).status_code == 403
    await ann.get("/account/data")
    mine = ann.fields_of("/account/data/download")["csrf"]
    form = urlencode({"csrf": mine, "sure": "yes"})
    assert (await ann.post("/account/data/delete", form)).status_code == 403


async def test_a_page_that_was_open_for_too_long_says_so(ann: Browser, server: Server) -> None:
    await ann.get("/account/sessions")
    await ann.get("/account/data")
    server.clock.advance(5 * 3600)
    answer = await ann.send("/account/data/keep" if "keep" in ann.page.text else "/signout")
    assert answer.status_code == 403
    assert ann.heading == "This page was open for too long"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ],
)
async def test_a_form_from_another_site_is_refused_even_with_a_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    await browser.get("/signin")
    form = urlencode(browser.fields_of("/signin") | {"email": EMAIL, "password": PASSWORD})
    assert (await browser.post("/signin", form, **headers)).status_code == 403


@pytest.mark.parametrize(
    "content", ["csrf=a&csrf=b", "csrf=%ff", "&".join(f"f{n}=1" for n in range(100))]
)
async def test_a_form_that_is_none_is_refused(browser: Browser, content: str) -> None:
    await browser.get("/signin")
    assert (await browser.post("/signin", content)).status_code == 400


async def test_a_large_form_is_refused(browser: Browser) -> None:
    await browser.get("/signin")
    assert (await browser.post("/signin", "a=" + "b" * 40_000)).status_code == 413


@pytest.mark.parametrize("text", [one for one in HOSTILE if one.strip()])
async def test_nobody_is_led_to_another_place_by_a_sign_in(
    ann: Browser, other: Browser, text: str
) -> None:
    try:
        await other.get("/signin?" + urlencode({"return_to": text}))
    except httpx.InvalidURL:
        pytest.fail("the address was passed on")
    form = urlencode(
        other.fields_of("/signin") | {"email": EMAIL, "password": PASSWORD, "return_to": text}
    )
    answer = await other.post("/signin", form)
    assert answer.headers["location"] == "/account"


def leveled(page: httpx.Response) -> str:
    """Without what is random."""
    return re.sub(r'value="[0-9]+\.[0-9a-f]{64}"|data-options="[^"]*"', "", page.text)


async def test_a_sign_in_does_not_tell_whether_there_is_an_account(
    ann: Browser, other: Browser, server: Server
) -> None:
    answers = []
    works = []
    for email in (EMAIL, "bob@example.org"):
        await other.get("/signin")
        before = server.passwords.work
        answer = await other.send("/signin", email=email, password="not the password")
        works.append(server.passwords.work - before)
        answers.append(leveled(answer).replace(email, "…"))
        assert answer.status_code == 422
    assert answers[0] == answers[1]
    assert works[0] == works[1] == 1


@pytest.mark.parametrize("page", ["/signup", "/password/forgot"])
async def test_asking_for_a_mail_does_not_tell_whether_there_is_an_account(
    ann: Browser, other: Browser, page: str
) -> None:
    answers = []
    for email in (EMAIL, "bob@example.org"):
        await other.get(page)
        first = await other.send(page, follow=False, email=email)
        second = await other.get(first.headers["location"])
        answers.append((first.status_code, first.headers["location"], leveled(second)))
    assert answers[0] == answers[1]


async def test_a_locked_address_does_not_tell_whether_there_is_an_account(
    ann: Browser, other: Browser
) -> None:
    answers = []
    for email in (EMAIL, "bob@example.org"):
        for _ in range(11):
            await other.get("/signin")
            answer = await other.send("/signin", email=email, password="x")
        answers.append((answer.status_code, leveled(answer)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 429


async def test_the_owners_browser_is_not_locked_out_by_strangers(
    ann: Browser, other: Browser, server: Server
) -> None:
    await ann.sign_out()
    for _ in range(12):
        await other.get("/signin")
        await other.send("/signin", email=EMAIL, password="x")
    await server.parts.later.settled()
    await ann.sign_in()
    assert ann.path == "/account"
    assert "Somebody tried to sign in with a wrong password" in ann.words


async def test_what_people_write_is_never_markup(server: Server, browser: Browser) -> None:
    hostile = "<script>alert(1)</script>"
    await browser.get("/signup")
    page = await browser.send("/signup", email=hostile)
    assert page.status_code == 422
    assert "<script>alert" not in page.text
    page = await browser.get("/device?user_code=%22%3E%3Cscript%3Ealert")
    await browser.sign_up(server)
    page = await browser.get("/device?user_code=%22%3E%3Cscript%3Ealert")
    assert "<script>alert" not in page.text


async def test_no_page_and_no_address_holds_a_password(browser: Browser) -> None:
    await browser.get("/signin")
    page = await browser.send("/signin", email=EMAIL, password="words of mine")
    assert page.status_code == 422
    assert "words" not in page.text
    assert "words" not in str(page.request.url)


async def test_a_cookie_opens_nothing_below_v1(ann: Browser) -> None:
    assert (await ann.http.get("/v1/devices")).status_code == 401


async def test_a_session_that_is_none_is_nobody(browser: Browser) -> None:
    for value in (b"x", b"hcs_1_2", b"hcs_01KA0000000000000000000005_" + b"a" * 43, b"\xe9" * 3):
        browser.http.cookies.clear()
        headers = [(b"Cookie", SESSION.encode() + b"=" + value)]
        answer = await browser.http.get("/account", headers=headers)
        assert answer.status_code == 303
