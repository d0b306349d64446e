"""The embedded engine, and queues and topics made anew for each test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import get_session

from adapters.faststream_aws import SQSBroker
from tests.support.ministack import ministack_url

__all__ = ("aws", "ministack_url")

CREDENTIALS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


@dataclass
class Aws:
    """What an operator would do: make queues, topics and subscriptions, look into queues."""

    endpoint_url: str
    sqs: Any
    sns: Any

    def broker(self, **options: Any) -> SQSBroker:
        return SQSBroker(
            endpoint_url=self.endpoint_url,
            **CREDENTIALS,
            **{"logger": None, "graceful_timeout": 5.0, **options},
        )

    async def queue(self, *, fifo: bool = False, **attributes: str) -> str:
        name = f"q-{uuid4().hex[:12]}" + (".fifo" if fifo else "")
        if fifo:
            attributes = {
                "FifoQueue": "true",
                "ContentBasedDeduplication": "true",
                **attributes,
            }
        await self.sqs.create_queue(QueueName=name, Attributes=attributes)
        return name

    async def topic(self, *queues: str, fifo: bool = False, raw: bool = True) -> str:
        name = f"t-{uuid4().hex[:12]}" + (".fifo" if fifo else "")
        fifo_attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
        made = await self.sns.create_topic(Name=name, Attributes=fifo_attributes if fifo else {})
        arn: str = made["TopicArn"]
        for queue in queues:
            await self.sns.subscribe(
                TopicArn=arn,
                Protocol="sqs",
                Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{queue}",
                Attributes={"RawMessageDelivery": "true" if raw else "false"},
            )
        return arn

    async def url(self, queue: str) -> str:
        found: str = (await self.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        return found

    async def counts(self, queue: str) -> tuple[int, int]:
        """Messages that can be received, and messages in flight."""
        answer = await self.sqs.get_queue_attributes(
            QueueUrl=await self.url(queue),
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        found = answer["Attributes"]
        return (
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
        )


@pytest.fixture
async def aws(ministack_url: str) -> AsyncIterator[Aws]:
    session: Any = get_session()
    kwargs = {"endpoint_url": ministack_url, **CREDENTIALS}
    async with (
        session.create_client("sqs", **kwargs) as sqs,
        session.create_client("sns", **kwargs) as sns,
    ):
        yield Aws(ministack_url, sqs, sns)
