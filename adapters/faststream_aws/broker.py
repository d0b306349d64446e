"""The broker."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fast_depends import Provider, dependency_provider
from faststream._internal.broker import BrokerUsecase
from faststream._internal.constants import EMPTY
from faststream._internal.context.repository import ContextRepo
from faststream._internal.di import FastDependsConfig
from faststream.exceptions import FeatureNotSupportedException
from faststream.message import gen_cor_id
from faststream.response.publish_type import PublishType
from faststream.specification.schema import BrokerSpec

from .clients import ClientFactory
from .config import SQSBrokerConfig
from .connection import AwsConnection, session_client_factory
from .destinations import SNSTopic, SQSQueue, choose_destination
from .encoding import TRACE_HEADER, Encoder
from .log import make_sqs_logger_state
from .outgoing import BatchResult, Published
from .producer import SQSProducer
from .registrator import SQSRegistrator
from .response import SQSPublishCommand
from .settings import Limits

if TYPE_CHECKING:
    from types import TracebackType

    from aiobotocore.config import AioConfig
    from fast_depends.library.serializer import SerializerProto
    from faststream._internal.basic_types import LoggerProto
    from faststream._internal.configs import UnderlyingDriverAnnotations
    from faststream._internal.parser import CodecProto
    from faststream._internal.types import BrokerMiddleware, CustomCallable, IdGenerator
    from faststream.middlewares import AckPolicy
    from faststream.security import BaseSecurity
    from faststream.specification.schema.extra import Tag, TagDict


class SQSBroker(SQSRegistrator, BrokerUsecase[Any, AwsConnection, SQSBrokerConfig]):
    """Reads SQS queues; publishes to SQS queues and SNS topics. Makes neither.

    Credentials and region not given come from where botocore finds them. Every poll under
    way keeps one of ``max_pool_connections``. ``client_factory`` replaces the session and
    everything that configures it.
    """

    def __init__(
        self,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        max_pool_connections: int = 50,
        config: "AioConfig | None" = None,
        client_kwargs: Mapping[str, Any] | None = None,
        client_factory: ClientFactory | None = None,
        limits: Limits | None = None,
        trace_attribute: str = TRACE_HEADER,
        graceful_timeout: float | None = 15.0,
        decoder: "CustomCallable | None" = None,
        parser: "CustomCallable | None" = None,
        codec: "CodecProto | None" = None,
        dependencies: Sequence[Any] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        routers: Iterable[SQSRegistrator] = (),
        ack_policy: "AckPolicy" = EMPTY,
        id_generator: "IdGenerator" = gen_cor_id,
        specification_url: str | None = None,
        protocol: str | None = None,
        protocol_version: str | None = None,
        description: str | None = None,
        tags: Iterable["Tag | TagDict"] = (),
        security: "BaseSecurity | None" = None,
        logger: "LoggerProto | None" = EMPTY,
        log_level: int = logging.INFO,
        apply_types: bool = True,
        serializer: "SerializerProto | None" = EMPTY,
        provider: Provider | None = None,
        context: ContextRepo | None = None,
        underlying_driver_annotations: "UnderlyingDriverAnnotations | None" = None,
    ) -> None:
        self._client_factory = client_factory
        producer = SQSProducer(
            encoder=Encoder(limits or Limits(), trace_attribute),
            parser=parser,
            decoder=decoder,
        )
        super().__init__(
            region_name=region_name,
            endpoint_url=endpoint_url,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            max_pool_connections=max_pool_connections,
            config_=config,
            client_kwargs=dict(client_kwargs or {}),
            routers=routers,
            config=SQSBrokerConfig(
                producer=producer,
                trace_attribute=trace_attribute,
                broker_middlewares=middlewares,
                broker_parser=parser,
                broker_decoder=decoder,
                broker_codec=codec,
                logger=make_sqs_logger_state(logger=logger, log_level=log_level),
                fd_config=FastDependsConfig(
                    use_fastdepends=apply_types,
                    serializer=serializer,
                    provider=provider or dependency_provider,
                    context=context or ContextRepo(),
                ),
                broker_dependencies=dependencies,
                graceful_timeout=graceful_timeout,
                ack_policy=ack_policy,
                id_generator=id_generator,
                extra_context={"broker": self},
                underlying_driver_annotations=underlying_driver_annotations or {},
            ),
            specification=BrokerSpec(
                url=[specification_url or _service_url(endpoint_url, region_name)],
                protocol=protocol or "sqs",
                protocol_version=protocol_version,
                description=description,
                tags=tags,
                security=security,
            ),
        )

    async def _connect(self) -> AwsConnection:
        kwargs = dict(self._connection_kwargs)
        extra, config = kwargs.pop("client_kwargs"), kwargs.pop("config_")
        factory = self._client_factory or session_client_factory(config=config, **kwargs, **extra)
        connection = AwsConnection(factory)
        self.config.broker_config.connect(connection)
        return connection

    async def start(self) -> None:
        """Connect and start every subscriber."""
        await self.connect()
        await super().start()

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: "TracebackType | None" = None,
    ) -> None:
        """Stop every subscriber, then close the clients."""
        await super().stop(exc_type, exc_val, exc_tb)
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        self.config.broker_config.disconnect()

    async def ping(self, timeout: float | None = None) -> bool:
        """Whether SQS answers within ``timeout`` seconds."""
        return self._connection is not None and await self._connection.ping(timeout or 5.0)

    async def publish(
        self,
        message: Any = None,
        queue: str | SQSQueue | None = None,
        *,
        topic: str | SNSTopic | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        headers: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
    ) -> Published:
        """Send one message to a queue or to a topic.

        ``headers`` and ``attributes`` both become message attributes, ten at most together
        with content type, correlation id and reply-to. Raises ``MessageRefused`` before
        sending, and whatever botocore raises. ``message`` may be an ``OutgoingMessage``.
        """
        cmd = SQSPublishCommand(
            message,
            destination=choose_destination(queue, topic).address,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            headers={**(headers or {}), **(attributes or {})},
            correlation_id=correlation_id or self.config.id_generator(),
            reply_to=reply_to,
            _publish_type=PublishType.PUBLISH,
        )
        sent: Published = await self._basic_publish(cmd, producer=self.config.producer)
        return sent

    async def publish_batch(
        self,
        *messages: Any,
        queue: str | SQSQueue | None = None,
        topic: str | SNSTopic | None = None,
        group_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
    ) -> BatchResult:
        """Send bodies or ``OutgoingMessage``s, ten a call, in the order given.

        Raises ``MessageRefused`` before anything is sent. Once sending, every failure is in
        the result; on FIFO no message overtakes a failed one of its group.
        """
        destination = choose_destination(queue, topic)
        if not messages:
            return BatchResult(())
        cmd = SQSPublishCommand(
            *messages,
            destination=destination.address,
            group_id=group_id,
            headers=headers,
            correlation_id=correlation_id or self.config.id_generator(),
            _publish_type=PublishType.PUBLISH,
        )
        result: BatchResult = await self._basic_publish_batch(cmd, producer=self.config.producer)
        return result

    async def request(self, *_args: Any, **_options: Any) -> Any:
        msg = "SQS has no request and reply; give `reply_to` a queue of your own"
        raise FeatureNotSupportedException(msg)


def _service_url(endpoint_url: str | None, region_name: str | None) -> str:
    return endpoint_url or f"https://sqs.{region_name or 'region'}.amazonaws.com"
