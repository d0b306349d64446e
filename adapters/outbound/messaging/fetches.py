"""The queue of films to be fetched: first in, first out, a group for each creative."""

from __future__ import annotations

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
