"""What the API's process needs for ads, beside what it has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from adapters.bootstrap.core import WriteSide
from adapters.bootstrap.http import Api
from adapters.bootstrap.media import web_of
from adapters.bootstrap.process import aws, make_broker
from adapters.bootstrap.read_models import slotted, threads
from adapters.bootstrap.statistics import Statistics
from adapters.inbound.http.ads.parts import AdParts
from adapters.inbound.http.beacon_tokens import BeaconTokens
from adapters.outbound.analytics.kinesis import KinesisRecords
from adapters.outbound.dynamodb.rows import BrokersQuery, CreativesQuery
from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.messaging.outbox import QueueOutbox
from adapters.outbound.objects.media import S3MediaObjects
from adapters.outbound.redis import RedisBrokerHealth
from adapters.outbound.redis.counters import RedisCounters
from adapters.outbound.redis.progress import RedisProgress
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.outbound.web import Breaker, Documents
from adapters.settings import Settings
from commands.kernel.ports import Tracer


@dataclass(frozen=True)
class Ads:
    settings: Settings
    clock: SystemClock
    ids: Ulids
    vault: DynamoDbVault
    tracer: Tracer
    counters: RedisCounters
    media: WriteSide
    creatives: CreativesQuery
    brokers: BrokersQuery
    documents: Documents
    breaker: Breaker
    health: RedisBrokerHealth
    progress: RedisProgress
    outbox: QueueOutbox
    films: S3MediaObjects
    records: KinesisRecords
    beacon_tokens: BeaconTokens
    base_url: str


@asynccontextmanager
async def ads(settings: Settings, api: Api, counted: Statistics) -> AsyncIterator[AdParts]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(threads(settings))
        models = slotted(settings, api.pointer)
        broker = await stack.enter_async_context(make_broker(settings))
        bucket = S3MediaObjects.opened(aws(settings), settings.media_bucket)
        films = await stack.enter_async_context(bucket)
        web = web_of(settings)
        stack.push_async_callback(web.close)
        health = RedisBrokerHealth(api.link, api.clock)
        telling = asyncio.create_task(health.run(), name="broker health")
        stack.push_async_callback(_ended, telling)
        parts = AdParts(
            Ads(
                settings=settings,
                clock=api.clock,
                ids=api.ids,
                vault=api.vault,
                tracer=api.tracer,
                counters=api.counters,
                media=api.media,
                creatives=CreativesQuery(pool, models.creatives),
                brokers=BrokersQuery(pool, models.brokers),
                documents=Documents(web),
                breaker=Breaker(),
                health=health,
                progress=RedisProgress(api.link),
                outbox=QueueOutbox(broker, settings.outbox_queue),
                films=films,
                records=counted.records,
                beacon_tokens=counted.beacon_tokens,
                base_url=counted.base_url,
            )
        )
        stack.push_async_callback(parts.close)
        yield parts


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
