"""The runbook's commands, word for word, on a platform that has the trouble they are for."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.outbound.system.clock import Ulids
from commands.accounts.tokens import ADS_MANAGE, ADS_READ
from tests.support.household import Household, Json, connected, make_token
from tests.support.platform import Platform
from tests.support.runbook import Operator, commands
from tests.support.tables import SESSION
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
async def operator(platform: Platform, tmp_path: Path) -> Operator:
    return Operator(platform.environment, tmp_path)


@asynccontextmanager
async def aws(platform: Platform, service: str) -> AsyncIterator[Any]:
    client = SESSION.create_client(
        service,  # type: ignore[call-overload]
        region_name=platform.settings.aws_region,
        endpoint_url=platform.endpoint_url,
    )
    async with client as opened:
        yield opened


async def succeeded(household: Household, device_id: str, number: int) -> Json:
    async def reached() -> Json | None:
        now = await household.command(device_id, number)
        return now if now["status"] == "SUCCEEDED" else None

    found: Json = await eventually(reached, within=20, what="success")
    return found


async def carried_out(household: Household) -> tuple[str, int]:
    """A device of its own, with a command whose row is in the read model."""
    _, device = await household.new_device("Lamp")
    async with connected(device):
        answer = await household.submit(device.device_id, "OnOff.On", wait=10)
    number = int(answer.json()["number"])
    await succeeded(household, device.device_id, number)
    return device.device_id, number


def test_every_command_of_the_runbook_is_one_that_exists() -> None:
    from adapters.inbound.cli.docs import FOLDER
    from adapters.inbound.cli.edge import ELSEWHERE
    from adapters.inbound.cli.main import app

    text = (FOLDER / "runbook.md").read_text()
    named = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    known = named | {group.name for group in app.registered_groups} | set(ELSEWHERE)
    used = {word.split()[0].strip("`.,:") for word in text.split("homecast ")[1:]}
    assert {word for word in used if word.isascii()} - known <= {"up"}


async def test_the_first_look_finds_nothing_on_a_healthy_platform(operator: Operator) -> None:
    for said in await operator.follow("First look"):
        assert said.code == 0, said.text


@pytest.mark.parametrize("section", ["A film does not get ready", "A broker is slow or down"])
async def test_ads_are_looked_at(platform: Platform, tmp_path: Path, section: str) -> None:
    token = await make_token(
        platform.settings, platform.endpoint_url, Ulids().new(), (ADS_READ, ADS_MANAGE)
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=platform.api_url, headers=headers, trust_env=False
    ) as api:
        await api.put("/v1/brokers/acme", json={"url": "https://ads.example/vast"})
        film = {"items": [{"media_url": "https://films.invalid/a.mp4"}]}
        assert (await api.post("/v1/creatives", json=film)).status_code == 202

    operator = Operator(platform.environment | {"HOMECAST_TOKEN": token}, tmp_path)

    async def shown() -> bool:
        said = await operator.follow(section)
        assert all(one.code == 0 for one in said), said
        return any("acme" in one.text or "films.invalid" in one.text for one in said)

    await eventually(shown, within=20, what="the broker, or the film")


async def test_a_parked_row_goes_on_when_its_cause_is_mended(
    platform: Platform, household: Household, operator: Operator
) -> None:
    _, asleep = await household.new_device("Asleep")
    accepted = (await household.submit(asleep.device_id, "OnOff.On", ttl=600)).json()
    device_id, number = accepted["device_id"], accepted["number"]
    listing, retrying = commands("A stream is parked")
    table = platform.settings.devices_events_table
    async with aws(platform, "dynamodb") as client:
        first = {"stream": {"S": f"lane-{device_id}"}, "version": {"N": str(number)}}
        sound = (await client.get_item(TableName=table, Key=first))["Item"]
        place = sound | {"version": {"N": str(number + 1)}}
        data = {"number": number, "step": 2}
        never_sent = {"S": "devices.remote_command_succeeded"}
        broken = {"type": never_sent, "data": {"S": json.dumps(data | {"result": {}})}}
        await client.put_item(TableName=table, Item=place | broken)

        async def listed() -> bool:
            return device_id in (await operator.type(listing)).text

        await eventually(listed, within=30, what="a parked row")
        assert (await operator.type(retrying)).code == 1, "the cause is still there"
        canceled = {"S": "devices.remote_command_canceled"}
        mended = {"type": canceled, "data": {"S": json.dumps(data | {"by": "runbook"})}}
        await client.put_item(TableName=table, Item=place | mended)
    said = await operator.type(retrying)
    assert said.code == 0, said.text
    assert not await listed()
    assert (await household.command(device_id, number))["status"] == "CANCELED"


async def test_dead_letters_are_sent_back(
    platform: Platform, household: Household, operator: Operator
) -> None:
    async with aws(platform, "sqs") as client:
        await client.send_message(
            QueueUrl=platform.settings.devices_dead_letters,
            MessageBody=base64.b64encode(b"nothing").decode(),
            MessageGroupId="undecodable",
            MessageDeduplicationId="runbook",
        )
    listing, redriving = commands("Dead letters")
    assert "devices" in (await operator.type(listing)).text
    said = await operator.type(redriving)
    assert said.code == 0, said.text


async def test_rows_that_are_missing_are_found_and_repaired_and_a_model_is_rebuilt(
    platform: Platform, household: Household, operator: Operator
) -> None:
    device_id, number = await carried_out(household)
    verifying, repairing, rebuilding = commands("A projection is wrong")
    async with aws(platform, "dynamodb") as client:
        key = {"device_id": {"S": device_id}, "number": {"N": str(number)}}
        await client.delete_item(TableName=platform.settings.remote_commands_table, Key=key)

        async def is_back() -> bool:
            """What was stored seconds ago counts as on its way, so it may take a second look."""
            repaired = await operator.type(repairing)
            assert repaired.code == 0, repaired.text
            table = platform.settings.remote_commands_table
            return "Item" in await client.get_item(TableName=table, Key=key)

        await eventually(is_back, within=60, what="the row")
    rebuilt = await operator.type(rebuilding)
    assert rebuilt.code == 0, rebuilt.text
    verified = await operator.type(f"{verifying} devices")
    assert verified.code == 0, verified.text
    listed = (await household.api.get("/v1/devices")).json()["items"]
    assert [one["id"] for one in listed] == [device_id]


async def test_an_account_is_forgotten(
    platform: Platform, household: Household, operator: Operator
) -> None:
    await household.new_device("Zanzibar lamp")
    for said in await operator.follow("An account must be forgotten", ACCOUNT=household.account_id):
        assert said.code == 0, said.text

    async def shut_out() -> bool:
        return (await household.api.get("/v1/devices")).status_code == 401

    await eventually(shut_out, within=40, what="the end of the token")  # it is cached for 30 s
