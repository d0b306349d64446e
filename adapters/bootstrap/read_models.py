"""The read models of a process: their slots, the gates before them, parked rows, how they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.bootstrap.core import Core
from adapters.bootstrap.process import aws
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.leases import DynamoDbLeases
from adapters.outbound.dynamodb.rows import (
    GatedRows,
    ReadModels,
    Threads,
    configure_twins,
    opened,
)
from adapters.outbound.messaging.depths import Depths
from adapters.outbound.messaging.statuses import Statuses
from adapters.settings import READ_MODELS, Settings
from projections.devices import devices, memberships, remote_commands
from projections.devices.devices import DevicesTable
from projections.devices.memberships import MembershipsTable
from projections.devices.remote_commands import RemoteCommandsTable
from projections.kernel.gate import Gate, Parking, Projection, Row
from projections.kernel.parking import ParkingLot
from projections.kernel.slots import Pointer, Slot, Slotted
from projections.media import brokers, creatives
from projections.media.brokers import BrokersTable
from projections.media.creatives import CreativesTable

if TYPE_CHECKING:
    from adapters.outbound.dynamodb.parked import PynamoRegistry


@asynccontextmanager
async def threads(settings: Settings) -> AsyncIterator[Threads]:
    """The pool that pynamodb's models run in."""
    pool = Threads()
    try:
        yield pool
    finally:
        pool.close()


PROJECTIONS: dict[str, Projection[Any]] = {
    one.name: one
    for one in (
        devices.DEVICES,
        remote_commands.REMOTE_COMMANDS,
        memberships.MEMBERSHIPS,
        creatives.CREATIVES,
        brokers.BROKERS,
    )
}


def served(settings: Settings) -> dict[str, Projection[Any]]:
    """Those whose tables the settings name: a function does not get all of them."""
    return {name: one for name, one in PROJECTIONS.items() if settings.slot(name, Slot.BLUE).table}


def read_models(settings: Settings, slot: Slot) -> ReadModels:
    tables = {name: settings.slot(name, slot).table for name in PROJECTIONS}
    return ReadModels.of(tables, region=settings.aws_region, host=settings.aws_endpoint_url)


@dataclass(frozen=True)
class SlottedModels:
    devices: Slotted[DevicesTable]
    remote_commands: Slotted[RemoteCommandsTable]
    memberships: Slotted[MembershipsTable]
    creatives: Slotted[CreativesTable]
    brokers: Slotted[BrokersTable]

    def of(self, name: str) -> Slotted[Any]:
        found: Slotted[Any] = getattr(self, name)
        return found


def slotted(settings: Settings, pointer: Pointer) -> SlottedModels:
    slots = {slot: read_models(settings, slot) for slot in Slot}
    return SlottedModels(
        Slotted("devices", {slot: one.devices for slot, one in slots.items()}, pointer),
        Slotted("remote_commands", {s: one.remote_commands for s, one in slots.items()}, pointer),
        Slotted("memberships", {slot: one.memberships for slot, one in slots.items()}, pointer),
        Slotted("creatives", {slot: one.creatives for slot, one in slots.items()}, pointer),
        Slotted("brokers", {slot: one.brokers for slot, one in slots.items()}, pointer),
    )


def gates(
    projection: Projection[Row],
    tables: Slotted[Any],
    pool: Threads,
    parts: Core,
) -> Slotted[Gate[Row]]:
    """One before each slot of a model."""
    store = parts.store_of(READ_MODELS[projection.name])
    lot = parking_lot(projection.name, pool, parts, store)
    each = {
        slot: Gate(projection, GatedRows[Row](parts.dynamodb, tables.of(slot)), store, lot)
        for slot in Slot
    }
    return Slotted(projection.name, each, parts.pointer)


@asynccontextmanager
async def statuses(settings: Settings, parts: Core, pool: Threads) -> AsyncIterator[Statuses]:
    depths = Depths(aws(settings))
    found = Statuses(
        settings=settings,
        control=parts.control,
        leases=DynamoDbLeases(parts.dynamodb, settings.relay_table),
        versions={name: one.version for name, one in served(settings).items()},
        depth=depths,
        parked=parked_rows(pool, settings).count,
    )
    try:
        yield found
    finally:
        await found.aclose()
        await depths.aclose()


def parking_lot(model: str, pool: Threads, parts: Core, store: DynamoDbEventStore) -> Parking:
    from adapters.inbound.workers.parking import ToldParking

    registry = parked_rows(pool, parts.settings)
    lot = ParkingLot(model, registry=registry, published=store, clock=parts.clock)
    return ToldParking(model, lot)


def parked_rows(pool: Threads, settings: Settings) -> PynamoRegistry:
    from adapters.outbound.dynamodb.parked import ParkedItem, PynamoRegistry

    items = opened(
        ParkedItem,
        settings.parked_table,
        region=settings.aws_region,
        host=settings.aws_endpoint_url,
    )
    return PynamoRegistry(pool, items)


def twins(settings: Settings) -> None:
    configure_twins(
        settings.twins_table, region=settings.aws_region, host=settings.aws_endpoint_url
    )
