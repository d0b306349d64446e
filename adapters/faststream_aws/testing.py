"""An in-memory stand-in: what is published reaches the matching subscribers at once."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from faststream._internal.testing.broker import EnterType, TestBroker, change_producer

from .broker import SQSBroker
from .channel import first_failed_of
from .connection import AwsConnection
from .destinations import Destination, SNSTopic, SQSQueue
from .encoding import TRACE_HEADER, WireMessage
from .outgoing import NotPublished, Published
from .producer import SQSProducer
from .publisher import SQSPublisher
from .received import Outcome, ReceivedMessage
from .subscriber import SQSSubscriber

if TYPE_CHECKING:
    from faststream._internal.endpoint.subscriber import SubscriberUsecase

__all__ = ("TestSQSBroker",)

Subscriptions = Mapping[str, Iterable[str]]


class TestSQSBroker(TestBroker[SQSBroker, EnterType], broker=SQSBroker):
    """Routes in memory: a queue by its name, a topic by ``subscriptions``.

    ``subscriptions`` maps a topic's ARN to names of queues. One subscriber of a queue gets
    a message, as competing consumers do. Messages are encoded, limited and deduplicated as
    for AWS; an error of a handler is raised to the publisher; nothing is delivered twice.
    """

    def __init__(
        self,
        *brokers: SQSBroker,
        subscriptions: Subscriptions | None = None,
        with_real: bool = False,
        connect_only: bool | None = None,
    ) -> None:
        super().__init__(*brokers, with_real=with_real, connect_only=connect_only)
        self.subscriptions = {arn: list(names) for arn, names in (subscriptions or {}).items()}

    def create_publisher_fake_subscriber(
        self,
        broker: SQSBroker,
        publisher: SQSPublisher,
    ) -> tuple["SubscriberUsecase[Any]", bool]:
        destination = publisher.destination
        for queue in self.queues_of(destination):
            if found := self.find_subscriber(queue):
                return found, True
        fake = broker.subscriber(destination.short_name, batch=publisher.batch, persistent=False)
        if isinstance(destination, SNSTopic):
            self.subscriptions.setdefault(destination.arn, []).append(fake.queue.short_name)
        return fake, False

    def queues_of(self, destination: Destination) -> list[str]:
        if isinstance(destination, SQSQueue):
            return [destination.short_name]
        return self.subscriptions.get(destination.arn, [])

    def find_subscriber(self, queue: str) -> SQSSubscriber | None:
        known = (one for broker in self.brokers for one in broker.subscribers)
        subscribers = (cast("SQSSubscriber", one) for one in known)
        return next((one for one in subscribers if one.queue.short_name == queue), None)

    @contextmanager
    def _patch_producer(self, broker: SQSBroker) -> Generator[None, None, None]:
        config = broker.config.broker_config
        producer = SQSProducer(
            encoder=config.producer.encoder,
            parser=config.broker_parser,
            decoder=config.broker_decoder,
        )
        transport = MemoryTransport(self)
        producer.connect(transport, config.fd_config._serializer, config.broker_codec)
        with change_producer(config, producer):
            yield

    async def _fake_connect(  # type: ignore[override]
        self,
        broker: SQSBroker,
        *_args: Any,
        **_kwargs: Any,
    ) -> AwsConnection:
        connection = AwsConnection(_silent_client)
        broker.config.broker_config._connection = connection
        return connection

    def _fake_start(self, broker: SQSBroker, *args: Any, **kwargs: Any) -> None:
        for subscriber in broker.subscribers:
            cast("SQSSubscriber", subscriber).refresh_parser()
        super()._fake_start(broker, *args, **kwargs)


class MemoryTransport:
    """Delivers before it returns; a batch of one FIFO group reaches a batch handler whole."""

    def __init__(self, test_broker: TestSQSBroker[Any]) -> None:
        self._test_broker = test_broker
        self._ids = itertools.count(1)
        self._seen: set[tuple[str, str]] = set()

    async def send(self, destination: Destination, message: WireMessage) -> Published:
        (sent,) = await self.send_batch(destination, [message])
        return cast("Published", sent)

    async def send_batch(
        self,
        destination: Destination,
        messages: Sequence[WireMessage],
    ) -> list[Published | NotPublished]:
        ids = [next(self._ids) for _ in messages]
        fresh = [
            (number, message)
            for number, message in zip(ids, messages, strict=True)
            if self._is_fresh(destination, message)
        ]
        for queue in self._test_broker.queues_of(destination):
            if subscriber := self._test_broker.find_subscriber(queue):
                await self._deliver(subscriber, fresh)
        return [
            Published(i, _message_id(number), str(number) if destination.fifo else None)
            for i, number in enumerate(ids)
        ]

    def _is_fresh(self, destination: Destination, message: WireMessage) -> bool:
        if not (destination.fifo and message.deduplication_id):
            return True
        key = (destination.address, message.deduplication_id)
        seen = key in self._seen
        self._seen.add(key)
        return not seen

    async def _deliver(
        self,
        subscriber: SQSSubscriber,
        messages: Iterable[tuple[int, WireMessage]],
    ) -> None:
        received = [
            ReceivedMessage(
                received_form(message, number),
                queue_name=subscriber.queue.short_name,
                settler=MemorySettler(),
            )
            for number, message in messages
        ]
        for unit in _units(subscriber, received):
            await subscriber.process_message(unit)


class MemorySettler:
    """Remembers outcomes only; see ``ReceivedMessage.outcome``."""

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        _mark(messages, Outcome.DELETED)

    async def delay(self, messages: Sequence[ReceivedMessage], seconds: float | None) -> None:
        _mark(messages, Outcome.DELAYED)

    async def hand_back(self, messages: Sequence[ReceivedMessage]) -> None:
        _mark(messages, Outcome.HANDED_BACK)

    async def fail_batch(
        self,
        messages: Sequence[ReceivedMessage],
        first_failed: int | None,
        seconds: float | None,
    ) -> None:
        failed = first_failed_of(messages, first_failed)
        self.delete(messages[:failed])
        await self.delay(messages[failed : failed + 1], seconds)
        await self.hand_back(messages[failed + 1 :])


def received_form(message: WireMessage, number: int = 1) -> dict[str, Any]:
    """A sent message as ReceiveMessage would give it; ``number`` is its sequence number."""
    system = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": str(int(time.time() * 1000)),
        "SequenceNumber": str(number),
        "MessageGroupId": message.group_id,
        "MessageDeduplicationId": message.deduplication_id,
        TRACE_HEADER: message.trace_header,
    }
    return {
        "MessageId": _message_id(number),
        "ReceiptHandle": f"receipt-{number}",
        "Body": message.body,
        "Attributes": {name: value for name, value in system.items() if value is not None},
        "MessageAttributes": message.attributes,
    }


def _units(subscriber: SQSSubscriber, messages: Sequence[ReceivedMessage]) -> Iterable[Any]:
    if not subscriber.settings.batch:
        return messages
    groups: dict[str | None, list[ReceivedMessage]] = {}
    for message in messages:
        group = message.group_id if subscriber.settings.fifo else None
        groups.setdefault(group, []).append(message)
    return [tuple(group) for group in groups.values()]


def _mark(messages: Sequence[ReceivedMessage], outcome: Outcome) -> None:
    for message in messages:
        message.outcome = message.outcome or outcome


def _message_id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


class _SilentClient:
    """For subscribers that are started for real under the test broker: no messages."""

    async def get_queue_url(self, **_kwargs: Any) -> dict[str, str]:
        return {"QueueUrl": "memory://"}

    async def receive_message(self, **_kwargs: Any) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {}


@asynccontextmanager
async def _silent_client(_service: str) -> AsyncIterator[_SilentClient]:
    yield _SilentClient()
