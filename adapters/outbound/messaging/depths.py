"""How many messages wait in a queue; without the broker, for those who read none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from adapters.outbound.dynamodb.client import AwsConnection
from domain.kernel.errors import StoreUnavailable

NAMES: list[Any] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
]


@dataclass
class Depths:
    """Opens its client at the first use."""

    connection: AwsConnection

    def __post_init__(self) -> None:
        self._client: Any = None
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()

    async def __call__(self, queue_url: str) -> int:
        """Visible, delayed and in flight; SQS says "approximate", and means some seconds."""
        client = await self._opened()
        try:
            answer = await client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=NAMES)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"SQS: {type(error).__name__}") from error
        return sum(int(answer["Attributes"].get(name, 0)) for name in NAMES)

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def _opened(self) -> Any:
        async with self._lock:
            if self._client is None:
                self._client = await self._stack.enter_async_context(self.connection.sqs())
        return self._client
