"""The gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.read_models import threads, twins
from adapters.outbound.dynamodb.codec import (
    from_cloud_event,
)
from adapters.outbound.dynamodb.twins import DynamoDbTwins
from adapters.outbound.redis import (
    RedisSessions,
)
from adapters.outbound.system.clock import Ulids
from adapters.settings import Settings


@dataclass
class Gateway(Core):
    gateway_id: str = field(kw_only=True)
    sessions: RedisSessions = field(kw_only=True)
    twins: DynamoDbTwins = field(kw_only=True)


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    gateway_id = Ulids().new()
    async with (
        core(settings, "gateway", origin_gateway=gateway_id) as parts,
        threads(settings) as pool,
    ):
        twins(settings)
        sessions = RedisSessions(
            parts.link, gateway_id=gateway_id, from_cloud_event=from_cloud_event
        )
        yield Gateway(
            **vars(parts), gateway_id=gateway_id, sessions=sessions, twins=DynamoDbTwins(pool)
        )
