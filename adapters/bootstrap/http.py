"""The API, as a process or a function."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.operations import Operations, operations
from adapters.bootstrap.read_models import slotted, statuses, threads, twins
from adapters.outbound.dynamodb.rows import (
    CommandsQuery,
    DevicesQuery,
    MembershipsQuery,
    TwinsQuery,
)
from adapters.outbound.messaging.statuses import Statuses
from adapters.outbound.redis import (
    RedisFeed,
)
from adapters.outbound.redis.counters import RedisCounters
from adapters.settings import Settings
from domain.kernel.recorded import Recorded


@dataclass
class Api(Core):
    devices: DevicesQuery = field(kw_only=True)
    commands: CommandsQuery = field(kw_only=True)
    memberships: MembershipsQuery = field(kw_only=True)
    twins: TwinsQuery = field(kw_only=True)
    feed: RedisFeed = field(kw_only=True)
    counters: RedisCounters = field(kw_only=True)
    statuses: Statuses = field(kw_only=True)
    operations: Operations = field(kw_only=True)

    async def decode(self, cloud_event: dict[str, Any]) -> Recorded:
        return await self.sealer.from_cloud_event(cloud_event)


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with (
        core(settings, "api") as parts,
        threads(settings) as pool,
        RedisFeed(parts.link.client) as feed,
        parts.token_states.running(),
        statuses(settings, parts, pool) as status,
    ):
        models = slotted(settings, parts.pointer)
        twins(settings)
        yield Api(
            **vars(parts),
            devices=DevicesQuery(pool, models.devices),
            commands=CommandsQuery(pool, models.remote_commands),
            memberships=MembershipsQuery(pool, models.memberships),
            twins=TwinsQuery(pool),
            feed=feed,
            counters=RedisCounters(parts.link),
            statuses=status,
            operations=operations(settings, parts, pool),
        )
