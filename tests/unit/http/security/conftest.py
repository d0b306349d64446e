from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from tests.unit.http.accounts.world import Browser
from tests.unit.http.security.world import Client, Site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def app(site: Site) -> AsyncIterator[FastAPI]:
    async with site.app() as app:
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app)
    async with client.http:
        yield client


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[Browser]:
    browser = Browser(app)
    async with browser.http:
        yield browser


@pytest.fixture
async def ann(site: Site, app: FastAPI) -> AsyncIterator[Browser]:
    """Her browser, signed in."""
    browser = Browser(app)
    async with browser.http:
        await browser.sign_up(site.server)
        yield browser
