"""What people see of OAuth: consent, sign-out that a client asks for, devices, linked services."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from commands.accounts.oauth import codes, devices, tokens
from commands.accounts.oauth.clients import KnownClient, RegisterClient, register
from commands.accounts.oauth.profiles import Wishes, configured
from domain.accounts.client import Profile
from domain.kernel.recorded import Context
from tests.unit.http.accounts.world import (
    CALLBACK,
    EMAIL,
    PASSWORD,
    Browser,
    Server,
    answer_of,
    asked,
)

CONTEXT = Context("c", "m", "client:shop")


@pytest.fixture
async def shop(server: Server) -> KnownClient:
    await server.add_client()
    client = await server.oauth.clients.find("shop")
    assert client is not None
    return client


async def redeem(server: Server, client: KnownClient, code: str) -> tokens.TokenResponse:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return await tokens.exchange(server.oauth, CONTEXT, client, form)


async def test_who_signs_in_is_asked_once_and_sees_whom_to_what_and_as_whom(
    server: Server, shop: KnownClient, ann: Browser
) -> None:
    await ann.sign_out()
    await ann.get(asked())
    assert ann.path == "/signin"
    assert "to go on to Shop & Co <b>" in ann.words
    await ann.send("/signin", email=EMAIL, password="blue kettle on the roof")
    assert ann.heading == "Allow Shop & Co <b> to use your account?"
    assert "<b>" not in ann.page.text
    for text in (EMAIL, "Control your devices", "See your devices", "shop.example"):
        assert text in ann.words
    await ann.send("/oauth2/consent", button="Allow")
    assert ann.page.status_code == 200
    assert "location" not in ann.page.headers, "form-action holds for redirects of a form"
    answer = answer_of(ann.onward() or "")
    assert (ann.onward() or "").startswith(CALLBACK + "?")
    assert answer["state"] == "x y/&z"
    assert answer["iss"] == "https://home.example"
    await redeem(server, shop, answer["code"])

    again = await ann.http.get(asked())
    assert again.status_code == 302
    assert answer_of(again.headers["location"])["code"] != answer["code"]


async def test_who_says_no_is_sent_back_with_that(shop: KnownClient, ann: Browser) -> None:
    await ann.get(asked())
    await ann.send("/oauth2/consent", button="Do not allow")
    assert answer_of(ann.onward() or "")["error"] == "access_denied"


async def test_a_sign_up_on_the_way_ends_where_it_began(
    server: Server, shop: KnownClient, browser: Browser
) -> None:
    await browser.get(asked())
    await browser.get(str(browser.tree.xpath("//a[text()='Create an account']/@href")[0]))
    await browser.send("/signup", email=EMAIL)
    await browser.get(await server.link("sign_up"))
    await browser.send("/signup/confirm", password="blue kettle on the roof")
    assert browser.heading.startswith("Allow Shop & Co")


async def test_a_sign_in_on_the_way_to_a_client_breaks_the_chain_of_redirects(
    shop: KnownClient, ann: Browser
) -> None:
    """Browsers hold ``form-action`` of the sign-in's page for all redirects that follow."""
    await ann.sign_out()
    await ann.get(asked())
    page = await ann.send("/signin", follow=False, email=EMAIL, password="blue kettle on the roof")
    assert page.status_code == 200
    assert (ann.onward() or "").startswith("/oauth2/authorize?")


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/.."},
    ],
)
async def test_who_cannot_be_trusted_is_shown_and_not_answered(
    shop: KnownClient, ann: Browser, wrong: dict[str, str]
) -> None:
    page = await ann.get(asked(**wrong))
    assert page.status_code == 400
    assert ann.heading == "We cannot go on with this"
    assert ann.onward() is None
    assert "evil" not in page.text


async def test_a_wrong_request_of_a_known_client_is_answered_there(
    shop: KnownClient, ann: Browser
) -> None:
    answer = await ann.http.get(asked(response_type="token"))
    assert answer.status_code == 302
    assert answer_of(answer.headers["location"])["error"] == "unsupported_response_type"


async def test_no_page_is_shown_to_who_wants_none(shop: KnownClient, ann: Browser) -> None:
    answer = await ann.http.get(asked(prompt="none"))
    assert answer_of(answer.headers["location"])["error"] == "consent_required"
    await ann.sign_out()
    answer = await ann.http.get(asked(prompt="none"))
    assert answer_of(answer.headers["location"])["error"] == "login_required"


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "60"}])
async def test_a_new_sign_in_is_made_where_the_client_wants_one(
    server: Server, shop: KnownClient, ann: Browser, wish: dict[str, str]
) -> None:
    server.clock.advance(120)
    await ann.get(asked(**wish))
    assert ann.path == "/signin"
    await ann.send("/signin", email=EMAIL, password="blue kettle on the roof")
    assert ann.heading.startswith("Allow")
    await ann.send("/oauth2/consent", button="Allow")
    assert "code" in answer_of(ann.onward() or "")


async def test_not_you_leads_through_a_sign_out_back_to_the_question(
    shop: KnownClient, ann: Browser
) -> None:
    await ann.get(asked())
    fields = ann.tree.xpath("//form[@id='other']//input[@name]")
    content = urlencode({one.get("name"): one.get("value") for one in fields})
    answer = await ann.post("/signout", content)
    assert answer.headers["location"].startswith("/signin?return_to=%2Foauth2%2Fauthorize")
    await ann.get(answer.headers["location"])
    await ann.send("/signin", email=EMAIL, password="blue kettle on the roof")
    assert ann.heading.startswith("Allow")


