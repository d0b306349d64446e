from __future__ import annotations

import pytest

from tests.support.oauth import Server


@pytest.fixture
async def server() -> Server:
    return await Server().with_keys()
