"""One table, several writers: two projector processes on one queue, and a gate driven directly.

The third is what a function does: it gets events of the same streams by a way of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap import http, projector
from adapters.bootstrap.http import Api
from adapters.bootstrap.operations import operating
from adapters.bootstrap.process import make_broker
from adapters.faststream_aws import SQSQueue
from adapters.inbound.cli import local
from adapters.inbound.cli.supervisor import Supervisor
from adapters.outbound.dynamodb.codec import to_cloud_event
from adapters.settings import Settings
from commands.devices import remote_commands as commands
from domain.devices.remote_command import CommandStatus
from projections.kernel.parking import Status
from tests.integration.test_pipeline import (
    CONTEXT,
    claim,
    folded_command,
    relay,
    submit,
)
from tests.support.platform import Engines, settings_from
from tests.support.waiting import eventually

PROJECTORS = ("projector", "projector-2")


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@pytest.fixture
async def projectors(
    tmp_path: Path, stack_environment: dict[str, str]
) -> AsyncIterator[Supervisor]:
    """Both of them, in processes of their own."""
    supervisor = Supervisor(tmp_path, restarts=False)
    try:
        for name in PROJECTORS:
            program = local.process("projector", stack_environment)
            await supervisor.start(replace(program, name=name))
        yield supervisor
    finally:
        await supervisor.stop_all()


async def carry_out(api: Api, device_id: str, number: int) -> None:
    sending = commands.SendRemoteCommand(device_id=device_id, number=number, session="S1")
    result = commands.ReportResult(
        device_id=device_id, number=number, status=CommandStatus.SUCCEEDED, result={"n": number}
    )
    await api.dispatcher.execute(CONTEXT, lambda unit: commands.send(unit, sending))
    await api.dispatcher.execute(CONTEXT, lambda unit: commands.report_result(unit, result))


async def published(api: Api, device_id: str) -> list[dict[str, Any]]:
    return [to_cloud_event(one) for one in await api.store.read(f"lane-{device_id}")]


async def deliver_again(settings: Settings, events: list[dict[str, Any]]) -> None:
    """As SQS does at least once: in order within the group, but a second time."""
    async with make_broker(settings) as broker:
        for event in events:
            await broker.publish(
                event,
                queue=SQSQueue.of(settings.remote_commands_queue),
                group_id=event["subject"],
                deduplication_id=f"again-{event['id']}",
            )


async def drive_directly(settings: Settings, events: list[dict[str, Any]]) -> None:
    """Shuffled, one by one, through a gate of its own."""
    name = settings.remote_commands_queue.rsplit("/", 1)[-1]
    async with projector.queues(settings) as queues:
        for event in random.Random(7).sample(events, len(events)):
            await queues.inboxes[name].receive([event])


async def require_folds(api: Api, numbers: dict[str, list[int]]) -> None:
    """Every row comes to be what the store folds to."""
    for device_id, each in numbers.items():
        for number in each:
            expected = await folded_command(api, device_id, number)

            async def equal(
                device_id: str = device_id, number: int = number, expected: Any = expected
            ) -> bool:
                row = await api.commands.get(device_id, number)
                return row is not None and row.model_copy(
                    update={"stream_version": expected.stream_version}
                ) == expected.model_copy(update={"applied": row.applied})

            await eventually(equal, within=30)


@pytest.mark.slow
async def test_two_processes_and_a_function_at_once_leave_the_fold_of_the_store(
    settings: Settings, projectors: Supervisor
) -> None:
    async with http.api(settings) as api, relay(settings):
        numbers: dict[str, list[int]] = {}
        for each in range(1, 5):
            device_id = await claim(api, each)
            numbers[device_id] = [await submit(api, device_id) for _ in range(5)]
        events = [event for one in numbers for event in await published(api, one)]
        work = [
            carry_out(api, device_id, number)
            for device_id, each in numbers.items()
            for number in each
        ]
        await asyncio.gather(
            *work, drive_directly(settings, events), deliver_again(settings, events)
        )
        await projectors.kill(PROJECTORS[1])
        later = [event for one in numbers for event in await published(api, one)]
        await asyncio.gather(drive_directly(settings, later), deliver_again(settings, later))
        await require_folds(api, numbers)
    async with operating(settings) as acts:
        assert await acts.parked.list() == ([], None)
        assert {one.waiting for one in await acts.dead_letters.waiting()} == {0}


@pytest.mark.slow
async def test_an_unreadable_event_parks_its_row_alone_until_it_is_mended(
    settings: Settings, projectors: Supervisor, shared_engines: Engines
) -> None:
    async with (
        http.api(settings) as api,
        operating(settings) as acts,
        shared_engines.engines.place.client("dynamodb") as dynamodb,
    ):
        device_id = await claim(api)
        parked, sound = [await submit(api, device_id) for _ in range(2)]
        for number in (parked, sound):
            await carry_out(api, device_id, number)
        sent = next(
            one for one in await api.store.read(f"lane-{device_id}", after=parked)
            if getattr(one.event, "step", 0) == 2
        ).event.originator_version  # fmt: skip
        events = await published(api, device_id)
        key = {"stream": {"S": f"lane-{device_id}"}, "version": {"N": str(sent)}}
        table = settings.devices_events_table
        right = (await dynamodb.get_item(TableName=table, Key=key))["Item"]
        await dynamodb.put_item(TableName=table, Item=right | {"data": {"S": "{}"}})

        async def is_parked() -> bool:
            return bool((await acts.parked.list())[0])

        bad: dict[str, Any] = {str(sent): {}}
        damaged = [one | {"data": bad.get(one["sequence"], one["data"])} for one in events]
        await deliver_again(settings, damaged)
        await eventually(is_parked, within=30)
        await succeeded(api, device_id, sound)
        [letter] = await dead_letters_of(acts)
        assert letter.error == "devices.remote_command_sent does not fit its type"
        row = await api.commands.get(device_id, parked)
        assert row is not None
        assert row.status == CommandStatus.ACCEPTED

        [entry], _ = await acts.parked.list()
        assert (entry.model, entry.row) == ("remote_commands", f"{device_id}.{parked}")
        assert (entry.version, entry.error) == (sent, "ContractError")
        assert entry.event is not None
        assert entry.event["data"] == {}
        again = await acts.parked.retry(entry.model, entry.row, who="cli:test")
        assert (again.status, again.attempts > entry.attempts) == (Status.PARKED, True)

        await dynamodb.put_item(TableName=table, Item=right)
        done = await acts.parked.retry(entry.model, entry.row, who="cli:test")
        assert done.status is Status.RETRIED
        await require_folds(api, {device_id: [parked, sound]})


async def succeeded(api: Api, device_id: str, number: int) -> None:
    async def done() -> bool:
        row = await api.commands.get(device_id, number)
        return row is not None and row.status == CommandStatus.SUCCEEDED

    await eventually(done, within=30)


async def dead_letters_of(acts: Any) -> list[Any]:
    found: list[Any] = []

    async def arrived() -> bool:
        found[:] = await acts.dead_letters.peek("remote_commands", limit=9)
        return bool(found)

    await eventually(arrived, within=15)
    return found
