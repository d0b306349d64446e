"""The queue of jobs in SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.outbound.dynamodb.client import store_errors

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


class SqsJobQueue:
    """Port ``JobQueue``. ``url``: of a FIFO queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, job_id: str, body: str) -> None:
        with store_errors():
            await self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=job_id,
                MessageDeduplicationId=job_id,
            )
