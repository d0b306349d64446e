"""How many messages wait in a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.faststream_aws import SQSBroker
from adapters.outbound.messaging.slots import aws_errors


@dataclass(frozen=True)
class Depth:
    """SQS says "approximate", and means some seconds."""

    waiting: int
    in_flight: int

    @property
    def all(self) -> int:
        return self.waiting + self.in_flight


NAMES: list[Any] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


async def depth_of(broker: SQSBroker, queue_url: str) -> Depth:
    with aws_errors():
        client: Any = await (await broker.connect()).sqs()
        answer = await client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=NAMES)
    visible, in_flight, delayed = (int(answer["Attributes"].get(name, 0)) for name in NAMES)
    return Depth(visible + delayed, in_flight)
