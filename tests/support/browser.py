"""Debian's Chromium, driven by Playwright; a page that remembers what went wrong in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)


@dataclass
class Visit:
    """An open page. ``complaints``: console errors, uncaught exceptions, policy violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def overflow(self) -> int:
        """CSS pixels that the page is wider than the window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(script))


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser,
    url: str,
    *,
    window: ViewportSize = DESKTOP,
    scheme: Literal["light", "dark"] = "light",
) -> AsyncIterator[Visit]:
    """A fresh profile with the page open."""
    context = await browser.new_context(viewport=window, color_scheme=scheme, locale="en-GB")
    page = await context.new_page()
    visit = Visit(page)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    try:
        await page.goto(url)
        yield visit
    finally:
        await context.close()
