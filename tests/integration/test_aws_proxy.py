"""The proxy in front of the embedded AWS: what it counts is what was done, and faults happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from tests.support.aws_proxy import AwsProxy
from tests.support.ministack import ministack_url as ministack_url
from tests.support.waiting import eventually

TABLE: dict[str, Any] = {
    "TableName": "proxied",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "due", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "open",
            "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
}
PUT = ("dynamodb", "PutItem")


def client(service: str, url: str) -> Any:
    return get_session().create_client(
        service,  # type: ignore[call-overload]
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=AioConfig(retries={"mode": "standard", "total_max_attempts": 1}),
    )


@pytest.fixture
async def proxy(ministack_url: str) -> AsyncIterator[AwsProxy]:
    async with AwsProxy(ministack_url) as proxy:
        yield proxy


@pytest.fixture
async def dynamodb(proxy: AwsProxy) -> AsyncIterator[Any]:
    async with client("dynamodb", proxy.url) as dynamodb:
        await dynamodb.create_table(**TABLE)
        proxy.reset()
        yield dynamodb
        await dynamodb.delete_table(TableName="proxied")


@pytest.fixture
async def queue(proxy: AwsProxy) -> AsyncIterator[tuple[Any, str]]:
    async with client("sqs", proxy.url) as sqs:
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        made = await sqs.create_queue(QueueName="proxied.fifo", Attributes=attributes)
        proxy.reset()
        yield sqs, made["QueueUrl"]
        await sqs.delete_queue(QueueUrl=made["QueueUrl"])


async def put(dynamodb: Any, item_id: str, size: int = 10, **more: Any) -> None:
    item = {"id": {"S": item_id}, "body": {"S": "x" * size}, **more}
    await dynamodb.put_item(TableName="proxied", Item=item)


async def test_every_call_is_counted_by_service_and_operation(
    proxy: AwsProxy, dynamodb: Any
) -> None:
    await asyncio.gather(*(put(dynamodb, str(number)) for number in range(20)))
    async with client("sns", proxy.url) as sns:
        topic = (await sns.create_topic(Name="proxied"))["TopicArn"]
        entries = [{"Id": str(n), "Message": "m"} for n in range(3)]
        await sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert proxy.calls[PUT] == 20
    assert proxy.calls["sns", "PublishBatch"] == 1
    assert proxy.entries["sns", "PublishBatch"] == 3
    assert proxy.request_bytes[PUT] > 20 * len('{"TableName": "proxied"')


async def test_capacity_follows_items_indexes_and_refusals(proxy: AwsProxy, dynamodb: Any) -> None:
    await put(dynamodb, "a", size=1500)
    assert proxy.capacity.write_units == {"proxied": 2}
    await put(dynamodb, "a", size=10, due={"N": "7"})  # the larger of before and after; an entry
    assert proxy.capacity.write_units == {"proxied": 4, "proxied/open": 1}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        await dynamodb.put_item(
            TableName="proxied",
            Item={"id": {"S": "a"}},
            ConditionExpression="attribute_not_exists(id)",
        )
    assert proxy.capacity.write_units["proxied"] == 5
    assert proxy.refused[PUT] == 1
    answer = await dynamodb.update_item(
        TableName="proxied", Key={"id": {"S": "a"}}, UpdateExpression="REMOVE due"
    )
    assert "Attributes" not in answer
    assert proxy.capacity.write_units == {"proxied": 6, "proxied/open": 2}
    await dynamodb.get_item(TableName="proxied", Key={"id": {"S": "a"}})
    assert proxy.capacity.read_units == {"proxied": 0.5}


async def test_every_message_is_delivered_twice_and_then_never_again(
    proxy: AwsProxy, queue: tuple[Any, str]
) -> None:
    sqs, url = queue
    proxy.faults.deliver_twice = True
    for number in range(5):
        await sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
    taken: list[str] = []

    async def drained() -> bool:
        got = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)
        messages = got.get("Messages", [])
        taken.extend(message["Body"] for message in messages)
        entries = [
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
            for n, message in enumerate(messages)
        ]
        if entries:
            answer = await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            assert len(answer["Successful"]) == len(entries)
        return not messages

    await eventually(drained, within=10)
    assert sorted(taken) == sorted([*"01234", *"01234"])
    assert proxy.done["redelivered"] == 5


async def test_a_single_delete_is_doubled_too(proxy: AwsProxy, queue: tuple[Any, str]) -> None:
    sqs, url = queue
    proxy.faults.deliver_twice = True
    await sqs.send_message(QueueUrl=url, MessageBody="m", MessageGroupId="g")
    for _ in range(2):
        (message,) = (await sqs.receive_message(QueueUrl=url))["Messages"]
        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in await sqs.receive_message(QueueUrl=url)


async def test_stream_records_come_shuffled_and_complete(proxy: AwsProxy, dynamodb: Any) -> None:
    for number in range(30):
        await put(dynamodb, f"{number:02}")
    proxy.faults.shuffle_streams = True
    table = await dynamodb.describe_table(TableName="proxied")
    arn = table["Table"]["LatestStreamArn"]
    async with client("dynamodbstreams", proxy.url) as streams:
        described = await streams.describe_stream(StreamArn=arn)
        shard = described["StreamDescription"]["Shards"][0]["ShardId"]
        found = await streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )
        page = await streams.get_records(ShardIterator=found["ShardIterator"])
    ids = [record["dynamodb"]["Keys"]["id"]["S"] for record in page["Records"]]
    assert ids != sorted(ids)
    assert sorted(ids) == [f"{number:02}" for number in range(30)]
    assert proxy.done["shuffled"] > 0


async def test_planted_errors_come_before_the_call_or_hide_that_it_was_done(
    proxy: AwsProxy, dynamodb: Any
) -> None:
    proxy.faults.error_share = 0.3
    puts = (put(dynamodb, str(number)) for number in range(50))
    answers = await asyncio.gather(*puts, return_exceptions=True)
    proxy.faults.error_share = 0
    failed = [one for one in answers if isinstance(one, ClientError)]
    assert len(failed) == proxy.done["errors"] + proxy.done["lost_answers"]
    found = await dynamodb.scan(TableName="proxied")
    assert found["Count"] == 50 - proxy.done["errors"]
    assert proxy.done["errors"] > 0
    assert proxy.done["lost_answers"] > 0


async def test_the_proxy_stops_while_clients_are_connected(ministack_url: str) -> None:
    proxy = AwsProxy(ministack_url)
    await proxy.start()
    async with client("sqs", proxy.url) as sqs:
        await sqs.list_queues()
        async with asyncio.timeout(2):
            await proxy.stop()
