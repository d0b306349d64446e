"""The queue of films to be fetched, a group for each creative; and that of what jobs report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.faststream_aws import SQSBroker, SQSQueue
from domain.kernel.errors import StoreUnavailable


class QueueFetches:
    """Port ``Fetches``."""

    def __init__(self, broker: SQSBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue

    async def ask(self, creative_id: str, version: int) -> None:
        try:
            await self._broker.publish(
                {"creative_id": creative_id, "version": version},
                queue=SQSQueue.of(self._queue),
                group_id=creative_id,
                deduplication_id=f"{creative_id}:{version}",
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"fetches: {type(error).__name__}") from error


async def tell(broker: SQSBroker, queue: str, event: Mapping[str, Any]) -> None:
    """An event of a job, to the queue where those of MediaConvert come too."""
    try:
        await broker.publish(dict(event), queue=SQSQueue.of(queue))
    except (ClientError, BotoCoreError) as error:
        raise StoreUnavailable(f"job events: {type(error).__name__}") from error
