"""The main journey with functions: API Gateway, queues as event sources, the gateway a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.inbound.cli import local
from adapters.outbound.dynamodb.codec import to_cloud_event
from commands.accounts.tokens import ALL_SCOPES
from domain.kernel.recorded import Recorded
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel.gate import Key, Projection, Row
from tests.e2e.test_main_job import client, has_status, online_device
from tests.support.functions import FunctionsPlatform
from tests.support.household import Household, Json, make_token
from tests.support.platform import LoopThread
from tests.support.waiting import eventually
from tests.support.wayward import WaywardDevice

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


async def test_the_role_of_the_api_covers_all_of_its_routes(
    platform: FunctionsPlatform, household: Household
) -> None:
    """The engine enforces roles here."""
    _, device = await household.new_device("Walked over")
    path, api = f"/v1/devices/{device.device_id}", household.api
    queued = (await household.submit(device.device_id, "OnOff.On", ttl=600)).json()["number"]
    token = await make_token(
        platform.settings, platform.endpoint_url, household.account_id, ALL_SCOPES
    )
    operator = {"Authorization": f"Bearer {token}"}
    found = await api.get(path)
    asked = [
        found,
        await api.patch(path, json={"name": "New"}, headers={"If-Match": found.headers["ETag"]}),
        await api.get("/v1/devices"),
        await api.get(f"{path}/commands"),
        await api.get(f"{path}/commands/{queued}"),
        await api.post(f"{path}/commands/{queued}/cancel"),
        await api.get("/v1/operations/read-models", headers=operator),
        await api.get("/v1/operations/counters", headers=operator),
        await api.get("/v1/operations/parked", headers=operator),
        await api.get("/v1/operations/dead-letters", headers=operator),
        await api.get("/v1/operations/dead-letters/devices", headers=operator),
        await api.post("/v1/operations/dead-letters/devices/redrive", headers=operator),
        await api.post(f"{path}/lost"),
        await api.delete(path),
        await api.get("/openapi.json"),
        await api.get("/health/ready"),
    ]
    told = [(one.request.url.path, one.status_code, one.text) for one in asked]
    assert [one for one in told if one[1] not in (200, 204)] == []


# --- failures -------------------------------------------------------------------------------------


async def test_a_message_that_cannot_be_read_is_put_aside_and_holds_nobody_up(
    platform: FunctionsPlatform, household: Household
) -> None:
    async with online_device(household, "Beside poison") as (_, device), sqs(platform) as client:
        await client.send_message(
            QueueUrl=platform.settings.remote_commands_queue,
            MessageBody="{not an event",
            MessageGroupId=f"lane-{device.device_id}",
            MessageDeduplicationId=device.device_id,
        )
        answer = await household.submit(device.device_id, "OnOff.On", wait=20)
        assert answer.json()["status"] == "SUCCEEDED"
        await projected(household, device.device_id, [answer.json()["number"]])
        dead = platform.settings.remote_commands_dead_letters

        async def buried() -> Json | None:
            taken = await client.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)
            return next(iter(taken.get("Messages", [])), None)

        letter = await eventually(buried, within=10, what="the dead letter")
        assert letter["Body"] == "{not an event"


async def test_events_that_are_delivered_again_change_nothing(
    platform: FunctionsPlatform, household: Household
) -> None:
    async with online_device(household, "Heard twice") as (_, device), sqs(platform) as client:
        number = (await household.submit(device.device_id, "OnOff.On", wait=20)).json()["number"]
        await projected(household, device.device_id, [number])
        async with parts_of(platform) as parts:
            before = await parts.commands.get(device.device_id, number)
            events = await parts.store.read(f"lane-{device.device_id}")
            for again in range(2):
                for one in reversed(events):
                    await client.send_message(
                        QueueUrl=platform.settings.remote_commands_queue,
                        MessageBody=json.dumps(to_cloud_event(one)),
                        MessageGroupId=one.event.originator_id,
                        MessageDeduplicationId=f"{again}-{one.event.originator_version}",
                    )
            later = (await household.submit(device.device_id, "OnOff.Off", wait=20)).json()
            await projected(household, device.device_id, [later["number"]])
            assert await parts.commands.get(device.device_id, number) == before


async def test_a_process_and_a_function_on_one_queue_give_the_rows_that_the_store_says(
    platform: FunctionsPlatform, household: Household
) -> None:
    since = time.time()
    await platform.supervisor.start(local.process("projector", platform.environment))
    try:
        async with contextlib.AsyncExitStack() as stack:
            devices = [
                (await stack.enter_async_context(online_device(household, f"Shared {number}")))[1]
                for number in range(3)
            ]
            sent = await asyncio.gather(*(use(household, device) for device in devices))
            async with parts_of(platform) as parts:
                for device, numbers in zip(devices, sent, strict=True):
                    await projected(household, device.device_id, numbers)
                    events = await parts.store.read(f"lane-{device.device_id}")
                    rows = folded(REMOTE_COMMANDS, events)
                    assert {number for _, number in rows} == set(numbers)
                    for key, row in rows.items():
                        assert await parts.commands.get(*key) == row
    finally:
        await platform.supervisor.stop("projector")
    assert '"event": "projected"' in platform.log("projector")
    lines = await platform.lines("projector", since=since)
    assert [line for line in lines if '"event": "projected"' in line]


async def use(household: Household, device: WaywardDevice, times: int = 8) -> list[int]:
    command = (device.device_id, "OnOff.Toggle")
    return [(await household.submit(*command, wait=20)).json()["number"] for _ in range(times)]


async def projected(household: Household, device_id: str, numbers: list[int]) -> None:
    """Until the list, which is the read model alone, shows all of these as done."""

    async def shown() -> bool:
        path = f"/v1/devices/{device_id}/commands"
        items = (await household.api.get(path, params={"limit": 50})).json()["items"]
        done = {one["number"] for one in items if one["status"] == "SUCCEEDED"}
        return set(numbers) <= done

    await eventually(shown, within=40, every=0.2, what="the projected rows")


def folded(projection: Projection[Row], events: list[Recorded]) -> dict[Key, Row]:
    """What the rows have to be: every event in order."""
    rows: dict[Key, Row] = {}
    for one in events:
        key = projection.key_of(one.event)
        if key is not None:
            row = projection.fold(rows.get(key), one.event)
            rows[key] = row.model_copy(
                update={
                    "applied": projection.number_of(one.event),
                    "stream_version": one.event.originator_version,
                }
            )
    return rows


def sqs(platform: FunctionsPlatform) -> Any:
    return client(platform, "sqs")


@contextlib.asynccontextmanager
async def parts_of(platform: FunctionsPlatform) -> AsyncIterator[Api]:
    async with http.api(platform.settings) as parts:
        yield parts
