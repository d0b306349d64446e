"""One session, one client for each service in use, and the queue URLs already looked up."""

import asyncio
import platform
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from .clients import ClientFactory, SNSClient, SQSClient
from .destinations import SQSQueue

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig

USER_AGENT = f"faststream-aws/1.0 lang/python#{platform.python_version()}"
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})


def session_client_factory(
    *,
    config: "AioConfig | None" = None,
    max_pool_connections: int = 50,
    **client_kwargs: Any,
) -> ClientFactory:
    """Clients of one aiobotocore session, made when first asked for.

    A given ``user_agent`` is taken as it stands, whereas the default one is put together
    anew for every call, a fifth of the processor time of a call. A caller's own config
    overrides each default.
    """
    # Loading them takes longer than the rest of this library, and a function that starts
    # cold imports the handlers before it connects.
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    session: Any = get_session()  # its stubs list each service, not one given by name
    merged = AioConfig(
        max_pool_connections=max_pool_connections,
        user_agent=USER_AGENT,
        connect_timeout=10,
        retries={"mode": "standard", "max_attempts": 3},
    )
    if config is not None:
        merged = merged.merge(config)

    def create(service: str) -> Any:
        return session.create_client(service, config=merged, **client_kwargs)

    return create


class AwsConnection:
    """Opens a client at its first use, so a publisher to topics never loads SQS."""

    def __init__(self, factory: ClientFactory) -> None:
        self._factory = factory
        self._clients: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._urls: dict[str, str] = {}
        self._closed = False

    async def sqs(self) -> SQSClient:
        return cast("SQSClient", self._clients.get("sqs") or await self._open("sqs"))

    async def sns(self) -> SNSClient:
        return cast("SNSClient", self._clients.get("sns") or await self._open("sns"))

    async def _open(self, service: str) -> Any:
        async with self._lock:
            if self._closed:
                msg = "The broker was stopped"
                raise ConnectionError(msg)
            if service not in self._clients:
                client = await self._stack.enter_async_context(self._factory(service))
                self._clients[service] = client
            return self._clients[service]

    async def queue_url(self, queue: SQSQueue) -> str:
        """Looked up once; a queue that is missing raises botocore's ClientError."""
        if queue.url:
            return queue.url
        if queue.name not in self._urls:
            client = await self.sqs()
            answer = await client.get_queue_url(QueueName=queue.name)
            self._urls[queue.name] = answer["QueueUrl"]
        return self._urls[queue.name]

    def forget_url(self, queue: SQSQueue) -> None:
        """Look the URL up again next time: the queue may have been made anew."""
        self._urls.pop(queue.name, None)

    async def ping(self, timeout: float | None = None) -> bool:
        """Whether the service answers; a caller who may not list queues got an answer."""
        try:
            async with asyncio.timeout(timeout):
                await (await self.sqs()).list_queues(MaxResults=1)
        except ClientError as error:
            return error_code(error) in DENIED
        except (BotoCoreError, OSError):  # a timeout is an OSError
            return False
        return True

    async def close(self) -> None:
        """Close the clients; calls made later raise ConnectionError."""
        self._closed = True
        self._clients.clear()
        self._urls.clear()
        await self._stack.aclose()


def error_code(error: BaseException) -> str:
    """The service's code, or the name of the error when the service did not answer."""
    if isinstance(error, ClientError):
        code: str = error.response.get("Error", {}).get("Code", "")
        return code.rsplit(".", 1)[-1] or type(error).__name__
    return type(error).__name__
