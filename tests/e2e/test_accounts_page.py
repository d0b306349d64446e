"""The pages of accounts in a real browser: passkeys, policies, both colour schemes, a phone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest
import uvicorn
from fastapi import FastAPI, Response
from playwright.async_api import Browser, CDPSession, Page, expect

from commands.accounts.oauth import devices, tokens
from commands.accounts.oauth.clients import RegisterClient, register
from commands.accounts.oauth.profiles import Wishes, configured
from domain.accounts.client import Profile
from domain.kernel.recorded import Context
from tests.support.browser import PHONE, Visit, chromium, visit
from tests.support.waiting import eventually
from tests.unit.http.accounts.world import EMAIL, PASSWORD, Server

pytestmark = pytest.mark.browser
CONTEXT = Context("c", "m", "client:shop")


@asynccontextmanager
async def served(app: FastAPI, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:

        async def started() -> bool:
            return server.started

        await eventually(started, within=10)
        yield
    finally:
        server.should_exit = True
        await running


def loopback() -> tuple[socket.socket, int]:
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, int(listening.getsockname()[1])


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    """A client's site, which sends the browser on from its callback to yet another origin."""
    app = FastAPI()
    listening, port = loopback()

    @app.get("/callback")
    async def callback(code: str = "", error: str = "") -> Response:
        query = urlencode({"code": code, "error": error})
        return Response(
            status_code=302, headers={"Location": f"http://localhost:{port}/linked?{query}"}
        )

    @app.get("/linked")
    async def linked() -> Response:
        page = '<title>Shop</title><link rel="icon" href="data:,"><h1>Linked</h1>'
        return Response(page, media_type="text/html")

    async with served(app, listening):
        yield f"http://127.0.0.1:{port}/callback"


@pytest.fixture
async def server(shop: str) -> AsyncIterator[Server]:
    listening, port = loopback()
    server = Server(public_url=f"http://localhost:{port}")
    await server.add_client(name="Corner Shop", redirect_uris=(shop,))
    async with server.app() as app, served(app, listening):
        yield server


class Authenticator:
    """One that is always there and knows its person. ``touch``: whether it is touched when asked;
    what a page has asked before, it does not answer."""

    def __init__(self, session: CDPSession, name: str) -> None:
        self._session = session
        self._name = name

    @classmethod
    async def added_to(cls, page: Page) -> Authenticator:
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(session, made["authenticatorId"])

    async def touch(self, enabled: bool) -> None:
        await self._session.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": self._name, "enabled": enabled},
        )


async def sign_up(page: Page, server: Server) -> None:
    await page.goto(f"{server.public_url}/signup")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_role("button", name="Send me the link").click()
    await page.get_by_role("link", name="local outbox").click()
    await page.get_by_role("link", name="sign_up").click()
    await page.locator(".mail a").click()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create my account").click()
    await expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def asking(server: Server, shop: str) -> str:
    query = {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": shop,
        "scope": "openid email offline_access devices:read commands:write",
        "state": "s",
    }
    return f"{server.public_url}/oauth2/authorize?{urlencode(query)}"


async def redeem(server: Server, shop: str, address: str) -> None:
    client = await server.oauth.clients.find("shop")
    assert client is not None
    code = parse_qs(urlsplit(address).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": shop}
    await tokens.exchange(server.oauth, CONTEXT, client, form)


async def add_passkey(page: Page) -> None:
    await page.get_by_role("link", name="Add a passkey or an app").click()
    await page.get_by_role("link", name="Add a passkey").click()
    await page.get_by_label("Name it").fill("My laptop")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("status")).to_have_text("Your passkey is added.")
    await expect(page.get_by_role("heading", name="My laptop")).to_be_visible()


async def test_from_sign_up_by_passkey_to_a_linked_service_and_back(
    server: Server, shop: str, browser: Browser
) -> None:
    async with visit(browser, f"{server.public_url}/signin") as visited:
        page = visited.page
        authenticator = await Authenticator.added_to(page)
        await sign_up(page, server)
        await add_passkey(page)
        await authenticator.touch(False)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

        await page.goto(asking(server, shop))
        await expect(page.get_by_text("to go on to Corner Shop")).to_be_visible()
        await authenticator.touch(True)
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page.get_by_role("heading", name="Allow Corner Shop")).to_be_visible()
        await page.get_by_role("button", name="Allow", exact=True).click()
        await expect(page.get_by_role("heading", name="Linked")).to_be_visible()
        await redeem(server, shop, page.url)

        await page.goto(f"{server.public_url}/account/services")
        await expect(page.get_by_role("heading", name="Corner Shop")).to_be_visible()
        await page.get_by_role("button", name="Unlink Corner Shop").click()
        await expect(page.get_by_text("No service has access to your account.")).to_be_visible()
        assert visited.complaints == []


