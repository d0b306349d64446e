"""A subscriber: FastStream's endpoint around the consumer of one queue."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faststream._internal.configs import SubscriberUsecaseConfig
from faststream._internal.constants import EMPTY
from faststream._internal.endpoint.subscriber import SubscriberUsecase
from faststream._internal.endpoint.utils import process_msg
from faststream.exceptions import IncorrectState
from faststream.middlewares import AckPolicy

from .channel import QueueChannel
from .config import SQSBrokerConfig
from .consumer import Consumer
from .destinations import SQSQueue
from .message import SQSMessage
from .parser import SQSBatchParser, SQSParser
from .publisher import ReplyPublisher
from .received import ReceivedMessage
from .settings import MAX_WAIT_TIME, ConsumerSettings

if TYPE_CHECKING:
    from faststream._internal.endpoint.publisher import PublisherProto
    from faststream._internal.endpoint.subscriber import SubscriberSpecification
    from faststream._internal.endpoint.subscriber.call_item import CallsCollection
    from faststream.message import StreamMessage

_SHORT_POLL_PAUSE = 0.05  # seconds, when waiting less than a long poll can


@dataclass(kw_only=True)
class SQSSubscriberConfig(SubscriberUsecaseConfig):
    """Without a policy of its own or of its router, a failed message is shown again later."""

    _outer_config: SQSBrokerConfig = field(default_factory=SQSBrokerConfig)

    queue: SQSQueue
    settings: ConsumerSettings
    unwrap_sns: bool = True

    @property
    def ack_policy(self) -> AckPolicy:
        if self._ack_policy is not EMPTY:
            return self._ack_policy
        outer = self._outer_config.ack_policy
        return AckPolicy.NACK_ON_ERROR if outer is EMPTY else outer


class SQSSubscriber(SubscriberUsecase[Any]):
    """Handles messages one by one, or in batches; see ``ConsumerSettings``."""

    _outer_config: SQSBrokerConfig

    def __init__(
        self,
        config: SQSSubscriberConfig,
        specification: "SubscriberSpecification[Any, Any]",
        calls: "CallsCollection[Any]",
    ) -> None:
        self._queue = config.queue
        self.settings = config.settings
        self._unwrap_sns = config.unwrap_sns
        config.parser, config.decoder = self._parse_and_decode(config._outer_config)
        super().__init__(config, specification, calls)
        self._channel: QueueChannel | None = None
        self._consumer: Consumer | None = None
        self._stopped: asyncio.Future[None] | None = None

    @property
    def queue(self) -> SQSQueue:
        """With the prefixes of the routers around it."""
        return self._queue.with_prefix(self._outer_config.prefix)

    def refresh_parser(self) -> None:
        """Parsers follow the broker's settings, which a router does not know at first."""
        self._parser, self._decoder = self._parse_and_decode(self._outer_config)

    async def start(self) -> None:
        """Start receiving, if there is a handler. A missing queue is waited for."""
        self.refresh_parser()
        await super().start()
        self._channel = QueueChannel(
            self._outer_config.connection, self.queue, self.settings, self._note
        )
        self._channel.open()
        self._post_start()
        if self.calls:
            self._consumer = Consumer(self._channel, self.settings, self._handle, self._note)
            self._consumer.start()

    async def stop(self) -> None:
        """Finish what runs within the graceful timeout, give the rest back, send deletes."""
        self.running = False
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
            try:
                await self._stop()
            finally:
                self._stopped.set_result(None)
                self._stopped = None
        elif not (self._consumer and self._consumer.is_worker(asyncio.current_task())):
            # Another call is at it; but it waits for handlers, so they must not wait for it.
            await asyncio.wait({self._stopped})

    async def _stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop(self._outer_config.graceful_timeout)
        if self._channel is not None:
            await self._channel.close()
        self._consumer = self._channel = None
        await super().stop()

    async def get_one(self, *, timeout: float = 5.0) -> SQSMessage | None:
        """The next message, to be acknowledged by the caller within its visibility timeout."""
        assert not self.calls, "get_one is for subscribers without handlers"
        received = await self._receive_one(timeout)
        return None if received is None else await self._parse_one(received)

    async def __aiter__(self) -> AsyncIterator[SQSMessage]:
        """Messages one after the other, until the subscriber is stopped."""
        assert not self.calls, "iteration is for subscribers without handlers"
        while self.running:
            received = await self._receive_one(self.settings.wait_time_seconds or 1)
            if received is not None:
                yield await self._parse_one(received)

    def get_log_context(self, message: "StreamMessage[Any] | None") -> dict[str, str]:
        return {
            "queue": self.queue.short_name,
            "message_id": getattr(message, "message_id", ""),
        }

    def _make_response_publisher(
        self,
        message: "StreamMessage[Any]",
    ) -> Sequence["PublisherProto[Any]"]:
        return (ReplyPublisher(self._outer_config.producer, message),)

    async def _handle(self, messages: Sequence[ReceivedMessage]) -> None:
        await self.consume(tuple(messages) if self.settings.batch else messages[0])

    async def _receive_one(self, timeout: float) -> ReceivedMessage | None:
        """Polls are never cancelled: one under way might take a message with it."""
        if self._channel is None:
            msg = "Start the subscriber first"
            raise IncorrectState(msg)
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            wait = min(int(left), MAX_WAIT_TIME)
            for message in await self._channel.receive(1, wait, keep_invisible=False):
                return message
            if time.monotonic() >= deadline or not self.running:
                return None
            await asyncio.sleep(0 if wait else min(left, _SHORT_POLL_PAUSE))

    async def _parse_one(self, received: ReceivedMessage) -> SQSMessage:
        parser, decoder = self._get_parser_and_decoder()
        raw: Any = (received,) if self.settings.batch else received
        context = self._outer_config.context
        message: Any = await process_msg(
            msg=raw,
            middlewares=(m(raw, context=context) for m in self._broker_middlewares),
            parser=parser,
            decoder=decoder,
        )
        parsed: SQSMessage = message
        return parsed

    def _parse_and_decode(self, outer_config: SQSBrokerConfig) -> tuple[Any, Any]:
        kind = SQSBatchParser if self.settings.batch else SQSParser
        parser = kind(self._unwrap_sns, outer_config.trace_attribute)
        if isinstance(parser, SQSBatchParser):
            return parser.parse_batch, parser.decode_batch
        return parser.parse_message, parser.decode_message

    def _note(self, level: int, text: str) -> None:
        self._log(level, text, extra=self.get_log_context(None))
