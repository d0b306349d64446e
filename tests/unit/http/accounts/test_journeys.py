"""What people do with their accounts, from page to page, without a script."""

from __future__ import annotations

from urllib.parse import urlencode

import pyotp
import pytest
from fastapi import FastAPI

from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts.account import ACCOUNT
from domain.kernel.recorded import Context
from tests.unit.http.accounts.world import EMAIL, PASSWORD, Browser, Server

LOCAL_URL = "http://localhost:8080"


async def test_sign_up_sign_out_sign_in(server: Server, browser: Browser) -> None:
    await browser.get("/account")
    assert browser.path == "/signin"
    await browser.get("/signup")
    await browser.send("/signup", email=" Ann@Example.org ")
    assert browser.heading == "Look into your mail"
    await browser.get(await server.link("sign_up", "Ann@Example.org"))
    assert browser.heading == "Choose a password"
    await browser.send("/signup/confirm", password=PASSWORD)
    assert browser.path == "/account"
    assert "Ann@Example.org" in browser.words
    await browser.send("/signout")
    assert "You are signed out." in browser.words
    await browser.get("/account")
    assert browser.path == "/signin"
    await browser.send("/signin", email=EMAIL, password=PASSWORD)
    assert browser.path == "/account"


async def test_a_link_of_a_mail_changes_nothing_until_its_button_is_pressed(
    server: Server, browser: Browser, other: Browser
) -> None:
    await browser.get("/signup")
    await browser.send("/signup", email=EMAIL)
    link = await server.link("sign_up")
    for _ in range(3):  # a scanner of mails
        assert (await other.get(link)).status_code == 200
    await browser.get(link)
    await browser.send("/signup/confirm", password=PASSWORD)
    assert browser.path == "/account"
    assert (await other.get(link)).status_code == 410
    assert other.heading == "This link does not work any more"


@pytest.mark.parametrize("password", ["short", "12345678", EMAIL, "aaaaaaaaaaaa"])
async def test_a_weak_password_is_told_in_words_and_the_link_stays(
    server: Server, browser: Browser, password: str
) -> None:
    await browser.get("/signup")
    await browser.send("/signup", email=EMAIL)
    await browser.get(await server.link("sign_up"))
    page = await browser.send("/signup/confirm", password=password)
    assert page.status_code == 422
    assert browser.tree.xpath("//input[@id='password'][@aria-invalid='true']")
    assert password not in page.text.replace(EMAIL, "", 1) or password == EMAIL
    await browser.send("/signup/confirm", password=PASSWORD)
    assert browser.path == "/account"


async def test_a_second_factor_is_set_up_and_asked_for(ann: Browser, server: Server) -> None:
    await ann.get("/account/security")
    await ann.send("/account/security/totp")
    assert ann.tree.xpath("//img[@class='qr']/@src")[0].startswith("data:image/svg+xml")
    secret = ann.tree.xpath("string(//code[@class='secret'])").replace(" ", "")
    wrong = await ann.send("/account/security/totp/confirm", code="000000")
    assert wrong.status_code == 422
    code = pyotp.TOTP(secret).at(server.clock.now())
    await ann.send("/account/security/totp/confirm", code=code)
    codes = [one.text for one in ann.tree.xpath("//ul[@class='codes']/li")]
    assert len(codes) == 10

    await ann.sign_out()
    server.clock.advance(60)
    await ann.sign_in()
    assert ann.path == "/signin/code"
    assert (await ann.get("/account")).url.path == "/signin"
    await ann.get("/signin/code")
    wrong = await ann.send("/signin/code", code="123456")
    assert wrong.status_code == 422
    await ann.send("/signin/code", code=pyotp.TOTP(secret).at(server.clock.now()))
    assert ann.path == "/account"

    await ann.sign_out()
    await ann.sign_in()
    await ann.send("/signin/code", code=str(codes[0]).upper())
    assert ann.path == "/account"
    await ann.get("/account/security")
    assert "9 recovery codes left" in ann.words
    await ann.send("/account/security/recovery-codes")
    assert codes[1] not in ann.words
    await ann.get("/account/security")
    await ann.send("/account/security/totp/off")
    assert "Codes of your app are not asked for any more." in ann.words


