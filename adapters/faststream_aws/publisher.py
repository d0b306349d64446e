"""Publishers: to a queue or a topic, and of replies."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faststream._internal.configs import PublisherUsecaseConfig
from faststream._internal.endpoint.publisher import PublisherUsecase
from faststream._internal.endpoint.publisher.fake import FakePublisher
from faststream.exceptions import FeatureNotSupportedException
from faststream.message import StreamMessage
from faststream.response.publish_type import PublishType

from .config import SQSBrokerConfig
from .destinations import Destination, SQSQueue
from .outgoing import BatchResult, Published
from .producer import SQSProducer
from .response import SQSPublishCommand

if TYPE_CHECKING:
    from faststream._internal.endpoint.publisher import PublisherSpecification
    from faststream._internal.types import PublisherMiddleware
    from faststream.response.response import PublishCommand


@dataclass(kw_only=True)
class SQSPublisherConfig(PublisherUsecaseConfig):
    _outer_config: SQSBrokerConfig = field(default_factory=SQSBrokerConfig)

    destination: Destination
    group_id: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    batch: bool = False


class SQSPublisher(PublisherUsecase):
    """With ``batch`` a decorated handler returns a list, sent in as few calls as possible."""

    _outer_config: SQSBrokerConfig

    def __init__(
        self,
        config: SQSPublisherConfig,
        specification: "PublisherSpecification[Any, Any]",
    ) -> None:
        super().__init__(config, specification)
        self._destination = config.destination
        self.group_id = config.group_id
        self.headers = dict(config.headers)
        self.batch = config.batch

    @property
    def destination(self) -> Destination:
        """With the prefixes of the routers around it."""
        return self._destination.with_prefix(self._outer_config.prefix)

    async def publish(
        self,
        message: Any = None,
        *,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
    ) -> Published:
        """Send one message; see ``SQSBroker.publish``."""
        cmd = SQSPublishCommand(
            message,
            destination=self.destination.address,
            group_id=group_id or self.group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            headers={**self.headers, **(headers or {})},
            correlation_id=correlation_id or self._outer_config.id_generator(),
            reply_to=reply_to,
            _publish_type=PublishType.PUBLISH,
        )
        sent: Published = await self._basic_publish(
            cmd, producer=self._outer_config.producer, _extra_middlewares=()
        )
        return sent

    async def publish_batch(
        self,
        *messages: Any,
        group_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
    ) -> BatchResult:
        """Send many messages; see ``SQSBroker.publish_batch``."""
        if not messages:
            return BatchResult(())
        cmd = SQSPublishCommand(
            *messages,
            destination=self.destination.address,
            group_id=group_id or self.group_id,
            headers={**self.headers, **(headers or {})},
            correlation_id=correlation_id or self._outer_config.id_generator(),
            _publish_type=PublishType.PUBLISH,
        )
        result: BatchResult = await self._basic_publish_batch(
            cmd, producer=self._outer_config.producer, _extra_middlewares=()
        )
        return result

    async def request(self, message: Any, /, **_options: Any) -> Any:
        msg = "SQS has no request and reply; give `reply_to` a queue of your own"
        raise FeatureNotSupportedException(msg)

    async def _publish(
        self,
        cmd: "PublishCommand",
        *,
        _extra_middlewares: Iterable["PublisherMiddleware"],
    ) -> None:
        """A handler's answer: any message that is not accepted fails the handler's own."""
        if self.batch and not cmd.body:
            return
        cmd = SQSPublishCommand.from_cmd(cmd, batch=self.batch)
        cmd.destination = self.destination.address
        cmd.group_id = cmd.group_id or self.group_id
        cmd.add_headers(self.headers, override=False)
        producer = self._outer_config.producer
        if not self.batch:
            await self._basic_publish(cmd, producer=producer, _extra_middlewares=_extra_middlewares)
            return
        result: BatchResult = await self._basic_publish_batch(
            cmd, producer=producer, _extra_middlewares=_extra_middlewares
        )
        result.raise_for_failures()


class ReplyPublisher(FakePublisher):
    """Sends a handler's answer to the queue named by the ``reply_to`` header.

    To a FIFO queue it goes in a group named by the correlation id, unless the answer is an
    ``SQSResponse`` with a group of its own.
    """

    def __init__(self, producer: SQSProducer, message: StreamMessage[Any]) -> None:
        super().__init__(producer=producer)
        self._message = message

    def patch_command(self, cmd: "PublishCommand") -> SQSPublishCommand:
        answer = SQSPublishCommand.from_cmd(super().patch_command(cmd))
        queue = SQSQueue.of(self._message.reply_to)
        answer.destination = queue.address
        if queue.fifo and not answer.group_id:
            answer.group_id = self._message.correlation_id
        return answer
