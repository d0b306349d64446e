"""The relay: the process, and the function without its reads.

The function needs neither connections to AWS nor leases: only ``relay`` imports what reads streams.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from adapters.bootstrap.process import aws, make_broker
from adapters.outbound.dynamodb.codec import (
    item_to_cloud_event,
)
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from adapters.settings import CONTEXTS, Settings

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker
    from adapters.inbound.workers.outlet import Outlet
    from adapters.inbound.workers.relay import Relay


@asynccontextmanager
async def relay(settings: Settings) -> AsyncIterator[Relay]:
    """Publishes the streams of all contexts."""
    from adapters.inbound.workers.relay import Relay
    from adapters.inbound.workers.shard_reader import Source
    from adapters.outbound.dynamodb.change_stream import DynamoDbTableStream
    from adapters.outbound.dynamodb.leases import DynamoDbLeases
    from adapters.outbound.dynamodb.streams import DynamoDbEventScan
    from adapters.outbound.system.clock import Ulids

    async with AsyncExitStack() as stack:
        dynamodb = await stack.enter_async_context(aws(settings).dynamodb())
        streams = await stack.enter_async_context(aws(settings).dynamodb_streams())
        broker = await stack.enter_async_context(make_broker(settings))
        metrics = await stack.enter_async_context(EmbeddedMetrics("relay").flushed())

        def source(context: str) -> Source:
            return Source(
                stream=DynamoDbTableStream(dynamodb, streams, settings.events_table(context)),
                scan=DynamoDbEventScan(dynamodb, settings.events_table(context)),
                outlet=outlet(broker, settings, context, metrics),
            )

        ids = Ulids()
        yield Relay(
            [source(context) for context in CONTEXTS],
            DynamoDbLeases(dynamodb, settings.relay_table),
            name=ids.new(),
            lease_seconds=settings.relay_lease_seconds,
            poll_interval=settings.stream_poll_interval,
            mark=ids.new,
            metrics=metrics,
        )


def outlet(broker: SQSBroker, settings: Settings, context: str, metrics: EmbeddedMetrics) -> Outlet:
    from adapters.inbound.workers.outlet import Outlet
    from adapters.inbound.workers.publisher import Publisher

    publisher = Publisher(broker, settings.topic(context), context=context, metrics=metrics)
    return Outlet(context, publisher, item_to_cloud_event, metrics)


@asynccontextmanager
async def outlets(settings: Settings) -> AsyncIterator[dict[str, Outlet]]:
    """The relay without its reads: by the name of the table that records come from."""
    metrics = EmbeddedMetrics("relay")
    async with make_broker(settings) as broker:
        yield {
            settings.events_table(context): outlet(broker, settings, context, metrics)
            for context in CONTEXTS
        }
    metrics.flush()
