"""Policies, time-outs and the outbox on the engines; the workers run in the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from botocore.exceptions import EndpointConnectionError

from adapters.bootstrap import policies as bootstrap_policies
from adapters.bootstrap.operators import operator
from adapters.bootstrap.process import aws, make_broker
from adapters.faststream_aws import SQSQueue
from adapters.inbound.workers.timeouts import TimeoutScan
from adapters.outbound.dynamodb import timeouts as stored_timeouts
from adapters.outbound.dynamodb.timeouts import DynamoDbTimeouts
from adapters.outbound.system.clock import SystemClock
from adapters.settings import Settings
from commands.devices import ownership
from commands.devices.ownership import ClaimDevice, ReportDeviceLost
from commands.kernel.policy import Timeout
from domain.devices.capabilities import DeviceKind
from domain.kernel.recorded import Context
from tests.integration.test_pipeline import ACCOUNT, relay
from tests.support.platform import Engines, settings_from
from tests.support.receiver import HttpReceiver
from tests.support.waiting import eventually

CONTEXT = Context("correlation", "causation", "test")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> Settings:
    return settings_from(stack_environment)


@asynccontextmanager
async def policies(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with bootstrap_policies.policies(settings) as (broker, scan):
        await broker.start()
        task = asyncio.create_task(scan.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task
            await broker.stop()


@asynccontextmanager
async def outbox(settings: Settings) -> AsyncIterator[None]:
    async with bootstrap_policies.outbox(settings) as broker:
        await broker.start()
        try:
            yield
        finally:
            await broker.stop()


async def lose_a_device(settings: Settings) -> str:
    claim = ClaimDevice(
        account_id=ACCOUNT,
        public_key=bytes(32),
        name="Marked lamp",
        kind=DeviceKind.ON_OFF_LIGHT,
    )
    async with operator(settings) as core:
        (device_id, _), _ = await core.dispatcher.execute(
            CONTEXT, lambda unit: ownership.claim_device(unit, claim)
        )
        lost = ReportDeviceLost(account_id=ACCOUNT, device_id=device_id)
        await core.dispatcher.execute(
            CONTEXT, lambda unit: ownership.report_device_lost(unit, lost)
        )
        return str(device_id)


async def test_a_lost_device_reaches_the_webhook_in_spite_of_an_outage(settings: Settings) -> None:
    async with HttpReceiver("503 Busy", "204 No Content") as receiver:
        hooked = {"webhook_url": receiver.url, "webhook_secret": SECRET}
        settings = settings.model_validate({**settings.model_dump(), **hooked})
        async with relay(settings), policies(settings), outbox(settings):
            device_id = await lose_a_device(settings)
            await eventually(lambda: has(receiver, 2), within=20, what="both attempts")
    first, second = receiver.got
    event = orjson.loads(second.body)
    assert event["subject"] == f"device-{device_id}"
    assert event["type"] == "devices.device_reported_lost"
    assert event["correlationid"] == "correlation"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert b"Marked" not in second.body


async def has(receiver: HttpReceiver, attempts: int) -> bool:
    return len(receiver.got) >= attempts


async def test_without_a_webhook_nothing_goes_into_the_outbox(
    settings: Settings, shared_engines: Engines
) -> None:
    async with relay(settings), policies(settings):
        device_id = await lose_a_device(settings)
        await eventually(lambda: applied(settings, device_id), within=20, what="the policy's state")
    assert await waiting(shared_engines, settings.outbox_queue) == 0


async def applied(settings: Settings, device_id: str) -> bool:
    """The alarm's state has seen both events."""
    async with aws(settings).dynamodb() as client:
        answer = await client.get_item(
            TableName=settings.policy_states_table,
            Key={"stream": {"S": f"device-{device_id}"}, "policy": {"S": "alarms"}},
            ConsistentRead=True,
        )
    return answer.get("Item", {}).get("applied", {}).get("N") == "2"


async def waiting(engines: Engines, queue: str) -> int:
    async with engines.engines.place.client("sqs") as client:
        answer = await client.get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


