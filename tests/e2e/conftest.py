"""One quiet platform for the journeys; tests that break things start one of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.outbound.embedded.ministack import CREDENTIALS
from tests.support.household import Household
from tests.support.platform import LoopThread, Platform


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Where the AWS libraries of the tests themselves look for them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """All processes, restarted by nobody: one that dies fails the tests after it."""
    platform = Platform(tmp_path_factory.mktemp("platform"))
    with LoopThread() as thread:
        thread.run(platform.__aenter__())
        try:
            yield platform
        finally:
            thread.run(platform.__aexit__())


@pytest.fixture
async def household(platform: Platform) -> AsyncIterator[Household]:
    async with await Household.found(platform.settings, platform.endpoint_url) as household:
        yield household
