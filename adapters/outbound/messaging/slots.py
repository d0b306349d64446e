"""The slots of one read model in AWS: tables emptied, subscriptions opened and closed, canaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from adapters.faststream_aws import SQSBroker
from adapters.outbound.dynamodb.slot_tables import definition_of, recreate
from adapters.settings import SlotNames
from domain.kernel.errors import StoreUnavailable
from projections.kernel.slots import CANARY, Slot

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

IDLE = "idle"
CANARY_CATEGORY = "canary"
"""Open subscriptions take it beside the model's own category, closed ones take neither: a canary
reaches building slots only, and no other subscriber of the topic."""


class AwsSlots:
    def __init__(
        self,
        dynamodb: DynamoDBClient,
        broker: SQSBroker,
        *,
        model: str,
        category: str,
        topic: str,
        names: Mapping[Slot, SlotNames],
    ) -> None:
        self._dynamodb = dynamodb
        self._broker = broker
        self._model = model
        self._category = category
        self._topic = topic
        self._names = names

    async def definition(self, slot: Slot) -> str:
        return await definition_of(self._dynamodb, self._names[slot].table)

    async def empty(self, slot: Slot, definition: str) -> None:
        await recreate(self._dynamodb, definition)

    async def open(self, slot: Slot) -> None:
        await self._filter(slot, [self._category, CANARY_CATEGORY])

    async def close(self, slot: Slot) -> None:
        await self._filter(slot, [IDLE])

    async def _filter(self, slot: Slot, categories: list[str]) -> None:
        with aws_errors():
            client: Any = await (await self._broker.connect()).sns()
            await client.set_subscription_attributes(
                SubscriptionArn=self._names[slot].subscription,
                AttributeName="FilterPolicy",
                AttributeValue=orjson.dumps({"category": categories}).decode(),
            )

    async def send_canary(self, slot: Slot, canary: str, mark: str) -> None:
        """``mark``: fresh each time, for a topic drops what it has seen in five minutes."""
        with aws_errors():
            await self._broker.publish(
                {
                    "specversion": "1.0",
                    "id": canary,
                    "type": CANARY,
                    "source": "/homecast/operations",
                    "subject": f"canary-{self._model}",
                    "data": {"model": self._model, "slot": slot.value},
                },
                topic=self._topic,
                group_id=f"canary-{self._model}",
                deduplication_id=mark,
                headers={"category": CANARY_CATEGORY},
            )


@contextmanager
def aws_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StoreUnavailable(f"SNS or SQS: {error}") from error
