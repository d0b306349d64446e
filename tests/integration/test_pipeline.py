"""Store → stream → relay → SNS FIFO → SQS FIFO → projector → rows, and the sweeper, on the engines.

Each test has a stack of its own; the workers run in the test's process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiobotocore.session import get_session
from structlog.testing import capture_logs

from adapters.bootstrap import http
from adapters.bootstrap import projector as bootstrap_projector
from adapters.bootstrap import relay as bootstrap_relay
from adapters.bootstrap import sweeper as bootstrap_sweeper
from adapters.bootstrap.http import Api
from adapters.bootstrap.operations import operating
from adapters.bootstrap.process import make_broker
from adapters.bootstrap.read_models import PROJECTIONS
from adapters.faststream_aws import SQSQueue
from adapters.inbound.workers import sweeper as sweepers
from adapters.settings import Settings
from commands.devices import ownership, remote_commands
from commands.devices.ownership import ClaimDevice, ReleaseDevice
from commands.devices.remote_commands import SubmitRemoteCommand
from domain.devices.capabilities import DeviceKind
from domain.devices.remote_command import CommandStatus, RemoteCommandExpired
from domain.kernel.event import Event
from domain.kernel.recorded import Context
from projections.devices import remote_commands as read_model
from projections.devices.devices import DeviceRow
from projections.devices.remote_commands import RemoteCommandRow
from projections.kernel.parking import Status
from tests.support.platform import settings_from
from tests.support.waiting import eventually

ACCOUNT = "01ACCOUNT00000000000000000"
CONTEXT = Context("correlation", "causation", "test")


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@asynccontextmanager
async def relay(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with bootstrap_relay.relay(settings) as worker:
        task = asyncio.create_task(worker.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task


@asynccontextmanager
async def projector(settings: Settings) -> AsyncIterator[None]:
    async with bootstrap_projector.projector(settings) as broker:
        await broker.start()
        try:
            yield
        finally:
            await broker.stop()


async def claim(api: Api, number: int = 1) -> str:
    message = ClaimDevice(
        account_id=ACCOUNT,
        public_key=bytes([number]) * 32,
        name=f"Lamp {number}",
        kind=DeviceKind.ON_OFF_LIGHT,
    )
    (device_id, _), _ = await api.dispatcher.execute(
        CONTEXT, lambda unit: ownership.claim_device(unit, message)
    )
    return device_id


async def submit(api: Api, device_id: str, ttl: int = 60) -> int:
    message = SubmitRemoteCommand(
        account_id=ACCOUNT, client_id="test", device_id=device_id, command="OnOff.On", ttl=ttl
    )
    number, _ = await api.dispatcher.execute(
        CONTEXT, lambda unit: remote_commands.submit(unit, message)
    )
    return number


async def folded_command(api: Api, device_id: str, number: int) -> RemoteCommandRow:
    row: RemoteCommandRow | None = None
    for recorded in await api.store.read(f"lane-{device_id}", after=number - 1):
        if read_model.key_of(recorded.event) == (device_id, number):
            row = read_model.fold(row, recorded.event)
    assert row is not None
    return row


async def test_events_reach_both_read_models_as_a_fold_of_the_store(settings: Settings) -> None:
    async with http.api(settings) as api, relay(settings), projector(settings):
        device_id = await claim(api)
        numbers = [await submit(api, device_id) for _ in range(12)]

        async def arrived() -> bool:
            row = await api.commands.get(device_id, numbers[-1])
            return row is not None and await api.devices.get(device_id) is not None

        await eventually(arrived, within=15)
        device = await api.devices.get(device_id)
        assert isinstance(device, DeviceRow)
        listed, cursor = await api.devices.list(ACCOUNT, limit=10, cursor=None)
        assert (listed, cursor) == ([device], None)
        rows = await api.commands.list(device_id, limit=20, before=None)
        assert [row.number for row in rows] == numbers[::-1]
        for row in rows:
            expected = await folded_command(api, device_id, row.number)
            assert row.model_dump() == {
                **expected.model_dump(),
                "stream_version": row.stream_version,
            }


async def test_a_relay_that_comes_late_publishes_what_was_stored_before(
    settings: Settings,
) -> None:
    async with http.api(settings) as api, projector(settings):
        device_id = await claim(api)
        async with relay(settings):
            await eventually(lambda: has_device(api, device_id), within=15)
        number = await submit(api, device_id)
        async with relay(settings):

            async def arrived() -> bool:
                return await api.commands.get(device_id, number) is not None

            await eventually(arrived, within=15)


async def has_device(api: Api, device_id: str) -> bool:
    return await api.devices.get(device_id) is not None


async def test_the_sweeper_expires_what_nobody_fetched(settings: Settings) -> None:
    async with (
        http.api(settings) as api,
        relay(settings),
        projector(settings),
        bootstrap_sweeper.sweeper(settings) as sweeper,
    ):
        device_id = await claim(api)
        number = await submit(api, device_id, ttl=1)

        async def expired() -> bool:
            await sweeper.sweep_once()
            row = await api.commands.get(device_id, number)
            return row is not None and row.status == CommandStatus.EXPIRED

        await eventually(expired, within=15)
        assert await sweeper.sweep_once() == 0


async def test_a_row_that_lost_its_last_event_is_repaired_by_the_sweeper(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweepers, "REPAIR_AFTER", timedelta(0))
    async with http.api(settings) as api, bootstrap_sweeper.sweeper(settings) as sweeper:
        async with relay(settings), projector(settings):
            device_id = await claim(api)
            number = await submit(api, device_id, ttl=1)

            async def accepted() -> bool:
                return await api.commands.get(device_id, number) is not None

            await eventually(accepted, within=15)

        async def repaired() -> bool:
            await sweeper.sweep_once()
            row = await api.commands.get(device_id, number)
            return row is not None and row.status == CommandStatus.EXPIRED

        await eventually(repaired, within=15)


async def test_a_parked_row_is_passed_over_while_its_lane_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command still expires, and the sweeper does not look at its row for ever."""
    monkeypatch.setattr(sweepers, "REPAIR_AFTER", timedelta(0))
    fold = read_model.REMOTE_COMMANDS.fold

    def broken(row: RemoteCommandRow | None, event: Event) -> RemoteCommandRow:
        if isinstance(event, RemoteCommandExpired):
            raise TypeError("a defect")
        return fold(row, event)

    defective = replace(read_model.REMOTE_COMMANDS, fold=broken)
    monkeypatch.setattr(read_model, "REMOTE_COMMANDS", defective)
    monkeypatch.setitem(PROJECTIONS, "remote_commands", defective)
    async with (
        http.api(settings) as api,
        bootstrap_sweeper.sweeper(settings) as sweeper,
        operating(settings) as mended,
    ):
        device_id = await claim(api)
        number = await submit(api, device_id, ttl=1)
        async with relay(settings), projector(settings):

            async def parked() -> bool:
                await sweeper.sweep_once()
                return bool((await api.operations.parked.list())[0])

            await eventually(parked, within=20)
        with capture_logs() as lines:
            for _ in range(3):
                await sweeper.sweep_once()
        assert [one["event"] for one in lines].count("rows_repaired") <= 1
        row = await api.commands.get(device_id, number)
        assert row is not None
        assert row.status == CommandStatus.ACCEPTED
        [status] = [one for one in await api.statuses.all() if one.model == "remote_commands"]
        assert status.parked == 1
        entry = f"{device_id}.{number}"
        again = await mended.parked.retry("remote_commands", entry, who="cli:test")
        assert again.status is Status.PARKED
    monkeypatch.setattr(read_model, "REMOTE_COMMANDS", replace(defective, fold=fold))
    monkeypatch.setitem(PROJECTIONS, "remote_commands", replace(defective, fold=fold))
    async with operating(settings) as acts, http.api(settings) as api:
        await acts.parked.retry("remote_commands", entry, who="cli:test")
        row = await api.commands.get(device_id, number)
        assert row is not None
        assert row.status == CommandStatus.EXPIRED


