from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from tests.unit.http.accounts.world import Browser, Server


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def app(server: Server) -> AsyncIterator[FastAPI]:
    async with server.app() as app:
        yield app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    browser = Browser(app)
    async with browser.http:
        yield browser


@pytest.fixture
async def other(app: FastAPI) -> AsyncIterator[Browser]:
    """Another browser, of somebody else or of the same person."""
    browser = Browser(app)
    async with browser.http:
        yield browser


@pytest.fixture
async def ann(server: Server, browser: Browser) -> Browser:
    """Her browser, signed in."""
    await browser.sign_up(server)
    return browser
