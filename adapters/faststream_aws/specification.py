"""AsyncAPI: a channel for each queue or topic. Topics have no binding in the schema."""

from dataclasses import dataclass
from typing import Any

from faststream._internal.configs import (
    PublisherSpecificationConfig,
    SubscriberSpecificationConfig,
)
from faststream._internal.endpoint.publisher import PublisherSpecification
from faststream._internal.endpoint.subscriber import SubscriberSpecification
from faststream.specification.asyncapi.utils import resolve_payloads
from faststream.specification.schema import (
    Message,
    Operation,
    PublisherSpec,
    SubscriberSpec,
)
from faststream.specification.schema.bindings import ChannelBinding, OperationBinding, sqs

from .config import SQSBrokerConfig
from .destinations import Destination, SQSQueue


@dataclass(kw_only=True)
class SQSSubscriberSpecificationConfig(SubscriberSpecificationConfig):
    queue: SQSQueue


@dataclass(kw_only=True)
class SQSPublisherSpecificationConfig(PublisherSpecificationConfig):
    destination: Destination


class SQSSubscriberSpecification(
    SubscriberSpecification[SQSBrokerConfig, SQSSubscriberSpecificationConfig],
):
    @property
    def queue(self) -> SQSQueue:
        return self.config.queue.with_prefix(self._outer_config.prefix)

    @property
    def channel_labels(self) -> list[str]:
        return [self.queue.short_name]

    def get_schema(self) -> dict[str, SubscriberSpec]:
        return {
            self.name: SubscriberSpec(
                address=self.queue.short_name,
                description=self.description,
                operation=Operation(
                    message=Message(
                        title=f"{self.name}:Message",
                        payload=resolve_payloads(self.get_payloads()),
                    ),
                    bindings=OperationBinding(sqs=sqs.OperationBinding()),
                ),
                bindings=_channel_binding(self.queue),
            ),
        }


class SQSPublisherSpecification(
    PublisherSpecification[SQSBrokerConfig, SQSPublisherSpecificationConfig],
):
    @property
    def destination(self) -> Destination:
        return self.config.destination.with_prefix(self._outer_config.prefix)

    @property
    def name(self) -> str:
        return self.config.title_ or f"{self.destination.short_name}:Publisher"

    def get_schema(self) -> dict[str, PublisherSpec]:
        to_queue = isinstance(self.destination, SQSQueue)
        return {
            self.name: PublisherSpec(
                address=self.destination.short_name,
                description=self.config.description_,
                operation=Operation(
                    message=Message(
                        title=f"{self.name}:Message",
                        payload=resolve_payloads(self.get_payloads(), "Publisher"),
                    ),
                    bindings=OperationBinding(sqs=sqs.OperationBinding()) if to_queue else None,
                ),
                bindings=_channel_binding(self.destination),
            ),
        }


def _channel_binding(destination: Destination) -> ChannelBinding | None:
    if not isinstance(destination, SQSQueue):
        return None
    queue: dict[str, Any] = {"name": destination.short_name, "fifoQueue": destination.fifo}
    return ChannelBinding(sqs=sqs.ChannelBinding(queue=queue))