async def test_a_passkey_is_suggested_without_a_button(server: Server, browser: Browser) -> None:
    async with visit(browser, f"{server.public_url}/signin") as visited:
        page = visited.page
        await Authenticator.added_to(page)
        await sign_up(page, server)
        await add_passkey(page)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Your account")).to_be_visible()
        assert visited.complaints == []


async def test_a_passkey_shows_again_that_it_is_you(server: Server, browser: Browser) -> None:
    async with visit(browser, f"{server.public_url}/signin") as visited:
        page = visited.page
        await Authenticator.added_to(page)
        await sign_up(page, server)
        await add_passkey(page)
        server.clock.advance(3600)
        await page.get_by_role("button", name="Remove My laptop").click()
        await expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
        await page.get_by_role("button", name="Use a passkey").click()
        await expect(page.get_by_role("heading", name="Security", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Remove My laptop").click()
        await expect(page.get_by_role("status")).to_have_text("The passkey is removed.")
        assert visited.complaints == []


async def test_a_remembered_consent_leads_to_the_client_right_after_the_sign_in(
    server: Server, shop: str, browser: Browser
) -> None:
    """The policy of the sign-in's form would forbid the redirects that follow, were they its."""
    async with visit(browser, f"{server.public_url}/signin") as visited:
        page = visited.page
        await sign_up(page, server)
        await page.goto(asking(server, shop))
        await page.get_by_role("button", name="Allow", exact=True).click()
        await expect(page.get_by_role("heading", name="Linked")).to_be_visible()
        await redeem(server, shop, page.url)
        await page.goto(f"{server.public_url}/account")
        await page.get_by_role("button", name="Sign out").click()
        await page.goto(asking(server, shop))
        await page.get_by_label("E-mail address").fill(EMAIL)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("heading", name="Linked")).to_be_visible()
        assert visited.complaints == []


async def test_an_error_has_the_focus_and_leads_to_its_field(
    server: Server, browser: Browser
) -> None:
    async with visit(browser, f"{server.public_url}/signin") as visited:
        page = visited.page
        await page.get_by_label("E-mail address").fill(EMAIL)
        await page.get_by_label("Password").fill("not it")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("alert")).to_be_focused()
        await page.get_by_role("link", name="The address or the password is wrong.").click()
        await expect(page.get_by_label("Password")).to_be_focused()
        others = [one for one in visited.complaints if "422" not in one]
        assert others == []


async def waiting_device(server: Server) -> str:
    config = configured(Wishes(Profile.DEVICE, "Television"))
    message = RegisterClient(client_id="tv", config=config)
    await server.dispatcher.execute(CONTEXT, lambda unit: register(unit, server.vault, message))
    client = await server.oauth.clients.find("tv")
    assert client is not None
    begun = await devices.begin(server.oauth, client, "devices:read", network="n")
    return begun.verification_uri_complete


async def look(visited: Visit, folder: Path, name: str) -> None:
    await visited.page.screenshot(path=folder / f"{name}.png", full_page=True)
    assert await visited.overflow() == 0, name


BEFORE_SIGN_IN = ("/signup", "/signin", "/password/forgot", "/mail-sent", "/password/reset?token=x")
SIGNED_IN = ("/account", "/account/security", "/account/security/passkeys/add", "/account/email",
             "/account/homes", "/account/sessions", "/account/data", "/device", "/dev/outbox",
             "/signin/again", "/oauth2/logout")  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_a_phone_and_a_desk_in_light_and_dark(
    server: Server, shop: str, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    window = PHONE if scheme == "dark" else PHONE | {"width": 1100}
    uri = await waiting_device(server)
    async with visit(
        browser, f"{server.public_url}/signin", window=window, scheme=scheme  # type: ignore[arg-type]
    ) as visited:  # fmt: skip
        page = visited.page
        await Authenticator.added_to(page)
        for path in BEFORE_SIGN_IN:
            await page.goto(server.public_url + path)
            await look(visited, tmp_path, "before" + path.partition("?")[0].replace("/", "-"))
        await sign_up(page, server)
        await page.goto(asking(server, shop))
        await look(visited, tmp_path, "consent")
        await page.get_by_role("button", name="Allow", exact=True).click()
        await expect(page.get_by_role("heading", name="Linked")).to_be_visible()
        await redeem(server, shop, page.url)
        for path in (*SIGNED_IN, "/account/services"):
            await page.goto(server.public_url + path)
            await look(visited, tmp_path, path.strip("/").replace("/", "-"))
        await page.goto(uri)
        await page.get_by_role("button", name="Go on").click()
        await look(visited, tmp_path, "device-confirm")
        await page.goto(f"{server.public_url}/account/security")
        await page.get_by_role("button", name="Set it up").click()
        await look(visited, tmp_path, "totp")
        secret = (await page.locator("code.secret").inner_text()).replace(" ", "")
        await page.get_by_label("Code").fill(pyotp.TOTP(secret).at(server.clock.now()))
        await page.get_by_role("button", name="Turn it on").click()
        await look(visited, tmp_path, "recovery-codes")
        assert [one for one in visited.complaints if "410" not in one] == []
