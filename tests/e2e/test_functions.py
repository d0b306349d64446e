"""The main journey with functions: API Gateway, queues as event sources, the gateway a process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.test_main_job import has_status, online_device
from tests.support.functions import FunctionsPlatform
from tests.support.household import Household, Json
from tests.support.platform import LoopThread
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsPlatform]:
    platform = FunctionsPlatform(tmp_path_factory.mktemp("functions"))
    with LoopThread() as thread:
        thread.run(platform.__aenter__())
        try:
            yield platform
        finally:
            thread.run(platform.__aexit__())


@pytest.fixture
async def household(platform: FunctionsPlatform) -> AsyncIterator[Household]:
    async with await Household.found(platform.settings, platform.endpoint_url) as household:
        yield household


async def test_a_command_goes_from_api_gateway_to_its_device_and_its_outcome_is_read_back(
    household: Household,
) -> None:
    async with online_device(household) as (member, device):
        answer = await household.submit(device.device_id, "OnOff.On", wait=20)
        assert answer.status_code == 200, answer.text
        command = answer.json()
        assert command["status"] == "SUCCEEDED"
        assert device.executed == [command["number"]]
        assert member.device.state()["OnOff"]["on_off"] is True

        async def listed() -> Json | None:
            path = f"/v1/devices/{device.device_id}/commands"
            items = (await household.api.get(path)).json()["items"]
            return items[0] if items and items[0]["status"] == "SUCCEEDED" else None

        row = await eventually(listed, within=20, what="the projected row")
        assert [one["status"] for one in row["history"]] == ["ACCEPTED", "SENT", "SUCCEEDED"]
        seen = (await household.api.get("/v1/devices")).json()["items"]
        assert device.device_id in [one["id"] for one in seen]


async def test_live_streams_are_refused_by_a_function_in_plain_words(
    household: Household,
) -> None:
    answer = await household.api.get("/v1/live")
    assert (answer.status_code, answer.json()["code"]) == (501, "streams_elsewhere")
    assert answer.headers["Content-Type"] == "application/problem+json"
    page = await household.api.get("/")
    assert (page.status_code, page.json()["code"]) == (404, "route_not_found")


async def test_a_command_for_a_device_that_stays_away_expires_with_functions_too(
    household: Household,
) -> None:
    _, device = await household.new_device("Away")
    accepted = (await household.submit(device.device_id, "OnOff.On", ttl=1)).json()
    await has_status(household, accepted, "EXPIRED")