async def test_a_forgotten_password_is_reset_by_mail_and_ends_all_sessions(
    ann: Browser, other: Browser, server: Server
) -> None:
    await other.get("/password/forgot")
    await other.send("/password/forgot", email=EMAIL)
    assert other.heading == "Look into your mail"
    await other.get(await server.link("password_reset"))
    await other.send("/password/reset", password="a green door in winter")
    assert other.path == "/signin"
    assert "Your new password is set." in other.words
    await ann.get("/account")
    assert ann.path == "/signin"
    await other.send("/signin", email=EMAIL, password="a green door in winter")
    assert other.path == "/account"


async def test_a_password_is_changed_and_other_sessions_end(ann: Browser, other: Browser) -> None:
    await other.sign_in()
    await ann.get("/account/security")
    wrong = await ann.send(
        "/account/security/password", current="not it", password="a green door in winter"
    )
    assert wrong.status_code == 422
    await ann.send(
        "/account/security/password", current=PASSWORD, password="a green door in winter"
    )
    assert ann.path == "/account/security"
    await other.get("/account")
    assert other.path == "/signin"


async def test_sessions_are_listed_and_ended(
    ann: Browser, other: Browser, app: FastAPI, server: Server
) -> None:
    await other.sign_in()
    await ann.get("/account/sessions")
    assert ann.words.count("Chrome on Linux") >= 2
    assert ann.words.count("This one") == 1
    await ann.send("/account/sessions/end")
    assert "That session is ended." in ann.words
    await other.get("/account")
    assert other.path == "/signin"
    await other.sign_in()
    third = Browser(app)
    await third.sign_in()
    await ann.get("/account/sessions")
    await ann.send("/account/sessions/end-others")
    assert [(await one.get("/account")).url.path for one in (ann, other, third)] == [
        "/account", "/signin", "/signin",
    ]  # fmt: skip


async def test_a_new_address_counts_once_its_link_was_followed(
    ann: Browser, server: Server
) -> None:
    await ann.get("/account/email")
    await ann.send("/account/email", email="anna@example.org")
    assert ann.heading == "Look into your mail"
    await ann.get(await server.link("email_change", "anna@example.org"))
    assert "anna@example.org" in ann.words
    await ann.send("/email/confirm")
    assert "Your e-mail address is changed." in ann.words
    await ann.sign_out()
    await ann.sign_in("anna@example.org")
    assert ann.path == "/account"


async def test_a_strangers_browser_cannot_confirm_a_new_address(
    ann: Browser, other: Browser, server: Server
) -> None:
    await ann.get("/account/email")
    await ann.send("/account/email", email="anna@example.org")
    link = await server.link("email_change", "anna@example.org")
    for browser in (other, await signed_up(other, server)):
        page = await browser.get(link)
        assert page.status_code == 403
        assert "Open this link where you asked for it" in browser.words
        answer = await browser.post("/email/confirm", urlencode({"token": link.split("=")[1]}))
        assert answer.status_code in (400, 403)
    await ann.get(link)
    assert EMAIL in ann.words, "the page names the account"


async def signed_up(browser: Browser, server: Server) -> Browser:
    await browser.sign_up(server, "eve@example.org")
    return browser


async def test_after_a_reset_the_passkeys_are_to_be_looked_at(ann: Browser, server: Server) -> None:
    me = await server.pages.session(ann.http.cookies["__Host-homecast"], server.clock.now())
    assert me is not None

    async def decide(unit: Unit) -> None:
        state = await unit.load(ACCOUNT, me.account_id)
        unit.append(state, accounts.add_passkey(state, credential_id="k", name="key", at=unit.at))

    await server.dispatcher.execute(Context("c", "m", "test"), decide)
    server.clock.advance(60)
    await ann.get("/password/forgot")
    await ann.send("/password/forgot", email=EMAIL)
    await ann.get(await server.link("password_reset"))
    await ann.send("/password/reset", password="a green door in winter")
    await ann.send("/signin", email=EMAIL, password="a green door in winter")
    assert "Review your passkeys" in ann.words


