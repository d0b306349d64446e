"""What the command line reaches on a machine that may reach tables and queues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.bootstrap.core import Core, core, key_wrapper
from adapters.bootstrap.process import aws, make_broker
from adapters.bootstrap.read_models import PROJECTIONS, gates, slotted, statuses, threads
from adapters.outbound.dynamodb.rows import (
    DevicesQuery,
    Recount,
    Threads,
    VerifiableRows,
)
from adapters.outbound.dynamodb.search import count_items
from adapters.outbound.messaging.statuses import Statuses
from adapters.settings import CONTEXTS, Settings
from domain.devices.device import DEVICE, DeviceClaimed, DeviceRenamed
from projections.kernel.slots import Slot, Slotted

if TYPE_CHECKING:
    from adapters.faststream_aws import SQSBroker
    from adapters.outbound.read_side import ReadSide
    from commands.accounts.oauth.signing_keys import SigningKeys
    from commands.accounts.parts import Parts


@asynccontextmanager
async def operator(settings: Settings) -> AsyncIterator[Core]:
    """For the CLI on a machine that may reach the tables: tokens, doctor."""
    async with core(settings, "operator") as parts:
        yield parts


@asynccontextmanager
async def read_side(settings: Settings) -> AsyncIterator[ReadSide]:
    """For operators of read models: the CLI, on a machine that may reach tables and queues."""
    async with (
        core(settings, "operator") as parts,
        threads(settings) as pool,
        make_broker(settings) as broker,
        statuses(settings, parts, pool) as status,
    ):
        yield read_side_of(settings, parts, pool, broker, status)


def read_side_of(
    settings: Settings, parts: Core, pool: Threads, broker: SQSBroker, status: Statuses
) -> ReadSide:
    from adapters.outbound.read_side import Model, ReadSide

    models = slotted(settings, parts.pointer)
    tables: dict[str, Slotted[Any]] = {name: models.of(name) for name in PROJECTIONS}
    recounts = {"devices": {slot: Recount(pool, models.devices.of(slot)) for slot in Slot}}
    return ReadSide(
        settings=settings,
        dynamodb=parts.dynamodb,
        sealer=parts.sealer,
        broker=broker,
        control=parts.control,
        models={
            name: Model(
                PROJECTIONS[name],
                {slot: VerifiableRows(parts.dynamodb, pool, each.of(slot)) for slot in Slot},
                gates(PROJECTIONS[name], each, pool, parts),
                recounts.get(name),
            )
            for name, each in tables.items()
        },
        stores={context: parts.store_of(context) for context in CONTEXTS},
        statuses=status,
        devices=DevicesQuery(pool, models.devices),
        new_id=parts.ids.new,
    )


@dataclass
class ForgettingOperator(Core):
    """For ``homecast forget``, which looks for itself what an account's names are and where."""

    devices: DevicesQuery = field(kw_only=True)

    async def names_of(self, account_id: str) -> tuple[set[str], list[str]]:
        """All names that the account's devices had under it, and their ids."""
        names: set[str] = set()
        device_ids = list(await self.devices.of_account(account_id))
        for device_id in device_ids:
            own: set[str] = set()
            for one in await self.store.read(DEVICE.stream(device_id)):
                match one.event:
                    case DeviceClaimed():
                        own = {one.event.name}
                    case DeviceRenamed():
                        own.add(one.event.name)
            names |= own
        return names, device_ids

    async def find(self, texts: Collection[str], beside: Collection[str]) -> dict[str, int]:
        """Items of all tables that hold such a text beside such an id."""
        tables = [table for name, table in self.settings if name.endswith("_table") and table]
        counts = {
            table: await count_items(self.dynamodb, table, texts=texts, beside=beside)
            for table in tables
        }
        return {table: count for table, count in counts.items() if count}


@asynccontextmanager
async def forgetting_operator(settings: Settings) -> AsyncIterator[ForgettingOperator]:
    async with core(settings, "operator") as parts, threads(settings) as pool:
        devices = DevicesQuery(pool, slotted(settings, parts.pointer).devices)
        yield ForgettingOperator(**vars(parts), devices=devices)


@asynccontextmanager
async def signing_keys(parts: Core) -> AsyncIterator[SigningKeys]:
    """The keys that sign ID tokens, for the CLI."""
    from commands.accounts.oauth.signing_keys import SigningKeys

    async with AsyncExitStack() as stack:
        wrapper = await key_wrapper(parts.settings, aws(parts.settings), stack)
        yield SigningKeys(parts.vault, wrapper, parts.clock)


@asynccontextmanager
async def account_operator(settings: Settings) -> AsyncIterator[Parts]:
    """What the commands about accounts take. Raises ``ValueError`` without keys of accounts."""
    from adapters.bootstrap.accounts import account_parts
    from adapters.outbound.redis.counters import RedisCounters

    async with (
        operator(settings) as parts,
        account_parts(settings, parts, RedisCounters(parts.link)) as made,
    ):
        yield made
