"""Backups on the embedded AWS: what is put back is what was there, in tables that can be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.inbound.cli.backup_commands import place_of, truth_of
from adapters.outbound.aws_stack.backups import (
    AlreadyRestored,
    BackupNotFound,
    Truth,
    create,
    drop_newer_twins,
    found,
    restore,
)
from tests.support.platform import Engines, settings_from


@pytest.fixture
def truth(stack_environment: dict[str, str]) -> Truth:
    truth: Truth = truth_of(settings_from(stack_environment))
    return truth


@pytest.fixture
def place(stack_environment: dict[str, str], shared_engines: Engines) -> Any:
    return place_of(settings_from(stack_environment))


async def put(place: Any, table: str, **item: dict[str, str]) -> None:
    async with place.client("dynamodb") as client:
        await client.put_item(TableName=table, Item=item)


async def held(place: Any, table: str) -> list[Any]:
    async with place.client("dynamodb") as client:
        return list((await client.scan(TableName=table))["Items"])


async def test_the_tables_of_a_backup_hold_what_was_there_and_can_be_used(
    place: Any, truth: Truth
) -> None:
    events = truth.tables["HOMECAST_DEVICES_EVENTS_TABLE"]
    await put(place, events, stream={"S": "device-1"}, version={"N": "1"})
    await create(place, truth, "evening")
    await put(place, events, stream={"S": "device-1"}, version={"N": "2"})
    assert [one.name for one in await found(place, truth)] == ["evening"]
    environment = await restore(place, truth, "evening")
    assert environment["HOMECAST_STORE_GENERATION"] == "2"
    restored = environment["HOMECAST_DEVICES_EVENTS_TABLE"]
    assert restored == f"{events}-g2"
    assert [one["version"]["N"] for one in await held(place, restored)] == ["1"]
    async with place.client("dynamodb") as client:
        table = (await client.describe_table(TableName=restored))["Table"]
        vault = environment["HOMECAST_VAULT_TABLE"]
        expiry = (await client.describe_time_to_live(TableName=vault))["TimeToLiveDescription"]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    assert expiry["AttributeName"] == "expires_at"
    with pytest.raises(AlreadyRestored):
        await restore(place, truth, "evening")


async def test_a_moment_can_be_restored_too(place: Any, truth: Truth) -> None:
    environment = await restore(place, truth, datetime.now(UTC) - timedelta(minutes=1))
    assert environment["HOMECAST_VAULT_TABLE"].endswith("-vault-g2")
    assert await held(place, environment["HOMECAST_VAULT_TABLE"]) == []


async def test_a_backup_that_lacks_a_table_is_none(place: Any, truth: Truth) -> None:
    async with place.client("dynamodb") as client:
        vault = truth.tables["HOMECAST_VAULT_TABLE"]
        await client.create_backup(TableName=vault, BackupName="half")
    assert await found(place, truth) == []
    with pytest.raises(BackupNotFound):
        await restore(place, truth, "half")


async def test_reported_states_of_after_the_moment_are_dropped(
    place: Any, stack_environment: dict[str, str]
) -> None:
    twins = stack_environment["HOMECAST_TWINS_TABLE"]
    for device, at in (("old", "2026-11-25T10:00:00"), ("new", "2026-11-25T12:00:00")):
        reported = {"S": f"{at}.000000+0000"}
        await put(place, twins, device_id={"S": device}, reported_at=reported)
    assert await drop_newer_twins(place, twins, datetime(2026, 11, 25, 11, tzinfo=UTC)) == 1
    assert [one["device_id"]["S"] for one in await held(place, twins)] == ["old"]


def test_the_next_generation_of_a_table_has_a_name_of_its_own() -> None:
    assert Truth({}, 1).target("homecast-vault") == "homecast-vault-g2"
    assert Truth({}, 2).target("homecast-vault-g2") == "homecast-vault-g3"
