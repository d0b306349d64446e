from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from tests.unit.http.world import Client, DeviceKey, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def app(world: World) -> AsyncIterator[FastAPI]:
    async with world.app() as app:
        yield app


@pytest.fixture
async def client(world: World, app: FastAPI) -> AsyncIterator[Client]:
    client = Client(app, await world.token())
    async with client.http:
        yield client


@pytest.fixture
async def lamp(client: Client) -> DeviceKey:
    """A claimed dimmable light."""
    key = DeviceKey()
    response = await client.claim(key)
    assert response.status_code == 201, response.text
    return key
