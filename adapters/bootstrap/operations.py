"""Parked rows and dead letters, for operators by the API or the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.bootstrap.core import Core, core
from adapters.bootstrap.process import aws
from adapters.bootstrap.read_models import gates, parked_rows, served, slotted, threads
from adapters.outbound.dynamodb.rows import (
    Threads,
)
from adapters.settings import Settings
from projections.kernel.gate import Gate
from projections.kernel.slots import Slotted

if TYPE_CHECKING:
    from adapters.outbound.messaging.dead_letters import Pair, SqsDeadLetters
    from projections.kernel.parked_rows import ParkedRows


@dataclass(frozen=True)
class Operations:
    parked: ParkedRows
    dead_letters: SqsDeadLetters


def operations(settings: Settings, parts: Core, pool: Threads) -> Operations:
    """What operators may do, by the API or the command line."""
    from adapters.outbound.messaging.dead_letters import SqsDeadLetters
    from projections.kernel.parked_rows import ParkedRows

    models = slotted(settings, parts.pointer)
    each: dict[str, Slotted[Gate[Any]]] = {
        name: gates(projection, models.of(name), pool, parts)
        for name, projection in served(settings).items()
    }
    return Operations(
        ParkedRows(each, registry=parked_rows(pool, settings), clock=parts.clock),
        SqsDeadLetters(aws(settings).sqs, queues_with_dead_letters(settings)),
    )


def queues_with_dead_letters(settings: Settings) -> dict[str, Pair]:
    """By name: the fields of the settings say which there are."""
    from adapters.outbound.messaging.dead_letters import Pair

    suffix = "_dead_letters"
    names = [one.removesuffix(suffix) for one in Settings.model_fields if one.endswith(suffix)]
    found = {
        name: Pair(getattr(settings, f"{name}_queue"), getattr(settings, name + suffix))
        for name in names
    }
    return {name: pair for name, pair in found.items() if pair.queue and pair.dead_letters}


@asynccontextmanager
async def operating(settings: Settings) -> AsyncIterator[Operations]:
    """For the CLI: parked rows and dead letters, though the API may be down."""
    async with (
        core(settings, "operator") as parts,
        threads(settings) as pool,
    ):
        yield operations(settings, parts, pool)