async def test_what_is_no_event_goes_to_the_dead_letters_and_holds_up_nothing(
    settings: Settings,
) -> None:
    async with http.api(settings) as api, relay(settings), projector(settings):
        device_id = await claim(api)
        broker = make_broker(settings)
        async with broker:
            await broker.publish(
                {"id": "no event"},
                queue=SQSQueue.of(settings.devices_queue),
                group_id=f"device-{device_id}",
                deduplication_id="1",
            )
        await eventually(lambda: has_device(api, device_id), within=15)
        assert await dead_letters(settings) == ['{"id":"no event"}']


async def dead_letters(settings: Settings) -> list[str]:
    async with get_session().create_client(
        "sqs", region_name=settings.aws_region, endpoint_url=settings.aws_endpoint_url
    ) as client:
        bodies: list[str] = []
        async with asyncio.timeout(15):
            while not bodies:
                answer = await client.receive_message(QueueUrl=settings.devices_dead_letters)
                bodies = [one["Body"] for one in answer.get("Messages", [])]
                await asyncio.sleep(0.05)
        return bodies


async def test_a_released_device_leaves_the_accounts_list(settings: Settings) -> None:
    async with http.api(settings) as api, relay(settings), projector(settings):
        device_id = await claim(api)
        await eventually(lambda: has_device(api, device_id), within=15)
        message = ReleaseDevice(account_id=ACCOUNT, device_id=device_id)
        await api.dispatcher.execute(CONTEXT, lambda unit: ownership.release_device(unit, message))

        async def gone() -> bool:
            listed, _ = await api.devices.list(ACCOUNT, limit=10, cursor=None)
            return not listed

        await eventually(gone, within=15)
        row = await api.devices.get(device_id)
        assert row is not None
        assert row.account_id is None


async def test_lists_are_paged(settings: Settings) -> None:
    async with http.api(settings) as api, relay(settings), projector(settings):
        ids = sorted([await claim(api, number) for number in range(1, 6)])

        async def all_there() -> bool:
            listed, _ = await api.devices.list(ACCOUNT, limit=10, cursor=None)
            return len(listed) == len(ids)

        await eventually(all_there, within=15)
        first, cursor = await api.devices.list(ACCOUNT, limit=3, cursor=None)
        second, end = await api.devices.list(ACCOUNT, limit=3, cursor=cursor)
        assert [row.device_id for row in first + second] == ids
        assert end is None
