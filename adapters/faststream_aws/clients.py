"""The calls this library makes, as protocols, so that a fake client is easily made."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Answer = Mapping[str, Any]


class SQSClient(Protocol):
    """The part of the aiobotocore SQS client in use."""

    async def get_queue_url(self, *, QueueName: str) -> Answer: ...  # noqa: N803
    async def list_queues(self, *, MaxResults: int) -> Answer: ...  # noqa: N803
    async def receive_message(self, **kwargs: Any) -> Answer: ...
    async def send_message(self, **kwargs: Any) -> Answer: ...
    async def send_message_batch(self, **kwargs: Any) -> Answer: ...
    async def delete_message_batch(self, **kwargs: Any) -> Answer: ...
    async def change_message_visibility_batch(self, **kwargs: Any) -> Answer: ...


class SNSClient(Protocol):
    """The part of the aiobotocore SNS client in use."""

    async def publish(self, **kwargs: Any) -> Answer: ...
    async def publish_batch(self, **kwargs: Any) -> Answer: ...


ClientFactory = Callable[[str], AbstractAsyncContextManager[Any]]
"""Makes the client of a service ("sqs" or "sns"); closed with the broker."""
