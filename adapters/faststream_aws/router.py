"""Routers: endpoints declared apart from the broker and included later."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from faststream._internal.broker.router import ArgsContainer, BrokerRouter, SubscriberRoute
from faststream._internal.constants import EMPTY

from .config import SQSBrokerConfig
from .destinations import SNSTopic, SQSQueue
from .registrator import PublisherOptions, SQSRegistrator, SubscriberOptions

if TYPE_CHECKING:
    from fast_depends.dependencies import Dependant
    from faststream._internal.configs import UnderlyingDriverAnnotations
    from faststream._internal.types import BrokerMiddleware, CustomCallable
    from faststream.middlewares import AckPolicy


class SQSRoutePublisher(ArgsContainer):
    """The arguments of ``SQSRegistrator.publisher``, for an ``SQSRoute``."""

    def __init__(
        self,
        queue: str | SQSQueue | None = None,
        *,
        topic: str | SNSTopic | None = None,
        **options: Unpack[PublisherOptions],
    ) -> None:
        super().__init__(queue, topic=topic, **options)


class SQSRoute(SubscriberRoute):
    """A handler with the arguments of ``SQSRegistrator.subscriber``."""

    def __init__(
        self,
        call: Callable[..., Any],
        queue: str | SQSQueue,
        *,
        publishers: Iterable[SQSRoutePublisher] = (),
        **options: Unpack[SubscriberOptions],
    ) -> None:
        super().__init__(call, queue, publishers=publishers, **options)


class SQSRouter(SQSRegistrator, BrokerRouter[Any, SQSBrokerConfig]):
    """Included into a broker with ``broker.include_router``."""

    def __init__(
        self,
        prefix: str = "",
        handlers: Iterable[SQSRoute] = (),
        *,
        dependencies: Sequence["Dependant"] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        routers: Iterable[SQSRegistrator] = (),
        parser: "CustomCallable | None" = None,
        decoder: "CustomCallable | None" = None,
        include_in_schema: bool | None = None,
        ack_policy: "AckPolicy" = EMPTY,
        underlying_driver_annotations: "UnderlyingDriverAnnotations | None" = None,
    ) -> None:
        super().__init__(
            handlers=handlers,
            config=SQSBrokerConfig(
                prefix=prefix,
                ack_policy=ack_policy,
                broker_dependencies=dependencies,
                broker_middlewares=middlewares,
                broker_parser=parser,
                broker_decoder=decoder,
                include_in_schema=include_in_schema,
                underlying_driver_annotations=underlying_driver_annotations or {},
            ),
            routers=routers,
        )
