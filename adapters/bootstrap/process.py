"""What starts every process: settings and logs, the tracer, connections to AWS, the broker.

Imports little, since every function pays for it at its start.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import structlog

from adapters.outbound.telemetry.logs import configure_logging
from adapters.settings import Settings, load_settings

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker
    from adapters.outbound.dynamodb.client import AwsConnection
    from commands.kernel.ports import Tracer

log = structlog.get_logger("homecast.process")


def load(process: str) -> Settings:
    """Settings, with logging set up for the process of this name."""
    settings = load_settings()
    configure_logging(process, level=settings.log_level, form=settings.log_format)
    log.info("started", region=settings.aws_region, generation=settings.store_generation)
    return settings


def make_tracer(settings: Settings, service: str) -> Tracer:
    if settings.tracer == "xray":
        from adapters.outbound.telemetry.xray import XRayTracer

        return XRayTracer(service)
    from adapters.outbound.telemetry.tracing import NullTracer

    return NullTracer()


def aws(settings: Settings) -> AwsConnection:
    from adapters.outbound.dynamodb.client import AwsConnection

    return AwsConnection(
        settings.aws_region, settings.aws_endpoint_url, settings.aws_max_connections
    )


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