NOW = datetime.now(UTC)


def timeout(name: str, *, seconds: float, stream: str = "device-a") -> Timeout:
    return Timeout("alarms", stream, name, NOW + timedelta(seconds=seconds), "c")


async def test_due_timeouts_are_handed_over_once_by_rivals_and_are_gone_then(
    settings: Settings, shared_engines: Engines
) -> None:
    due = [timeout(f"t{n}", seconds=-n, stream=f"device-{n % 7}") for n in range(1, 31)]
    later, gone = timeout("later", seconds=3600), timeout("gone", seconds=-1)
    async with (
        aws(settings).dynamodb() as client,
        make_broker(settings) as broker,
    ):
        table = DynamoDbTimeouts(client, settings.timeouts_table)
        for one in (*due, *due, later, gone):
            await table.schedule(one)
        await table.cancel(gone)
        scan = TimeoutScan(
            due=table,
            broker=broker,
            queues={"alarms": settings.alarms_queue},
            clock=SystemClock(),
            interval=1,
        )
        assert max(await asyncio.gather(*(scan.scan_once() for _ in range(3)))) == len(due)
        assert await scan.scan_once() == 0
        kept = await table.due(now=NOW + timedelta(days=1), policies={"alarms"})
    assert kept == [later]
    names = sorted(one["name"] for one in await received(shared_engines, settings.alarms_queue))
    assert names == sorted(one.name for one in due)


async def received(engines: Engines, queue: str) -> list[Any]:
    """Everything that is in the queue, deleted as it comes."""
    found = []
    async with engines.engines.place.client("sqs") as client:
        while messages := (
            await client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        ).get("Messages"):
            for message in messages:
                found.append(orjson.loads(message["Body"]))
                await client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return found


async def test_a_policy_of_another_version_keeps_its_timeouts(settings: Settings) -> None:
    unknown = Timeout("unknown", "device-a", "t", NOW, "c")
    async with (
        aws(settings).dynamodb() as client,
        make_broker(settings) as broker,
    ):
        table = DynamoDbTimeouts(client, settings.timeouts_table)
        await table.schedule(unknown)
        scan = TimeoutScan(due=table, broker=broker, queues={}, clock=SystemClock(), interval=1)
        assert await scan.scan_once() == 0
        assert await table.due(now=datetime.now(UTC), policies={"unknown"}) == [unknown]


async def test_neither_timeouts_of_others_nor_a_lost_queue_hold_up_those_of_a_policy(
    settings: Settings, shared_engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_timeouts, "PER_SHARD", 3)
    async with (
        aws(settings).dynamodb() as client,
        make_broker(settings) as broker,
    ):
        table = DynamoDbTimeouts(client, settings.timeouts_table)
        for n in range(10):
            await table.schedule(Timeout("unknown", "device-a", f"u{n}", NOW, "c"))
        lost = Timeout("lost", "device-a", "l", NOW + timedelta(microseconds=1), "c")
        mine = Timeout("alarms", "device-a", "t", NOW + timedelta(microseconds=2), "c")
        await table.schedule(lost)
        await table.schedule(mine)
        queues = {"lost": "https://nowhere/lost.fifo", "alarms": settings.alarms_queue}
        publish = broker.publish_batch

        async def publish_if_reached(*messages: Any, queue: SQSQueue) -> Any:
            if queue == SQSQueue.of(queues["lost"]):
                raise EndpointConnectionError(endpoint_url=queues["lost"])
            return await publish(*messages, queue=queue)

        monkeypatch.setattr(broker, "publish_batch", publish_if_reached)
        scan = TimeoutScan(due=table, broker=broker, queues=queues, clock=SystemClock(), interval=1)
        with pytest.raises(EndpointConnectionError):
            await scan.scan_once()
        assert await table.due(now=datetime.now(UTC), policies=queues) == [lost]
    [handed] = await received(shared_engines, settings.alarms_queue)
    assert handed["name"] == "t"