async def test_what_is_only_the_owners_needs_a_recent_sign_in(ann: Browser, server: Server) -> None:
    server.clock.advance(3600)
    await ann.get("/account/email")
    assert ann.path == "/signin/again"
    wrong = await ann.send("/signin/again", password="not it")
    assert wrong.status_code == 422
    await ann.send("/signin/again", password=PASSWORD)
    assert ann.path == "/account/email"


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/account/security/passkeys/remove", "/account/security"),
        ("/account/security/totp", "/account/security"),
        ("/account/data/delete", "/account/data"),
        ("/account/email", "/account/email"),
    ],
)
async def test_a_form_that_came_too_late_leads_back_to_its_page(
    ann: Browser, server: Server, form: str, page: str
) -> None:
    await ann.get(page)
    csrf = ann.pages_token(server, form)
    server.clock.advance(3600)
    answer = await ann.post(form, urlencode({"csrf": csrf, "sure": "yes", "email": "b@c.example"}))
    assert answer.headers["location"] == "/signin/again?" + urlencode({"return_to": page})


async def test_an_account_is_deleted_after_a_waiting_time_and_kept_on_second_thoughts(
    ann: Browser,
) -> None:
    await ann.get("/account/data")
    assert (await ann.send("/account/data/delete", sure="")).status_code == 422
    await ann.send("/account/data/delete", sure="yes")
    assert "Your account will be deleted on" in ann.words
    await ann.get("/account")
    assert "Your account will be deleted on" in ann.words
    await ann.get("/account/data")
    await ann.send("/account/data/keep")
    assert "Your account stays." in ann.words


async def test_ones_data_comes_as_a_file(ann: Browser) -> None:
    await ann.get("/account/data")
    answer = await ann.send("/account/data/download", follow=False)
    assert answer.headers["content-disposition"].startswith('attachment; filename="homecast-')
    assert answer.headers["cache-control"] == "no-store"
    known = answer.json()
    assert known["account"]["email"] == EMAIL
    assert PASSWORD not in answer.text


async def test_the_outbox_shows_mails_with_links_that_can_be_followed() -> None:
    server = Server(public_url=LOCAL_URL)
    async with server.app() as app:
        browser = Browser(app, LOCAL_URL)
        await browser.get("/signup")
        await browser.send("/signup", email=EMAIL)
        await browser.get("/dev/outbox")
        mail = browser.tree.xpath("//main//h2/a/@href")[0]
        await browser.get(str(mail))
        link = browser.tree.xpath("//p[@class='mail']/a/@href")[0]
        assert str(link).endswith(await server.link("sign_up"))
        assert (await browser.get("/dev/outbox/none")).status_code == 404
        for path in ("/dev/outbox", str(mail)):
            answer = await browser.get(path, Host="rebound.example:8080")
            assert answer.status_code == 404
            assert EMAIL not in answer.text


async def test_pages_for_others_never_show_the_outbox(browser: Browser) -> None:
    for host in ("home.example", "localhost"):
        assert (await browser.get("/dev/outbox", Host=host)).status_code == 404


async def test_where_mail_goes_out_there_is_no_outbox() -> None:
    server = Server(outbox=False)
    async with server.app() as app:
        browser = Browser(app)
        assert (await browser.get("/dev/outbox")).status_code == 404
        await browser.get("/signup")
        await browser.send("/signup", email=EMAIL)
        assert "outbox" not in browser.page.text


@pytest.mark.parametrize("behind_proxy", [True, False])
async def test_the_country_of_a_sign_in_counts_where_a_proxy_of_ours_says_it(
    server: Server, browser: Browser, *, behind_proxy: bool
) -> None:
    server.pages.behind_proxy = behind_proxy
    browser.http.headers["CloudFront-Viewer-Country"] = "NL"
    await browser.get("/signup")
    await browser.send("/signup", email=EMAIL)
    await browser.get(await server.link("sign_up"))
    await browser.send("/signup/confirm", password=PASSWORD)
    page = await browser.get("/account/sessions")
    assert ("NL" in page.text or "Netherlands" in page.text) == behind_proxy
