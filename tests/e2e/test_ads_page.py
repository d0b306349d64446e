"""The page of ads in a real browser, on an API that has a creative in each status."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from domain.media.creative import CreativeStatus
from tests.support.browser import PHONE, Visit, chromium, visit
from tests.support.fake_ads import TITLES, TOKEN, FakeAds
from tests.support.films import ffmpeg, film
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser
LANES = {
    "Under way": ["Holidays in Portugal", "Winter tyres", "Oat milk, the long one",
                  "Mountain bikes"],
    "Needs attention": ["Spring shoes", "Casino bonus", "Night train"],
    "Ready": ["Garden furniture", "Coffee at home", "Coffee at home (copy)"],
}  # fmt: skip
NO_HLS = """
    HTMLMediaElement.prototype.canPlayType = (type) => type.includes("mpegurl") ? "" : "probably";
"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    made = film(folder / "film.mp4", size="416x234", seconds=2)
    ffmpeg("-i", str(made), "-frames:v", "1", str(folder / "poster.jpg"))
    hls = ["-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_segment_type", "fmp4"]
    init = ["-hls_fmp4_init_filename", "init.mp4", "-hls_playlist_type", "vod"]
    ffmpeg("-i", str(made), *hls, *init, str(folder / "film.m3u8"))
    return folder


@pytest.fixture
async def ads(films: Path) -> AsyncIterator[FakeAds]:
    async with FakeAds(films) as ads:
        yield ads


def signed_in(ads: FakeAds) -> str:
    return f"{ads.url}/ads#token={TOKEN}"


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=re.compile(f"^{name}"))


def card(page: Page, ads: FakeAds, status: str) -> Locator:
    return page.locator(f"[data-creative={ads.of(status)['id']}]")


def notice(page: Page, words: str) -> Locator:
    return page.locator(".toast").filter(has_text=words)


async def other_complaints(visited: Visit, than: str) -> list[str]:
    return [one for one in visited.complaints if than not in one]


# --- the board ------------------------------------------------------------------------------------


async def test_the_board_groups_creatives_by_what_a_person_needs(
    ads: FakeAds, browser: Browser
) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        for name, titles in LANES.items():
            await expect(lane(page, name).get_by_role("heading", level=3)).to_have_text(titles)
            await expect(lane(page, name).locator(".count")).to_have_text(str(len(titles)))
        everything = [title for titles in LANES.values() for title in titles]
        assert sorted(everything) == sorted(TITLES[one] for one in CreativeStatus)
        await expect(page.get_by_text("4 under way, 3 in trouble")).to_be_visible()
        failed = card(page, ads, "FAILED")
        await expect(failed).to_contain_text("The film cannot be decoded: moov atom not found")
        await expect(failed).to_contain_text("Tried again in")
        await expect(card(page, ads, "QUARANTINED")).to_contain_text("against our rules")
        posters = lane(page, "Ready").locator("img[data-loaded]")
        await expect(posters).to_have_count(3)
        assert "token" not in page.url
        assert visited.complaints == []


async def test_progress_is_seen_live_and_what_is_done_changes_its_place(
    ads: FakeAds, browser: Browser
) -> None:
    creative = ads.of("PROGRESSING")
    async with visit(browser, signed_in(ads)) as visited:
        moving = card(visited.page, ads, "PROGRESSING")
        bar = moving.get_by_role("progressbar")
        await expect(bar).to_have_attribute("aria-valuenow", "42")
        creative["progress"] = {"stage": "UPLOADING", "percent": 87}
        await expect(bar).to_have_attribute("aria-valuenow", "87")
        await expect(moving).to_contain_text("Storing")
        ads.move(creative, "COMPLETE", progress=None, rendition=ads.of("COMPLETE")["rendition"])
        ready = lane(visited.page, "Ready").locator(f"[data-creative={creative['id']}]")
        await expect(ready).to_contain_text("3 rungs, up to 720p")
        await expect(lane(visited.page, "Under way").locator(".count")).to_have_text("3")
        assert visited.complaints == []


async def test_only_what_moves_is_asked_for_often(ads: FakeAds, browser: Browser) -> None:
    async def looked() -> bool:
        return ads.asked.count("PROGRESSING") >= 5

    async with visit(browser, signed_in(ads)):
        await eventually(looked, within=20, what="five looks at what is under way")
        assert 1 <= ads.asked.count("COMPLETE") < ads.asked.count("PROGRESSING")


HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_nothing_is_asked_while_the_page_is_hidden(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, ads.url) as visited:
        page = visited.page
        await page.clock.install()
        await page.goto(signed_in(ads))
        await expect(card(page, ads, "FAILED")).to_be_visible()
        await page.evaluate(HIDE, True)
        await page.wait_for_load_state("networkidle")
        await page.clock.run_for(10_000)
        asked = len(ads.asked)
        await page.clock.run_for(30_000)
        assert len(ads.asked) == asked

        async def again() -> bool:
            return len(ads.asked) > asked

        await page.evaluate(HIDE, False)
        await eventually(again, within=10, what="asking again once the page is seen")


# --- acts -----------------------------------------------------------------------------------------


async def test_a_retry_is_told_and_seen(ads: FakeAds, browser: Browser) -> None:
    failed = ads.of("FAILED")
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("button", name="Retry: Night train").click()
        await expect(notice(page, "“Night train” is tried again.")).to_be_visible()
        moved = lane(page, "Under way").locator(f"[data-creative={failed['id']}]")
        await expect(moved).to_contain_text("Waits for the transcoder")
        assert ads.acts == [(failed["id"], "retry", None)]
        assert visited.complaints == []


async def test_a_quarantine_asks_for_its_reason(ads: FakeAds, browser: Browser) -> None:
    creative = ads.of("COMPLETE")
    async with visit(browser, signed_in(ads)) as visited:
        page, dialog = visited.page, visited.page.get_by_role("dialog")
        start = page.get_by_role("button", name="Quarantine: Coffee at home", exact=True)
        await start.click()
        await expect(dialog.get_by_label("Reason")).to_be_focused()
        await page.keyboard.press("Enter")
        assert ads.acts == []
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        assert ads.acts == []
        await start.click()
        await dialog.get_by_label("Reason").fill("too loud")
        await page.keyboard.press("Enter")
        await expect(notice(page, "“Coffee at home” is quarantined.")).to_be_visible()
        aside = lane(page, "Needs attention").locator(f"[data-creative={creative['id']}]")
        await expect(aside).to_contain_text("too loud")
        linked = card(page, ads, "LINKED")
        await expect(linked).to_contain_text("Same film as “Coffee at home”, which is quarantined")
        assert ads.acts == [(creative["id"], "quarantine", {"reason": "too loud"})]


@pytest.mark.parametrize(
    ("status", "start", "yes", "done"),
    [
        ("SUBMITTED", "Cancel: Winter tyres", "Cancel the job", "was canceled"),
        ("QUARANTINED", "Release: Casino bonus", "Release", "is released"),
    ],
)
async def test_canceling_and_releasing_ask_first(
    ads: FakeAds, browser: Browser, status: str, start: str, yes: str, done: str
) -> None:
    creative = ads.of(status)
    async with visit(browser, signed_in(ads)) as visited:
        page, dialog = visited.page, visited.page.get_by_role("dialog")
        await page.get_by_role("button", name=start).click()
        await dialog.get_by_role("button", name="Cancel", exact=True).click()
        assert ads.acts == []
        await page.get_by_role("button", name=start).click()
        await dialog.get_by_role("button", name=yes, exact=True).click()
        await expect(notice(page, done)).to_be_visible()
        assert [(one, body) for one, _, body in ads.acts] == [(creative["id"], None)]


async def test_a_refusal_is_told_in_words(ads: FakeAds, browser: Browser) -> None:
    ads.problems = [(409, {"code": "nothing_to_try", "detail": "it is under way already"})]
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("button", name="Retry: Night train").click()
        await expect(notice(page, "It is under way already")).to_be_visible()
        assert await other_complaints(visited, than="409") == []


async def test_a_platform_that_is_away_is_told_and_comes_back_by_itself(
    ads: FakeAds, browser: Browser
) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await expect(card(page, ads, "FAILED")).to_be_visible()
        ads.reachable = False
        banner = page.get_by_role("status").filter(has_text="No connection to the platform")
        await expect(banner).to_be_visible(timeout=15_000)
        await expect(card(page, ads, "FAILED")).to_be_visible()
        refused = ads.refused
        await page.get_by_role("button", name="Try now").click()  # while it cannot vanish yet

        async def tried() -> bool:
            return ads.refused > refused

        await eventually(tried, within=5)
        await expect(banner).to_be_visible()
        ads.reachable = True
        await expect(banner).to_be_hidden(timeout=15_000)
        assert await other_complaints(visited, than="503") == []


# --- a creative -----------------------------------------------------------------------------------


async def playing(page: Page) -> str:
    """The address of the film, once a picture of it was shown by pressing play."""
    video = page.locator("video")
    assert await video.evaluate("film => film.autoplay") is False
    await video.evaluate("film => { film.muted = true; return film.play(); }")

    async def moved() -> bool:
        return float(await video.evaluate("film => film.currentTime")) > 0.2

    await eventually(moved, within=15, what="a film that plays")
    return str(await video.evaluate("film => film.currentSrc"))


