"""A gateway on memory and a real Redis, with one claimed device."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.gateway import RunningGateway, World
from tests.support.redis import RedisServer


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    server = RedisServer()
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def world(redis: RedisServer) -> AsyncIterator[World]:
    world = World(redis)
    try:
        yield world
    finally:
        await world.close()


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[RunningGateway]:
    async with world.gateway() as gateway:
        yield gateway


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
async def device_id(world: World, key: Ed25519PrivateKey) -> str:
    return await world.claim(key)
