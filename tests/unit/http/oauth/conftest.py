from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.http.oauth.world import OAuthWorld, oauth_world


@pytest.fixture
async def world() -> AsyncIterator[OAuthWorld]:
    async with oauth_world() as made:
        yield made