async def test_a_creative_is_shown_with_its_film_and_facts(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, ads.url) as visited:
        page = visited.page
        await page.add_init_script(NO_HLS)
        await page.goto(signed_in(ads))
        await page.get_by_role("link", name="Coffee at home", exact=True).click()
        await expect(page.get_by_role("heading", name="Coffee at home")).to_be_visible()
        assert (await playing(page)).endswith("/media/film.mp4")
        await expect(page.get_by_text("Played as MP4: the lowest rung, 416 × 234.")).to_be_visible()
        rungs = page.get_by_role("region", name="Rungs of the rendition").get_by_role("row")
        await expect(rungs).to_have_count(4)
        await expect(rungs.nth(3)).to_contain_text("1280 × 720")
        await expect(page.get_by_role("link", name="/media/film.mpd")).to_be_visible()
        await expect(page.get_by_role("region", name="Original")).to_contain_text(
            "none, silence is added"
        )
        await expect(page.get_by_role("region", name="History")).to_contain_text(
            "Seen for the first time"
        )
        same = page.get_by_role("region", name="Same film")
        await same.get_by_role("link", name="Coffee at home (copy)").click()
        await expect(page.get_by_text("Of the creative that it is linked to.")).to_be_visible()
        assert visited.complaints == []


async def test_a_browser_with_hls_of_its_own_plays_it(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        able = "document.createElement('video').canPlayType('application/vnd.apple.mpegurl')"
        if not await page.evaluate(able):
            pytest.skip("this Chromium has no HLS of its own")
        await page.get_by_role("link", name="Coffee at home", exact=True).click()
        assert (await playing(page)).endswith("/media/film.m3u8")
        assert visited.complaints == []


async def test_a_film_that_hls_cannot_play_is_played_as_mp4(ads: FakeAds, browser: Browser) -> None:
    ads.of("COMPLETE")["rendition"]["hls_url"] = "/media/gone.m3u8"
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name="Coffee at home", exact=True).click()
        await expect(page.get_by_text("Played as MP4")).to_be_visible()
        assert (await playing(page)).endswith("/media/film.mp4")


async def test_a_look_at_the_api_does_not_disturb_the_film(ads: FakeAds, browser: Browser) -> None:
    creative = ads.of("COMPLETE")
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name="Coffee at home", exact=True).click()
        await page.locator("video").evaluate("film => { film.dataset.mine = 'yes'; }")
        ads.move(creative, "COMPLETE", ad=creative["ad"] | {"title": "Coffee, renamed"})
        await expect(page.get_by_role("heading", name="Coffee, renamed")).to_be_visible(
            timeout=15_000
        )
        await expect(page.locator("video[data-mine=yes]")).to_have_count(1)


async def test_a_creative_that_is_not_there_says_so(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        await visited.page.evaluate("location.hash = 'creatives/nobody'")
        await expect(visited.page.get_by_text("There is no such creative")).to_be_visible()
        assert await other_complaints(visited, than="404") == []


async def test_names_are_never_markup_and_foreign_addresses_never_scripts(
    ads: FakeAds, browser: Browser
) -> None:
    name = "<img src=x onerror=document.title='hacked'>"
    creative = ads.of("COMPLETE")
    creative["ad"]["title"] = name
    creative["media_url"] = "javascript:document.title='hacked'"
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        await expect(page.get_by_role("region", name="Ad", exact=True)).to_contain_text(
            "javascript:"
        )
        assert await page.locator("a[href^='javascript:']").count() == 0
        assert "hacked" not in (await page.title()).replace(name, "")
        assert visited.complaints == []


# --- the other views ------------------------------------------------------------------------------


async def test_the_catalogue_is_searched_and_sorted(ads: FakeAds, browser: Browser) -> None:
    for number in range(120):
        copy = ads.of("DISCOVERED") | {"id": f"more-{number}", "broker": "south"}
        ads.creatives[copy["id"]] = copy
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name="Catalogue", exact=True).click()
        await expect(page.get_by_text("130 creatives")).to_be_visible()
        await page.get_by_label("Search").fill("north COFFEE")
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(2)
        await page.get_by_role("button", name="Title").click()
        await expect(rows.first).to_contain_text("Coffee at home")
        await page.get_by_role("button", name="Title").click()
        await expect(rows.first).to_contain_text("Coffee at home (copy)")
        await page.get_by_label("Status").select_option("COMPLETE")
        await expect(page.get_by_text("1 creative", exact=True)).to_be_visible()
        await rows.get_by_role("link").click()
        await expect(page.get_by_role("heading", name="Coffee at home")).to_be_visible()
        assert visited.complaints == []


