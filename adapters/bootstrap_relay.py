"""The composition root's light part: what starts every process, and the relay's function.

That function imports this in half of the time that ``bootstrap`` would take.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from adapters.outbound.dynamodb.codec import item_to_cloud_event
from adapters.outbound.telemetry.logs import configure_logging
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from adapters.settings import CONTEXTS, Settings, load_settings

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker
    from adapters.inbound.workers.outlet import Outlet

log = structlog.get_logger("homecast.process")


def load(process: str) -> Settings:
    """Settings, with logging set up for the process of this name."""
    settings = load_settings()
    configure_logging(process, level=settings.log_level, form=settings.log_format)
    log.info("started", region=settings.aws_region, generation=settings.store_generation)
    return settings


def make_broker(settings: Settings) -> SQSBroker:
    from adapters.faststream_aws import SQSBroker

    return SQSBroker(
        region_name=settings.aws_region,
        endpoint_url=settings.aws_endpoint_url,
        max_pool_connections=settings.aws_max_connections,
        # A line per message is ours to write (``projected``); the broker's own only tell of errors.
        logger=logging.getLogger("homecast.broker"),
        log_level=logging.DEBUG,
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
