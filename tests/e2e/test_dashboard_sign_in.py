"""Signing in to the pages by an account, in a real browser against a fake platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import PHONE, Visit, chromium, visit
from tests.support.fake_home import TOKEN, FakeHome
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser
COTTAGE = "01M83HZ9BTRM3T4TJHKCWEYMQA"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def home() -> AsyncIterator[FakeHome]:
    async with FakeHome() as home:
        yield home


async def sign_in(page: Page) -> None:
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("article")).to_have_count(12)


async def kept(page: Page, name: str = "homecast.account") -> Any:
    return await page.evaluate("name => JSON.parse(sessionStorage.getItem(name))", name)


async def expire(page: Page) -> None:
    """As the page sees it when it is loaded the next time."""
    await page.evaluate(
        """() => {
            const held = JSON.parse(sessionStorage.getItem("homecast.account"));
            sessionStorage.setItem("homecast.account", JSON.stringify({ ...held, expires_at: 1 }));
        }"""
    )


def without(visited: Visit, status: str) -> list[str]:
    return [one for one in visited.complaints if status not in one]


async def test_an_account_signs_in_by_a_code_and_nothing_of_it_stays_in_the_address(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
        await sign_in(page)
        assert page.url == f"{home.url}/"
        [asked] = home.oauth.asked
        assert asked["redirect_uri"] == f"{home.url}/"
        assert asked["code_challenge_method"] == "S256"
        assert {"offline_access", "homes:read"} <= set(asked["scope"].split())
        await expect(page.get_by_role("link", name="Account")).to_have_attribute("href", "/account")
        assert await page.evaluate("Object.keys(sessionStorage)") == ["homecast.account"]
        assert await page.evaluate("localStorage.length") == 0
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(12)
        assert len(home.oauth.asked) == 1
        assert visited.complaints == []


async def test_signing_out_ends_the_grant_and_the_platforms_session(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        id_token = (await kept(page))["id_token"]
        async with page.expect_navigation(url=f"{home.url}/"):
            await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
        [goodbye] = home.oauth.goodbyes
        assert goodbye["id_token_hint"] == id_token
        assert goodbye["post_logout_redirect_uri"] == f"{home.url}/"
        assert home.oauth.logins[0].ended
        assert await page.evaluate("sessionStorage.length") == 0
        assert visited.complaints == []


async def test_the_issuers_host_is_where_people_sign_in(home: FakeHome, browser: Browser) -> None:
    home.oauth.issuer = home.url.replace("127.0.0.1", "localhost")
    async with visit(browser, home.url) as visited:
        await sign_in(visited.page)
        assert visited.page.url == f"{home.oauth.issuer}/"
        assert home.oauth.asked[0]["redirect_uri"] == f"{home.oauth.issuer}/"
        assert visited.complaints == []


async def test_the_page_of_ads_has_its_own_way_back(home: FakeHome, browser: Browser) -> None:
    """The fake platform has no ads; who is signed in sees that, on the view that was asked for."""
    async with visit(browser, f"{home.url}/ads#catalogue") as visited:
        page = visited.page
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert page.url == f"{home.url}/ads#catalogue"
        assert home.oauth.asked[0]["redirect_uri"] == f"{home.url}/ads"
        await page.get_by_role("link", name="Home", exact=True).click()
        await expect(page.get_by_role("article")).to_have_count(12)


async def test_who_says_no_is_told_so_and_can_try_again(home: FakeHome, browser: Browser) -> None:
    home.oauth.denies = True
    async with visit(browser, home.url) as visited:
        page = visited.page
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("The sign-in was called off.")).to_be_visible()
        assert page.url == f"{home.url}/"
        home.oauth.denies = False
        await sign_in(page)
        await expect(page.get_by_text("The sign-in was called off.")).to_be_hidden()


@pytest.mark.parametrize("answer", ["code=stolen&state=guessed", "error=nonsense&state=guessed"])
async def test_an_answer_that_nobody_waits_for_signs_nobody_in(
    home: FakeHome, browser: Browser, answer: str
) -> None:
    async with visit(browser, f"{home.url}/?{answer}&iss={home.url}") as visited:
        page = visited.page
        await expect(page.get_by_text("not begun in this tab")).to_be_visible()
        assert page.url == f"{home.url}/"
        await sign_in(page)
        await page.goto(f"{home.url}/?{answer}&iss={home.url}")
        await expect(page.get_by_role("article")).to_have_count(12)
        assert len(home.oauth.logins) == 1
        assert visited.complaints == []


@pytest.mark.parametrize("wrong", [{"iss": "https://other.example"}, {"state": "other"}])
async def test_an_answer_to_something_else_is_not_taken(
    home: FakeHome, browser: Browser, wrong: dict[str, str]
) -> None:
    """RFC 9207, and RFC 6749 section 10.12."""
    home.oauth.wrong = wrong
    async with visit(browser, home.url) as visited:
        await visited.page.get_by_role("button", name="Sign in").click()
        await expect(visited.page.get_by_text("not begun in this tab")).to_be_visible()
        assert visited.page.url == f"{home.url}/"
        assert home.oauth.logins == []


async def test_tokens_are_renewed_before_their_end(home: FakeHome, browser: Browser) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        before = await kept(page)
        await expire(page)
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(12)
        after = await kept(page)
        assert home.oauth.refreshes == 1
        assert after["refresh_token"] != before["refresh_token"]
        assert after["expires_at"] > before["expires_at"]
        assert after["id_token"] == before["id_token"]
        assert visited.complaints == []


async def test_a_refused_token_is_renewed_once_and_then_somebody_has_to_sign_in(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        home.oauth.forget_access_tokens()
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(12)
        assert home.oauth.refreshes == 1
        home.oauth.end()
        home.lose_streams()
        home.reachable = True
        await expect(page.get_by_text("You are signed out. Sign in to go on.")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0
        await sign_in(page)


async def test_a_platform_that_is_away_signs_nobody_out(home: FakeHome, browser: Browser) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        await expire(page)
        home.oauth.busy = 3
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(12, timeout=20_000)
        assert home.oauth.busy == 0
        assert without(visited, "503") == []


async def test_a_tab_and_its_duplicate_never_use_a_refresh_token_twice(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        first = visited.page
        await sign_in(first)
        async with first.context.expect_page() as opened:
            await first.evaluate("window.open(location.href, '_blank', 'opener')")
        second = await opened.value
        await expect(second.get_by_role("article")).to_have_count(12)
        assert (await kept(second))["family"] == (await kept(first))["family"]
        for turn in (1, 2, 3):
            home.oauth.forget_access_tokens()
            home.lose_streams()
            home.reachable = True

            async def renewed(turn: int = turn) -> bool:
                held = [await kept(page) for page in (first, second)]
                return all(one and one["turn"] == turn for one in held) and len(home.streams) == 2

            await eventually(renewed, within=20)
        assert home.oauth.refreshes == 3
        assert not home.oauth.reused


async def test_a_pasted_token_takes_the_place_of_an_account(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        await page.goto(f"{home.url}/#token={TOKEN}")
        await expect(page.get_by_role("link", name="Account")).to_be_hidden()
        await expect(page.get_by_role("article")).to_have_count(12)
        assert await page.evaluate("Object.keys(sessionStorage)") == ["homecast.token"]


# --- homes of others ------------------------------------------------------------------------------


def let_in(home: FakeHome, role: str = "guest") -> None:
    """Into a cottage with one lamp."""
    stay = {"since": "2026-11-01T10:00:00Z", "ends_at": "2026-12-05T10:00:00Z"}
    home.homes.append({"home_id": COTTAGE, "role": role, **stay})
    lamp = home.devices[home.id_of("Hall light")]
    home.elsewhere[COTTAGE] = [{**lamp, "id": f"{'cottage':a<26}", "name": "Porch light"}]
    home.devices[home.elsewhere[COTTAGE][0]["id"]] = home.elsewhere[COTTAGE][0]


async def test_a_guest_looks_at_the_other_home_and_acts_there(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        await sign_in(page)
        await expect(page.get_by_label("Home", exact=True)).to_be_hidden()
        let_in(home)
        await page.reload()
        homes = page.get_by_role("combobox", name="Home")
        await homes.focus()
        await homes.select_option("Shared home, guest until 5 Dec 2026")
        await expect(page.get_by_role("article")).to_have_count(1)
        await expect(homes).to_be_focused()
        lamp = page.get_by_role("article", name="Porch light")
        await lamp.get_by_role("switch").click()
        await expect(lamp.get_by_role("switch")).to_have_attribute("aria-checked", "true")
        assert page.url == f"{home.url}/?home={COTTAGE}"
        await page.reload()
        await expect(lamp).to_be_visible()
        await homes.select_option("My home")
        await expect(page.get_by_role("article", name="Stairs")).to_be_visible()
        assert page.url == f"{home.url}/"
        assert visited.complaints == []


async def test_what_a_role_forbids_is_told_in_words(home: FakeHome, browser: Browser) -> None:
    let_in(home)
    home.problems = [(403, {"title": "Not permitted", "detail": "a guest may not send a command"})]
    async with visit(browser, f"{home.url}/?home={COTTAGE}") as visited:
        page = visited.page
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("article", name="Porch light").get_by_role("switch").click()
        toast = page.get_by_role("alert").filter(has_text="A guest may not send a command")
        await expect(toast).to_be_visible()


async def test_who_is_no_guest_any_more_is_back_in_their_own_home(
    home: FakeHome, browser: Browser
) -> None:
    let_in(home)
    async with visit(browser, f"{home.url}/?home={COTTAGE}") as visited:
        page = visited.page
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("article", name="Porch light")).to_be_visible()
        home.homes.pop()
        del home.elsewhere[COTTAGE]
        home.lose_streams()
        home.reachable = True
        await expect(page.get_by_role("article", name="Stairs")).to_be_visible()
        await expect(page.get_by_text("You are no member of that home any more.")).to_be_visible()
        assert page.url == f"{home.url}/"
        await page.goto(f"{home.url}/?home={COTTAGE}")
        await expect(page.get_by_role("article", name="Stairs")).to_be_visible()
        assert page.url == f"{home.url}/"


@pytest.mark.parametrize("width", [320, 360, 768])
async def test_no_width_scrolls_sideways(home: FakeHome, browser: Browser, width: int) -> None:
    let_in(home)
    async with visit(browser, home.url, window=PHONE | {"width": width}) as visited:
        assert await visited.overflow() == 0
        await visited.page.get_by_role("button", name="Sign in").click()
        await expect(visited.page.get_by_role("combobox", name="Home")).to_be_visible()
        await expect(visited.page.get_by_role("link", name="Account")).to_be_visible()
        assert await visited.overflow() == 0
