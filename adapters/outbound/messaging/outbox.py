"""The outbox as a standard SQS queue: an effect is there until it was delivered or given up."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from adapters.faststream_aws import SQSBroker, SQSQueue
from commands.kernel.policy import Effect
from domain.kernel.errors import StoreUnavailable


class QueueOutbox:
    """Port ``Outbox``."""

    def __init__(self, broker: SQSBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue

    async def put(self, effect: Effect) -> None:
        message = {
            "id": effect.id,
            "kind": effect.kind,
            "body": dict(effect.body),
            "correlation_id": effect.correlation_id,
            "causation_id": effect.causation_id,
        }
        try:
            await self._broker.publish(message, queue=SQSQueue.of(self._queue))
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"outbox: {type(error).__name__}") from error