async def test_a_client_may_send_its_request_as_a_form(shop: KnownClient, ann: Browser) -> None:
    query = asked().partition("?")[2]
    answer = await ann.post(
        "/oauth2/authorize", query, **{"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}
    )  # fmt: skip
    assert answer.status_code == 303
    await ann.get(answer.headers["location"])
    assert ann.heading.startswith("Allow")


async def test_consent_cannot_be_given_from_elsewhere(shop: KnownClient, ann: Browser) -> None:
    form = urlencode({"request": asked().partition("?")[2], "decision": "approve"})
    assert (await ann.post("/oauth2/consent", form)).status_code == 403
    await ann.get(asked())
    mine = urlencode(ann.fields_of("/oauth2/consent") | {"decision": "approve"})
    answer = await ann.post("/oauth2/consent", mine, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_a_linked_service_is_shown_and_unlinked(
    server: Server, shop: KnownClient, ann: Browser
) -> None:
    await ann.get("/account/services")
    assert "No service has access" in ann.words
    await ann.get(asked())
    await ann.send("/oauth2/consent", button="Allow")
    await redeem(server, shop, answer_of(ann.onward() or "")["code"])
    await ann.get("/account/services")
    assert "Shop & Co <b>" in ann.words
    assert "Control your devices" in ann.words
    await ann.send("/account/services/unlink")
    assert "No service has access" in ann.words
    await ann.get(asked())
    assert ann.heading.startswith("Allow"), "who unlinked is asked again"


async def test_a_device_is_connected_after_its_code_was_seen(server: Server, ann: Browser) -> None:
    message = RegisterClient(client_id="tv", config=configured(Wishes(Profile.DEVICE, "My TV")))
    await server.dispatcher.execute(CONTEXT, lambda unit: register(unit, server.vault, message))
    client = await server.oauth.clients.find("tv")
    assert client is not None
    for button, heading in (("Connect", "Connected"), ("No", "Not connected")):
        begun = await devices.begin(server.oauth, client, "devices:read", network="n")
        await ann.get(begun.verification_uri_complete.removeprefix(server.public_url))
        assert ann.heading == "Connect a device"
        await ann.send("/device")
        assert ann.heading == "Connect My TV?"
        assert begun.user_code in ann.words
        assert "Did somebody send you this code" in ann.words
        await ann.send("/device/confirm", button=button)
        assert ann.heading == heading
    page = await ann.get("/device")
    page = await ann.send("/device", user_code="BCDF-GHJK")
    assert page.status_code == 422
    assert ann.tree.xpath("//input[@id='user_code'][@aria-invalid='true']")


async def test_guessing_codes_of_devices_ends_soon(ann: Browser) -> None:
    for _ in range(10):
        await ann.get("/device")
        assert (await ann.send("/device", user_code="BCDFGHJK")).status_code == 422
    await ann.get("/device")
    assert (await ann.send("/device", user_code="BCDFGHJK")).status_code == 429


async def test_a_client_that_cannot_show_who_it_is_has_the_person_asked_to_sign_out(
    shop: KnownClient, ann: Browser
) -> None:
    query = urlencode({"client_id": "shop", "post_logout_redirect_uri": "https://shop.example/bye",
                       "state": "s"})  # fmt: skip
    await ann.get(f"/oauth2/logout?{query}")
    assert ann.heading == "Sign out of Homecast?"
    await ann.send("/oauth2/logout/confirm", button="Stay")
    assert ann.path == "/account"
    await ann.get(f"/oauth2/logout?{query}")
    await ann.send("/oauth2/logout/confirm", button="Sign out")
    assert ann.onward() == "https://shop.example/bye?state=s"
    await ann.get("/account")
    assert ann.path == "/signin"
    page = await ann.get(
        "/oauth2/logout?post_logout_redirect_uri=https://evil.example&client_id=shop"
    )
    assert page.status_code == 400
    assert ann.onward() is None


async def test_a_code_is_bound_to_the_session_that_it_was_given_in(
    server: Server, shop: KnownClient, ann: Browser
) -> None:
    await ann.get(asked())
    await ann.send("/oauth2/consent", button="Allow")
    code = answer_of(ann.onward() or "")["code"]
    held = await codes.load(server.vault, code, client_id="shop", now=server.clock.now())
    assert held.account_id
    assert "devices:read" in held.scopes


@pytest.mark.parametrize("how", ["sign out", "end", "new password", "reset"])
async def test_what_may_not_go_on_while_away_ends_with_the_sign_in(
    server: Server, shop: KnownClient, ann: Browser, other: Browser, how: str
) -> None:
    await ann.get(asked(scope="devices:read"))
    await ann.send("/oauth2/consent", button="Allow")
    answer = await redeem(server, shop, answer_of(ann.onward() or "")["code"])
    assert await server.oauth.introspection.introspect(answer.access_token) is not None
    if how == "sign out":
        await ann.sign_out()
    elif how == "reset":
        await other.get("/password/forgot")
        await other.send("/password/forgot", email=EMAIL)
        await other.get(await server.link("password_reset"))
        await other.send("/password/reset", password="a green door in winter")
    else:
        await other.get("/signin")
        await other.send("/signin", email=EMAIL, password=PASSWORD)
        if how == "end":
            await other.get("/account/sessions")
            await other.send("/account/sessions/end-others")
        else:
            await other.get("/account/security")
            await other.send(
                "/account/security/password", current=PASSWORD, password="a green door in winter"
            )
    assert await server.oauth.introspection.introspect(answer.access_token) is None