async def test_brokers_are_shown_with_their_health(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, f"{ads.url}/ads#token={TOKEN}") as visited:
        page = visited.page
        await page.get_by_role("link", name="Brokers").click()
        cards = page.get_by_role("region", name="Broker health").locator(".broker")
        await expect(cards).to_have_count(5)
        north, south = cards.filter(has_text="north"), cards.filter(has_text="south")
        await expect(north).to_contain_text("OK")
        for figure in ("1,000", "95 %", "84 ms", "410 ms"):
            await expect(north).to_contain_text(figure)
        await expect(south).to_contain_text("Degraded")
        await expect(south).to_contain_text("the answer is no XML")
        await north.get_by_text("Configuration").click()
        await expect(north).to_contain_text("https://north.example/vast?cb=[CACHEBUSTING]")
        await expect(north).to_contain_text("Any ad: 4.20 EUR for 1,000")
        await expect(cards.last).to_contain_text("Retired")
        ads.brokers[0]["health"]["status"] = "down"
        await expect(north).to_contain_text("Down", timeout=15_000)
        assert visited.complaints == []


async def test_a_report_is_shown_for_the_days_that_were_picked(
    ads: FakeAds, browser: Browser
) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name="Reports").click()
        bars = page.get_by_role("figure")
        await expect(bars).to_contain_text("Slots filled, by broker")
        await expect(bars).to_contain_text("75 %")
        await page.get_by_label("From").fill("2026-11-01")
        await page.get_by_label("To (UTC days)").fill("2026-11-24")
        await page.get_by_label("Report", exact=True).select_option("completion")
        await expect(bars).to_contain_text("700 · 70 %")
        table = page.get_by_role("region", name="Completion funnel")
        await expect(table.get_by_role("row")).to_have_count(2)
        assert ads.reports[-1] == {"name": "completion", "from": "2026-11-01", "to": "2026-11-24"}
        assert page.url.endswith("#reports/completion/2026-11-01/2026-11-24")
        await page.get_by_label("Report", exact=True).select_option("errors")
        await expect(page.get_by_text("Nothing was counted on these days")).to_be_visible()
        assert visited.complaints == []


# --- for everybody --------------------------------------------------------------------------------


async def test_the_keyboard_alone_is_enough(ads: FakeAds, browser: Browser) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page, press = visited.page, visited.page.keyboard.press
        await expect(card(page, ads, "FAILED")).to_be_visible()
        await press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await press("Enter")
        for _ in range(40):
            await press("Tab")
            focused = await page.evaluate("document.activeElement.getAttribute('aria-label')")
            if focused == "Release: Casino bonus":
                break
        await press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        await press("Escape")
        await expect(page.get_by_role("button", name="Release: Casino bonus")).to_be_focused()
        await press("Enter")
        await press("Tab")
        await press("Enter")
        await expect(notice(page, "is released")).to_be_visible()
        assert [act for _, act, _ in ads.acts] == ["release"]
        assert visited.complaints == []


async def test_the_pages_lead_to_each_other_without_signing_in_again(
    ads: FakeAds, browser: Browser
) -> None:
    async with visit(browser, signed_in(ads)) as visited:
        page = visited.page
        await page.get_by_role("link", name="Home", exact=True).click()
        await expect(page).to_have_title("Homecast")
        await page.get_by_role("link", name="Ads", exact=True).click()
        await expect(card(page, ads, "FAILED")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
        assert await page.evaluate("sessionStorage.length") == 0


VIEWS = ["board", "catalogue", "brokers", "reports/completion/2026-11-01/2026-11-24",
         "creatives/" + f"{'complete':a<26}"]  # fmt: skip


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1920])
async def test_no_view_scrolls_sideways(ads: FakeAds, browser: Browser, width: int) -> None:
    window = PHONE | {"width": width}
    async with visit(browser, signed_in(ads), window=window, scheme="dark") as visited:
        await expect(card(visited.page, ads, "FAILED")).to_be_visible()
        for view in VIEWS:
            await visited.page.evaluate("view => { location.hash = view; }", view)
            await expect(visited.page.locator("#views h3, #views td").first).to_be_visible()
            assert await visited.overflow() == 0, view
        assert visited.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_both_schemes_have_their_own_ground(
    ads: FakeAds, browser: Browser, scheme: str, tmp_path: Path
) -> None:
    async with visit(browser, signed_in(ads), scheme=scheme) as visited:  # type: ignore[arg-type]
        await expect(card(visited.page, ads, "FAILED")).to_be_visible()
        ground = await visited.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(244, 243, 239)", "dark": "rgb(18, 20, 22)"}[scheme]
        await visited.page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
