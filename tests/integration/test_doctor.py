"""The doctor on a healthy stack, and on stacks with one thing wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.inbound.cli.doctor import examine
from adapters.inbound.workers.ports import Lease, Loss
from adapters.outbound.aws_stack.finding import Finding, Verdict
from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.aws_stack.relaying import lag
from adapters.outbound.aws_stack.template import load_template
from adapters.outbound.dynamodb.leases import to_item
from adapters.settings import Settings
from tests.support.platform import Engines, settings_from


@pytest.fixture
def place(shared_engines: Engines) -> Place:
    return shared_engines.engines.place


async def test_a_healthy_stack_gets_no_complaint_but_that_the_processes_do_not_run(
    stack_environment: dict[str, str],
) -> None:
    found = await examined(stack_environment)
    complaints = {one.subject for one in found.values() if one.verdict is not Verdict.OK}
    assert complaints == {"api", "gateway"}
    assert len([one for one in found if one.startswith("table ")]) == 25


async def test_missing_settings_are_named() -> None:
    found = await examined({"HOMECAST_VAULT_TABLE": "homecast-vault"})
    assert found["settings"].verdict is Verdict.FAIL
    assert "HOMECAST_DEVICES_TOPIC" in found["settings"].detail
    assert "HOMECAST_VAULT_TABLE" not in found["settings"].detail


async def test_an_engine_that_does_not_answer_is_said_once(
    stack_environment: dict[str, str],
) -> None:
    nowhere = {"HOMECAST_AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    found = await examined(stack_environment | nowhere)
    assert found["aws"].verdict is Verdict.FAIL
    assert not [subject for subject in found if subject.startswith(("table", "queue", "topic"))]


async def test_redis_away_is_a_warning(stack_environment: dict[str, str]) -> None:
    found = await examined(stack_environment | {"HOMECAST_REDIS_URL": "redis://127.0.0.1:9/0"})
    assert found["redis"].verdict is Verdict.WARN


async def test_dead_letters_are_counted(place: Place, stack_environment: dict[str, str]) -> None:
    queue = stack_environment["HOMECAST_DEVICES_QUEUE"]
    async with place.client("sqs") as client:
        await client.send_message(
            QueueUrl=queue.replace("-devices.fifo", "-devices-dead-letters.fifo"),
            MessageBody="{}",
            MessageGroupId="device-1",
            MessageDeduplicationId="1",
        )
    found = (await examined(stack_environment))[f"queue {queue.rsplit('/', 1)[-1]}"]
    assert (found.verdict, found.detail) == (Verdict.WARN, "1 dead letters, 0 waiting")


async def test_parked_rows_are_counted_with_the_command_to_type(
    place: Place, stack_environment: dict[str, str]
) -> None:
    async with place.client("dynamodb") as client:
        for row in ("a.1", "a.2"):
            item = {"model": "remote_commands", "row": row, "open_model": "remote_commands"}
            await client.put_item(
                TableName=stack_environment["HOMECAST_PARKED_TABLE"],
                Item={name: {"S": value} for name, value in item.items()},
            )
    found = await examined(stack_environment)
    rows = found["rows of remote_commands"]
    assert (rows.verdict, rows.detail) == (Verdict.WARN, "2 parked")
    assert "homecast parked retry --all" in rows.advice
    assert found["rows of devices"].verdict is Verdict.OK


async def test_a_missing_table_and_a_wrong_one_fail(
    place: Place, stack_environment: dict[str, str]
) -> None:
    vault, twins = (stack_environment[f"HOMECAST_{name}_TABLE"] for name in ("VAULT", "TWINS"))
    async with place.client("dynamodb") as client:
        await client.delete_table(TableName=twins)
        await client.update_time_to_live(
            TableName=vault,
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": False},
        )
    found = await examined(stack_environment)
    assert found[f"table {twins}"].verdict is Verdict.FAIL
    assert found[f"table {vault}"].detail == "differs in time to live"


async def test_a_live_slot_that_gets_no_events_fails_and_an_unfinished_rebuild_is_a_warning(
    place: Place, stack_environment: dict[str, str]
) -> None:
    async with place.client("sns") as client:
        await client.set_subscription_attributes(
            SubscriptionArn=stack_environment["HOMECAST_DEVICES_SUBSCRIPTION"],
            AttributeName="FilterPolicy",
            AttributeValue='{"category": ["idle"]}',
        )
    item = {"model": {"S": "remote_commands"}, "phase": {"S": "scanning"}}
    async with place.client("dynamodb") as client:
        await client.put_item(TableName=stack_environment["HOMECAST_READ_MODELS_TABLE"], Item=item)
    found = await examined(stack_environment)
    assert found["read model devices"].verdict is Verdict.FAIL
    assert found["read model remote_commands"].verdict is Verdict.WARN
    assert "a rebuild is scanning" in found["read model remote_commands"].detail


async def test_a_topic_that_lost_its_order_fails(
    place: Place, stack_environment: dict[str, str]
) -> None:
    topic = stack_environment["HOMECAST_DEVICES_TOPIC"]
    async with place.client("sns") as client:
        await client.set_topic_attributes(
            TopicArn=topic, AttributeName="FifoTopic", AttributeValue="false"
        )
    found = await examined(stack_environment)
    assert found[f"topic {topic.rsplit(':', 1)[-1]}"].verdict is Verdict.FAIL


async def test_an_event_that_the_relay_has_not_read_is_its_lag(
    place: Place, stack_environment: dict[str, str]
) -> None:
    events = stack_environment["HOMECAST_DEVICES_EVENTS_TABLE"]
    async with place.client("dynamodb") as client, place.client("dynamodbstreams") as streams:
        for version in ("1", "2"):
            item = {"stream": {"S": "device-1"}, "version": {"N": version}}
            await client.put_item(TableName=events, Item=item)
        shard, sequence = await first_record(client, streams, events)
    lease = Lease("devices", shard, datetime.now(UTC), sequence=sequence)
    await keep(place, stack_environment, lease)
    found = await examined(stack_environment)
    assert "checkpoint lags by" in found["relay of devices"].detail
    assert found["relay of accounts"].detail == "0 shards read to their ends"


async def test_a_loss_is_a_warning_until_it_is_made_good(
    place: Place, stack_environment: dict[str, str]
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    loss = Loss("shard-1", "trimmed", at + timedelta(hours=2), events=7)
    lease = Lease("devices", "lost/shard-1/x", at, loss=loss)
    await keep(place, stack_environment, lease)
    found = (await examined(stack_environment))["losses of devices"]
    assert found.verdict is Verdict.WARN
    assert "2026-01-01T00:00:00+00:00 to 2026-01-01T02:00:00+00:00 of shard-1" in found.detail
    await keep(place, stack_environment, replace(lease, finished=True))
    found = (await examined(stack_environment))["losses of devices"]
    assert (found.verdict, "all made good" in found.detail) == (Verdict.OK, True)


async def keep(place: Place, environment: dict[str, str], lease: Lease) -> None:
    async with place.client("dynamodb") as client:
        table = environment["HOMECAST_RELAY_TABLE"]
        await client.put_item(TableName=table, Item=to_item(lease))


def test_nothing_unread_is_no_lag() -> None:
    assert lag(2, None) == (Verdict.OK, "2 shards read to their ends", "")


async def first_record(client: Any, streams: Any, table: str) -> tuple[str, str]:
    arn = (await client.describe_table(TableName=table))["Table"]["LatestStreamArn"]
    stream = (await streams.describe_stream(StreamArn=arn))["StreamDescription"]
    shard = stream["Shards"][0]["ShardId"]
    start = await streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )
    page = await streams.get_records(ShardIterator=start["ShardIterator"], Limit=1)
    return shard, page["Records"][0]["dynamodb"]["SequenceNumber"]


async def examined(environment: dict[str, str]) -> dict[str, Finding]:
    """By subject. The processes' addresses lead nowhere."""
    away = {
        "HOMECAST_API_URL": "http://127.0.0.1:9",
        "HOMECAST_GATEWAY_URL": "ws://127.0.0.1:9/v1/device",
    }
    settings: Settings = settings_from(away | environment)
    return {finding.subject: finding for finding in await examine(settings, load_template())}
