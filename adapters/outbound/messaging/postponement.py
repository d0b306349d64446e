"""Keeps received messages hidden for longer than their queue would; without the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from adapters.outbound.dynamodb.client import AwsConnection

log = structlog.get_logger("homecast.lambda")

TIME_LIMIT = 1.0


class SqsPostponement:
    """``urls``: of the queues by their names. Opens its client at the first use."""

    def __init__(
        self, connection: AwsConnection, urls: Mapping[str, str], stack: AsyncExitStack
    ) -> None:
        self._connection = connection
        self._urls = urls
        self._stack = stack
        self._client: Any = None
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, connection: AwsConnection, urls: Mapping[str, str]
    ) -> AsyncIterator[SqsPostponement]:
        async with AsyncExitStack() as stack:
            yield cls(connection, urls, stack)

    async def hide(self, queue: str, receipts: Sequence[str], seconds: int) -> None:
        """At most ten. Never raises: without it they come back when the queue says."""
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for number, receipt in enumerate(receipts)
        ]
        try:
            async with asyncio.timeout(TIME_LIMIT):
                client = await self._opened_client()
                await client.change_message_visibility_batch(
                    QueueUrl=self._urls[queue], Entries=entries
                )
        except (ClientError, BotoCoreError, TimeoutError) as error:
            log.warning("not_postponed", queue=queue, reason=type(error).__name__)

    async def _opened_client(self) -> Any:
        async with self._lock:
            if self._client is None:
                self._client = await self._stack.enter_async_context(self._connection.sqs())
        return self._client
