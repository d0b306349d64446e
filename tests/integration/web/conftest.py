"""A stranger's host, and what asks it: over real sockets on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.outbound.web import Documents, Downloads, Guard, Web
from tests.support.misbehaving import VIDEO
from tests.support.strangers import Stranger


@pytest.fixture
async def host() -> AsyncIterator[Stranger]:
    async with Stranger() as host:
        yield host


@pytest.fixture
async def web(host: Stranger) -> AsyncIterator[Web]:
    web = Web(Guard(allowed=[host.place]))
    yield web
    await web.close()


@pytest.fixture
def documents(web: Web) -> Documents:
    return Documents(web)


@pytest.fixture
def downloads(web: Web, tmp_path: Path) -> Downloads:
    return Downloads(web, directory=tmp_path, limit_bytes=len(VIDEO), pause=0.001)
