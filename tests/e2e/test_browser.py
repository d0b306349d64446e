"""The web page in a real browser: the journeys on the whole platform, the rest on a fake home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from adapters.inbound.cli.simulator import Simulation
from domain.devices.capabilities import KINDS, DeviceKind
from tests.support.browser import PHONE, Visit, chromium, visit
from tests.support.fake_home import TOKEN, FakeHome
from tests.support.household import Household
from tests.support.platform import Platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser
COMING = 30_000
"""Milliseconds for something to be seen that real processes have to do first."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def home() -> AsyncIterator[FakeHome]:
    async with FakeHome() as home:
        yield home


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def way(page: Page, name: str) -> Locator:
    return card(page, name).get_by_role("region", name="Latest command")


def made(page: Page, name: str) -> Locator:
    """The last step that the latest command has made; those ahead of it are only drawn."""
    return way(page, name).locator("li[data-made=true] .step").last


def signed_in(home: FakeHome) -> str:
    return f"{home.url}/#token={TOKEN}"


# --- on the platform ------------------------------------------------------------------------------


@asynccontextmanager
async def simulated(
    platform: Platform, household: Household, directory: Path
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Twelve devices; the task of each by its name: cancelled, it is gone."""
    simulation = Simulation(
        platform.api_url, platform.gateway_url, household.token, devices=12, directory=directory
    )
    await simulation.claim()
    tasks = {one.name: asyncio.create_task(one.client.run()) for one in simulation.members}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_a_home_is_seen_and_controlled_live(
    platform: Platform, household: Household, browser: Browser, tmp_path: Path
) -> None:
    url = f"{platform.api_url}/#token={household.token}"
    async with simulated(platform, household, tmp_path) as devices, visit(browser, url) as visited:
        page = visited.page
        await expect(page.get_by_text("12 devices, 12 online")).to_be_visible(timeout=COMING)
        await expect(page.get_by_role("article")).to_have_count(12)
        assert "token" not in page.url

        power = card(page, "Hall light").get_by_role("switch", name="Power")
        await expect(power).to_have_attribute("aria-checked", "false")
        await power.click()
        await expect(made(page, "Hall light")).to_have_text("Done", timeout=COMING)
        await expect(power).to_have_attribute("aria-checked", "true", timeout=COMING)
        await expect(way(page, "Hall light")).to_contain_text("ms")
        await expect(page.locator("#activity")).to_contain_text("Hall light: Turn on")

        devices["Coffee machine"].cancel()
        offline = card(page, "Coffee machine").get_by_text("Offline")
        await expect(offline).to_be_visible(timeout=COMING)
        await page.screenshot(path=tmp_path / "desktop.png", full_page=True)
        assert visited.complaints == []


async def test_a_phone_shows_a_real_home_without_scrolling_sideways(
    platform: Platform, household: Household, browser: Browser, tmp_path: Path
) -> None:
    url = f"{platform.api_url}/#token={household.token}"
    async with (
        simulated(platform, household, tmp_path),
        visit(browser, url, window=PHONE, scheme="dark") as visited,
    ):
        blind = card(visited.page, "Bedroom blind")
        await expect(blind.get_by_text("Online")).to_be_visible(timeout=COMING)
        await blind.get_by_role("button", name="Close", exact=True).click()
        await expect(made(visited.page, "Bedroom blind")).to_have_text("Done", timeout=COMING)
        await visited.page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert await visited.overflow() == 0
        assert visited.complaints == []


# --- on a fake home -------------------------------------------------------------------------------


async def complaints_about(visited: Visit, *, other_than: str) -> list[str]:
    return [one for one in visited.complaints if other_than not in one]


async def test_a_state_is_shown_only_once_the_device_has_reported_it(
    home: FakeHome, browser: Browser
) -> None:
    home.pace.clear()
    async with visit(browser, signed_in(home)) as visited:
        power = card(visited.page, "Hall light").get_by_role("switch")
        await power.click()
        await expect(made(visited.page, "Hall light")).to_have_text("Accepted")
        await expect(power).to_have_attribute("aria-checked", "false")
        await expect(power).to_have_attribute("aria-busy", "true")
        home.pace.set()
        await expect(power).to_have_attribute("aria-checked", "true")
        await expect(power).not_to_have_attribute("aria-busy", "true")
        said = visited.page.locator("#announcer")
        await expect(said).to_have_text("Hall light: Turn on. Done")
        assert visited.complaints == []


@pytest.mark.parametrize("name", ["Hall light", "Bedroom blind"])
async def test_a_command_that_waits_can_be_cancelled(
    home: FakeHome, browser: Browser, name: str
) -> None:
    home.presence(name, online=False)
    async with visit(browser, signed_in(home)) as visited:
        await card(visited.page, name).locator(".controls button").first.click()
        latest = way(visited.page, name)
        await expect(latest).to_contain_text("Waits until the device is back")
        await latest.get_by_role("button", name="Cancel").click()
        await expect(made(visited.page, name)).to_have_text("Canceled")
        await expect(latest.get_by_role("button", name="Cancel")).to_be_hidden()


async def test_every_capability_has_its_control(home: FakeHome, browser: Browser) -> None:
    asked = {
        "Kitchen light": ("slider", "Brightness", "LevelControl.MoveToLevel"),
        "Living room heating": (
            "button",
            "Heat to: higher",
            "Thermostat.WriteOccupiedHeatingSetpoint",
        ),
        "Bedroom blind": ("button", "Open", "WindowCovering.UpOrOpen"),
        "Front door": ("button", "Lock", "DoorLock.LockDoor"),
        "Reading lamp": ("button", "Green", "ColorControl.MoveToHueAndSaturation"),
    }
    async with visit(browser, signed_in(home)) as visited:
        for name, (role, label, _) in asked.items():
            device = card(visited.page, name)
            control = device.get_by_role(role, name=label, exact=True)  # type: ignore[arg-type]
            await control.press("ArrowRight" if role == "slider" else "Enter")
            await expect(made(visited.page, name)).to_have_text("Done")
        assert {one["command"] for one in home.commands.values()} == {
            command for *_, command in asked.values()
        }
        assert visited.complaints == []


async def test_unlocking_asks_first(home: FakeHome, browser: Browser) -> None:
    async with visit(browser, signed_in(home)) as visited:
        page, door = visited.page, card(visited.page, "Front door")
        await door.get_by_role("button", name="Unlock").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert home.commands == {}
        await door.get_by_role("button", name="Unlock").click()
        await page.get_by_role("dialog").get_by_role("button", name="Unlock").click()
        await expect(door.locator(".state")).to_have_text("Unlocked")


async def test_a_failure_is_told_in_words(home: FakeHome, browser: Browser) -> None:
    home.outcome = "FAILED"
    async with visit(browser, signed_in(home)) as visited:
        await card(visited.page, "Hall light").get_by_role("switch").click()
        latest = way(visited.page, "Hall light")
        await expect(made(visited.page, "Hall light")).to_have_text("Failed")
        await expect(latest).to_contain_text("Obstructed: something is in the way")


async def test_a_busy_platform_is_asked_again_with_the_same_key(
    home: FakeHome, browser: Browser
) -> None:
    home.problems = [(503, {"title": "Busy", "code": "busy"})]
    async with visit(browser, signed_in(home)) as visited:
        await card(visited.page, "Hall light").get_by_role("switch").click()
        await expect(made(visited.page, "Hall light")).to_have_text("Done")
        assert len(home.keys) == 2
        assert len(set(home.keys)) == 1
        assert await complaints_about(visited, other_than="503") == []


async def test_a_refusal_is_shown_and_nothing_stays_behind(
    home: FakeHome, browser: Browser
) -> None:
    home.problems = [(409, {"title": "Lost", "detail": "the device was reported lost"})]
    async with visit(browser, signed_in(home)) as visited:
        await card(visited.page, "Hall light").get_by_role("switch").click()
        toast = visited.page.get_by_role("alert").filter(has_text="The device was reported lost")
        await expect(toast).to_be_visible()
        await expect(way(visited.page, "Hall light")).to_be_hidden()
        await toast.get_by_role("button", name="Dismiss").click()
        await expect(toast).to_have_count(0)


async def test_a_lost_stream_is_told_and_comes_back_by_itself(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, signed_in(home)) as visited:
        page = visited.page
        await expect(page.get_by_text("12 devices, 12 online")).to_be_visible()
        home.lose_streams()
        banner = page.get_by_role("status").filter(has_text="No connection to the platform")
        await expect(banner).to_be_visible()
        home.presence("Stairs", online=False)
        refused = home.refused
        await page.get_by_role("button", name="Try now").click()  # while it cannot vanish yet

        async def tried() -> bool:
            return home.refused > refused

        await eventually(tried, within=5)
        await expect(banner).to_be_visible()
        home.reachable = True
        await expect(banner).to_be_hidden(timeout=20_000)
        await expect(card(page, "Stairs").get_by_text("Offline")).to_be_visible()
        assert await complaints_about(visited, other_than="503") == []


async def test_a_token_that_is_refused_leads_back_to_the_sign_in(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, f"{home.url}/#token=hc_wrong") as visited:
        page = visited.page
        await expect(page.get_by_text("This token is not valid")).to_be_visible()
        await page.get_by_label("Access token").fill(TOKEN)
        await page.get_by_role("button", name="Use the token").click()
        await expect(page.get_by_role("article")).to_have_count(12)
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(12)
        await expect(page.get_by_role("link", name="Account")).to_be_hidden()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
        assert await page.evaluate("sessionStorage.length") == 0
        assert await complaints_about(visited, other_than="401") == []


async def test_names_are_never_markup(home: FakeHome, browser: Browser) -> None:
    name = "<img src=x onerror=document.title='hacked'>"
    home.devices[home.id_of("Hall light")]["name"] = name
    async with visit(browser, signed_in(home)) as visited:
        await expect(card(visited.page, name)).to_be_visible()
        assert await visited.page.locator(".card img").count() == 0
        assert await visited.page.title() == "Homecast"
        assert visited.complaints == []


async def test_an_unknown_command_gets_a_form_made_from_its_schema(
    home: FakeHome, browser: Browser
) -> None:
    device = home.devices[home.id_of("Coffee machine")]
    schema = {
        "properties": {"cups": {"type": "integer", "minimum": 1}, "size": {"$ref": "#/$defs/S"}},
        "required": ["cups", "size"],
        "$defs": {"S": {"enum": ["Small", "Large"]}},
    }
    device["commands"] = [{"name": "Brewing.MakeCoffee", "args": schema}]
    async with visit(browser, signed_in(home)) as visited:
        machine = card(visited.page, "Coffee machine")
        await machine.get_by_label("Cups").fill("2")
        await machine.get_by_label("Size").select_option("Large")
        await machine.get_by_role("button", name="Make coffee").click()
        await expect(way(visited.page, "Coffee machine")).to_contain_text("Make coffee")
        assert [one["args"] for one in home.commands.values()] == [{"cups": 2, "size": "Large"}]


async def test_devices_come_and_go_without_a_reload(home: FakeHome, browser: Browser) -> None:
    async with visit(browser, signed_in(home)) as visited:
        page = visited.page
        await expect(page.get_by_role("article")).to_have_count(12)
        device = home.devices.pop(home.id_of("Stairs"))
        home.tell("device", {"id": device["id"], "version": 2, "status": "RELEASED"})
        await expect(page.get_by_role("article")).to_have_count(11)
        new = {k: v for k, v in device.items() if k not in ("state", "online", "reported_at")}
        home.tell("device", new | {"name": "Cellar"})
        await expect(card(page, "Cellar")).to_contain_text("Nothing reported yet")


async def test_an_empty_home_says_what_to_do(home: FakeHome, browser: Browser) -> None:
    home.devices.clear()
    async with visit(browser, signed_in(home)) as visited:
        await expect(visited.page.get_by_text("No devices yet")).to_be_visible()


PARSED_IN_ALL_CUTS = """async (address) => {
    const { EventParser } = await import(address);
    const text = ": hello\\r\\nid: 7\\nevent: twin\\r\\ndata: {\\ndata: }\\r\\n\\r\\ndata: é\\n\\n";
    const results = new Set();
    for (let cut = 0; cut <= text.length; cut += 1) {
        const parser = new EventParser();
        results.add(JSON.stringify([
            ...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut)),
        ]));
    }
    return [...results];
}"""


async def test_live_events_are_read_wherever_the_network_cuts_them(
    home: FakeHome, browser: Browser
) -> None:
    async with visit(browser, home.url) as visited:
        page = visited.page
        address = await page.locator("script[type=module]").get_attribute("src")
        assert address is not None
        parser = address.replace("app.js", "sse.js")
        assert await page.evaluate(PARSED_IN_ALL_CUTS, parser) == [
            '[{"type":"twin","data":"{\\n}","id":"7"},{"type":"message","data":"é","id":"7"}]'
        ]


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1920])
async def test_no_width_scrolls_sideways(home: FakeHome, browser: Browser, width: int) -> None:
    home.pace.clear()
    window = PHONE | {"width": width}
    async with visit(browser, signed_in(home), window=window) as visited:
        await card(visited.page, "Hall light").get_by_role("switch").click()
        await expect(way(visited.page, "Hall light")).to_be_visible()
        assert await visited.overflow() == 0


def test_the_fake_home_has_a_device_of_every_kind() -> None:
    assert {one["kind"] for one in FakeHome().devices.values()} == {str(kind) for kind in KINDS}
    assert set(KINDS) == set(DeviceKind)
