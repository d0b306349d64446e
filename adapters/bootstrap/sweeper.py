"""The sweeper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from adapters.bootstrap.core import core
from adapters.bootstrap.read_models import gates, slotted, threads
from adapters.outbound.dynamodb.rows import (
    CommandsQuery,
    LiveGate,
)
from adapters.settings import Settings
from projections.devices import remote_commands

if TYPE_CHECKING:
    from adapters.inbound.workers.sweeper import Sweeper


@asynccontextmanager
async def sweeper(settings: Settings) -> AsyncIterator[Sweeper]:
    from adapters.inbound.workers.sweeper import Sweeper

    async with core(settings, "sweeper") as parts, threads(settings) as pool:
        commands = slotted(settings, parts.pointer).remote_commands
        yield Sweeper(
            due=CommandsQuery(pool, commands),
            gate=LiveGate(gates(remote_commands.REMOTE_COMMANDS, commands, pool, parts)),
            store=parts.store,
            dispatcher=parts.dispatcher,
            clock=parts.clock,
            ids=parts.ids,
            interval=settings.sweep_interval,
        )
