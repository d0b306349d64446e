"""No name in clear at rest or under way, and large events through queue and projector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.bootstrap import http
from adapters.bootstrap.http import Api
from adapters.bootstrap.process import aws
from adapters.settings import Settings
from commands.devices import ownership, remote_commands
from commands.devices.ownership import ReleaseDevice, RenameDevice
from commands.devices.remote_commands import ReportResult, SendRemoteCommand
from domain.devices.device import DEVICE
from domain.devices.remote_command import CommandStatus
from domain.kernel.personal import FORGOTTEN
from tests.integration.test_pipeline import (
    ACCOUNT,
    CONTEXT,
    claim,
    projector,
    relay,
    settings,
    submit,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

__all__ = ["settings"]
NAME = "Grandmother"


async def rename(api: Api, device_id: str, name: str) -> None:
    message = RenameDevice(account_id=ACCOUNT, device_id=device_id, name=name)
    await api.dispatcher.execute(CONTEXT, lambda unit: ownership.rename_device(unit, message))


async def everything(api: Api, settings: Settings) -> str:
    """Every item of the tables that are no read model, and every object."""
    tables = (
        settings.devices_events_table,
        settings.devices_snapshots_table,
        settings.keys_table,
        settings.vault_table,
    )
    pages = [await api.dynamodb.scan(TableName=table) for table in tables]
    objects = [await api.objects.get(key, limit=2**20) for key in await api.objects.keys("")]
    return repr([page["Items"] for page in pages] + objects)


async def bodies(client: SQSClient, queue: str, count: int) -> str:
    found: list[Any] = []

    async def arrived() -> bool:
        answer = await client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            found.append(message["Body"])
            receipt = message["ReceiptHandle"]
            await client.delete_message(QueueUrl=queue, ReceiptHandle=receipt)
        return len(found) >= count

    await eventually(arrived, within=20)
    return "".join(found)


async def test_no_table_and_no_message_holds_a_name_in_clear(settings: Settings) -> None:
    async with http.api(settings) as api, relay(settings):
        device_id = await claim(api)
        for n in range(50):
            await rename(api, device_id, f"{NAME} {n}")
        assert await api.objects.keys("") == []
        found = await everything(api, settings)
        assert "sealed" in found
        assert "wrapped" in found
        assert NAME not in found
        async with aws(settings).sqs() as client:
            said = await bodies(client, settings.devices_queue, 51)
        assert said.count('"sealed"') == said.count('"specversion"') >= 51
        assert NAME not in said


async def test_of_the_forgotten_no_process_reads_a_name_and_the_rest_goes_on(
    settings: Settings,
) -> None:
    async with http.api(settings) as api:
        device_id = await claim(api)
        for n in range(51):
            await rename(api, device_id, f"{NAME} {n}")
        assert (await api.repository.load(DEVICE, device_id)).state.name == f"{NAME} 50"
        await api.keyring.destroy(ACCOUNT)
        assert await api.keyring.forgotten(ACCOUNT)
    async with http.api(settings) as api:
        assert (await api.repository.load(DEVICE, device_id)).state.name == FORGOTTEN
        await submit(api, device_id)
        message = ReleaseDevice(account_id=ACCOUNT, device_id=device_id)
        await api.dispatcher.execute(CONTEXT, lambda unit: ownership.release_device(unit, message))
        async with relay(settings), projector(settings):

            async def nameless() -> bool:
                row = await api.devices.get(device_id)
                return row is not None and row.account_id is None and row.name == ""

            await eventually(nameless, within=20)


async def test_a_large_result_reaches_its_row_by_reference(settings: Settings) -> None:
    result = {"picture": "x" * 90_000}
    async with http.api(settings) as api, relay(settings), projector(settings):
        device_id = await claim(api)
        number = await submit(api, device_id)
        sending = SendRemoteCommand(device_id=device_id, number=number, session="01S")
        answer = ReportResult(
            device_id=device_id, number=number, status=CommandStatus.SUCCEEDED, result=result
        )
        await api.dispatcher.execute(CONTEXT, lambda unit: remote_commands.send(unit, sending))
        _, [recorded] = await api.dispatcher.execute(
            CONTEXT, lambda unit: remote_commands.report_result(unit, answer)
        )
        assert recorded.ref is not None
        assert recorded.ref.startswith(f"s3://{settings.objects_bucket}/events/lane-{device_id}/")

        async def arrived() -> bool:
            row = await api.commands.get(device_id, number)
            return row is not None and row.result == result

        await eventually(arrived, within=20)
