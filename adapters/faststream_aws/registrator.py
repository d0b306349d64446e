"""Declaring subscribers and publishers, on a broker or a router alike."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from faststream._internal.broker.registrator import Registrator
from faststream._internal.constants import EMPTY
from faststream._internal.endpoint.subscriber.call_item import CallsCollection

from .config import SQSBrokerConfig
from .destinations import SNSTopic, SQSQueue, choose_destination
from .publisher import SQSPublisher, SQSPublisherConfig
from .settings import Backoff, ConsumerSettings, Heartbeat
from .specification import (
    SQSPublisherSpecification,
    SQSPublisherSpecificationConfig,
    SQSSubscriberSpecification,
    SQSSubscriberSpecificationConfig,
)
from .subscriber import SQSSubscriber, SQSSubscriberConfig

if TYPE_CHECKING:
    from fast_depends.dependencies import Dependant
    from faststream._internal.parser import CodecProto
    from faststream._internal.types import BrokerMiddleware, CustomCallable
    from faststream.middlewares import AckPolicy


class ConsumerOptions(TypedDict, total=False):
    """How the queue is read; times in seconds. Meanings and defaults are in the guide."""

    batch: bool
    fifo: bool
    wait_time_seconds: int
    poll_interval: float | None
    max_messages: int
    max_concurrency: int
    prefetch: int | None
    pollers: int
    visibility_timeout: int
    heartbeat: Heartbeat
    retry_delay: Backoff
    poll_backoff: Backoff
    delete_linger: float
    call_attempts: int
    call_backoff: Backoff
    poll_drain_timeout: float | None


class SubscriberOptions(ConsumerOptions, total=False):
    """The rest is as with any broker of FastStream."""

    unwrap_sns: bool
    ack_policy: "AckPolicy"
    no_reply: bool
    dependencies: Sequence["Dependant"]
    parser: "CustomCallable | None"
    decoder: "CustomCallable | None"
    codec: "CodecProto | None"
    persistent: bool
    title: str | None
    description: str | None
    include_in_schema: bool


class PublisherOptions(TypedDict, total=False):
    """``group_id`` and ``headers`` are for every message; ``batch`` publishes lists."""

    group_id: str | None
    headers: Mapping[str, Any]
    batch: bool
    persistent: bool
    title: str | None
    description: str | None
    schema: Any
    include_in_schema: bool


class SQSRegistrator(Registrator[Any, SQSBrokerConfig]):
    """What ``SQSBroker`` and ``SQSRouter`` have in common."""

    def subscriber(  # type: ignore[override]
        self,
        queue: str | SQSQueue,
        **options: Unpack[SubscriberOptions],
    ) -> SQSSubscriber:
        """Handle the messages of a queue, given by name or URL.

        A name that ends in ``.fifo`` reads the queue group by group. With ``batch`` the
        handler takes a list: what is held of one group, or what one receive returned.
        """
        asked = SQSQueue.of(queue)
        config = cast("SQSBrokerConfig", self.config)
        names = ConsumerOptions.__annotations__
        reading: Any = {name: value for name, value in options.items() if name in names}
        endpoint = SQSSubscriberConfig(
            _outer_config=config,
            _ack_policy=options.get("ack_policy", EMPTY),
            no_reply=options.get("no_reply", False),
            queue=asked,
            settings=ConsumerSettings(**{"fifo": asked.fifo, **reading}),
            unwrap_sns=options.get("unwrap_sns", True),
        )
        calls: CallsCollection[Any] = CallsCollection()
        documented = SQSSubscriberSpecificationConfig(
            queue=asked,
            title_=options.get("title"),
            description_=options.get("description"),
            include_in_schema=options.get("include_in_schema", True),
        )
        specification = SQSSubscriberSpecification(config, documented, calls)
        made = SQSSubscriber(endpoint, specification, calls)
        super().subscriber(made, persistent=options.get("persistent", True))
        return made.add_call(
            parser_=options.get("parser") or self._parser,
            decoder_=options.get("decoder") or self._decoder,
            codec_=options.get("codec"),
            dependencies_=options.get("dependencies", ()),
        )

    def publisher(  # type: ignore[override]
        self,
        queue: str | SQSQueue | None = None,
        *,
        topic: str | SNSTopic | None = None,
        **options: Unpack[PublisherOptions],
    ) -> SQSPublisher:
        """Publish to a queue or to a topic, directly or as a decorator of a handler."""
        destination = choose_destination(queue, topic)
        config = cast("SQSBrokerConfig", self.config)
        endpoint = SQSPublisherConfig(
            _outer_config=config,
            destination=destination,
            group_id=options.get("group_id"),
            headers=options.get("headers", {}),
            batch=options.get("batch", False),
        )
        documented = SQSPublisherSpecificationConfig(
            destination=destination,
            title_=options.get("title"),
            description_=options.get("description"),
            schema_=options.get("schema"),
            include_in_schema=options.get("include_in_schema", True),
        )
        made = SQSPublisher(endpoint, SQSPublisherSpecification(config, documented))
        super().publisher(made, persistent=options.get("persistent", True))
        return made

    def include_router(
        self,
        router: "SQSRegistrator",  # type: ignore[override]
        *,
        prefix: str = "",
        dependencies: Sequence["Dependant"] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        include_in_schema: bool | None = None,
    ) -> None:
        """Take over a router's endpoints; ``prefix`` goes before names of queues."""
        if not isinstance(router, SQSRegistrator):
            msg = f"Only a router for SQS can be included, not {type(router).__name__}"
            raise TypeError(msg)
        super().include_router(
            router,
            prefix=prefix,
            dependencies=dependencies,
            middlewares=middlewares,
            include_in_schema=include_in_schema,
        )
