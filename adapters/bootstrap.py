"""The composition root: with ``bootstrap_relay`` the only place that sees outbound adapters.

Each process has one function here, an async context manager that gives what the process needs and
closes it again. What only some of them need is imported within their functions: an API that starts
as a function pays for every import, and needs no broker (a test looks).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from adapters.bootstrap_relay import load as load
from adapters.bootstrap_relay import make_broker as make_broker
from adapters.bootstrap_relay import outlet
from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.dynamodb.codec import (
    from_cloud_event,
    to_cloud_event,
)
from adapters.outbound.dynamodb.control import DynamoDbControl
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.leases import DynamoDbLeases
from adapters.outbound.dynamodb.rows import (
    CommandsQuery,
    DevicesQuery,
    GatedRows,
    LiveGate,
    ReadModels,
    Recount,
    Threads,
    TwinsQuery,
    VerifiableRows,
    configure_twins,
    opened,
)
from adapters.outbound.dynamodb.sealer import Sealer
from adapters.outbound.dynamodb.snapshots import DynamoDbSnapshotStore
from adapters.outbound.dynamodb.twins import DynamoDbTwins
from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.keys.dynamodb_keyring import DynamoDbKeyring
from adapters.outbound.keys.forgotten import ForgottenObjects
from adapters.outbound.keys.ports import KeyWrapper
from adapters.outbound.messaging.depths import Depths
from adapters.outbound.messaging.statuses import Statuses
from adapters.outbound.objects.s3 import S3Objects
from adapters.outbound.redis import (
    Link,
    RedisFeed,
    RedisHints,
    RedisPresence,
    RedisSessions,
    RedisWatchers,
    UnawaitedHints,
    connect,
)
from adapters.outbound.redis.counters import RedisCounters
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.outbound.telemetry.metrics import EmbeddedMetrics
from adapters.outbound.telemetry.tracing import NullTracer
from adapters.settings import CONTEXTS, Settings
from commands.kernel.dispatch import Dispatcher, NoHints, Repository
from commands.kernel.ports import Hints, Tracer
from domain.kernel.recorded import Recorded
from projections.devices import devices, remote_commands
from projections.devices.devices import DevicesTable
from projections.devices.remote_commands import RemoteCommandsTable
from projections.kernel.gate import Gate, Parking, Projection, Row
from projections.kernel.parking import ParkingLot
from projections.kernel.slots import Pointer, Slot, Slotted

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

    from adapters.faststream_aws import SQSBroker
    from adapters.inbound.aws_lambda.queues import Queues
    from adapters.inbound.workers.feeds import SlotFeeds
    from adapters.inbound.workers.projector import Inbox
    from adapters.inbound.workers.relay import Relay
    from adapters.inbound.workers.sweeper import Sweeper
    from adapters.outbound.dynamodb.parked import PynamoRegistry
    from adapters.outbound.messaging.dead_letters import Pair, SqsDeadLetters
    from adapters.outbound.read_side import ReadSide
    from projections.kernel.parked_rows import ParkedRows

log = structlog.get_logger("homecast.process")


def make_tracer(settings: Settings, service: str) -> Tracer:
    if settings.tracer == "xray":
        from adapters.outbound.telemetry.xray import XRayTracer

        return XRayTracer(service)
    return NullTracer()


@dataclass(frozen=True)
class WriteSide:
    """One context's event store, and the way of a command through it."""

    store: DynamoDbEventStore
    repository: Repository
    dispatcher: Dispatcher


@dataclass
class Core:
    """What every process that decides has. ``store``, ``repository`` and ``dispatcher`` are those
    of the devices context, ``accounts`` has its own."""

    settings: Settings
    tracer: Tracer
    accounts: WriteSide
    keyring: DynamoDbKeyring
    objects: S3Objects
    sealer: Sealer
    store: DynamoDbEventStore
    vault: DynamoDbVault
    repository: Repository
    dispatcher: Dispatcher
    hints: RedisHints
    unawaited: UnawaitedHints
    lanes: RedisHints
    watchers: RedisWatchers
    presence: RedisPresence
    link: Link
    dynamodb: DynamoDBClient
    control: DynamoDbControl
    pointer: Pointer
    clock: SystemClock = field(default_factory=SystemClock)
    ids: Ulids = field(default_factory=Ulids)


def aws(settings: Settings) -> AwsConnection:
    return AwsConnection(
        settings.aws_region, settings.aws_endpoint_url, settings.aws_max_connections
    )


def event_store(
    dynamodb: Any, settings: Settings, context: str, sealer: Sealer
) -> DynamoDbEventStore:
    return DynamoDbEventStore(
        dynamodb,
        table=settings.events_table(context),
        vault_table=settings.vault_table,
        sealer=sealer,
        generation=settings.store_generation,
    )


@dataclass(frozen=True)
class Storage:
    """What all stores of a process share."""

    dynamodb: Any
    objects: S3Objects
    keyring: DynamoDbKeyring
    sealer: Sealer


@asynccontextmanager
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        connection = aws(settings)
        dynamodb = await stack.enter_async_context(connection.dynamodb())
        s3 = await stack.enter_async_context(connection.s3())
        objects = S3Objects(s3, settings.objects_bucket)
        claims = ClaimCheck(objects, settings.objects_bucket)
        keyring = DynamoDbKeyring(
            dynamodb,
            settings.keys_table,
            wrapper=await key_wrapper(settings, connection, stack),
            forgotten=ForgottenObjects(objects),
        )
        yield Storage(dynamodb, objects, keyring, Sealer(keyring, claims))


async def key_wrapper(
    settings: Settings, connection: AwsConnection, stack: AsyncExitStack
) -> KeyWrapper:
    """Raises ``ValueError`` when there is neither a KMS key nor a key file."""
    from adapters.outbound.keys.kms import KmsKeyWrapper
    from adapters.outbound.keys.local_file import LocalKeyFile

    if settings.kms_key:
        kms = await stack.enter_async_context(connection.kms())
        return KmsKeyWrapper(kms, settings.kms_key)
    if settings.key_file is None:
        raise ValueError("personal data needs HOMECAST_KMS_KEY, or HOMECAST_KEY_FILE without AWS")
    return LocalKeyFile(settings.key_file)


@asynccontextmanager
async def core(
    settings: Settings, service: str, *, origin_gateway: str = ""
) -> AsyncIterator[Core]:
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(storage(settings))
        dynamodb = parts.dynamodb
        redis = connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        link = Link(redis)
        hints = RedisHints(link, to_cloud_event=to_cloud_event, origin_gateway=origin_gateway)
        unawaited = UnawaitedHints(hints)
        stack.push_async_callback(unawaited.settled)
        clock, ids = SystemClock(), Ulids()

        def write_side(context: str, hints: Hints) -> WriteSide:
            store = event_store(dynamodb, settings, context, parts.sealer)
            snapshots = DynamoDbSnapshotStore(
                dynamodb,
                settings.snapshots_table(context),
                keyring=parts.keyring,
                generation=settings.store_generation,
            )
            repository = Repository(store, snapshots)
            dispatcher = Dispatcher(
                store=store, repository=repository, hints=hints, clock=clock, ids=ids
            )
            return WriteSide(store, repository, dispatcher)

        devices = write_side("devices", unawaited)
        control = DynamoDbControl(dynamodb, settings.read_models_table)
        yield Core(
            settings=settings,
            tracer=make_tracer(settings, service),
            accounts=write_side("accounts", NoHints()),
            keyring=parts.keyring,
            objects=parts.objects,
            sealer=parts.sealer,
            store=devices.store,
            vault=DynamoDbVault(dynamodb, settings.vault_table),
            repository=devices.repository,
            dispatcher=devices.dispatcher,
            hints=hints,
            unawaited=unawaited,
            lanes=hints,
            watchers=RedisWatchers(link),
            presence=RedisPresence(link),
            link=link,
            dynamodb=dynamodb,
            control=control,
            pointer=Pointer(control.states),
            clock=clock,
            ids=ids,
        )


@asynccontextmanager
async def threads(settings: Settings) -> AsyncIterator[Threads]:
    """The pool that pynamodb's models run in."""
    pool = Threads()
    try:
        yield pool
    finally:
        pool.close()


PROJECTIONS: dict[str, Projection[Any]] = {
    one.name: one for one in (devices.DEVICES, remote_commands.REMOTE_COMMANDS)
}


def read_models(settings: Settings, slot: Slot) -> ReadModels:
    return ReadModels.of(
        devices_table=settings.slot("devices", slot).table,
        commands_table=settings.slot("remote_commands", slot).table,
        region=settings.aws_region,
        host=settings.aws_endpoint_url,
    )


@dataclass(frozen=True)
class SlottedModels:
    devices: Slotted[DevicesTable]
    remote_commands: Slotted[RemoteCommandsTable]


def slotted(settings: Settings, pointer: Pointer) -> SlottedModels:
    slots = {slot: read_models(settings, slot) for slot in Slot}
    return SlottedModels(
        Slotted("devices", {slot: one.devices for slot, one in slots.items()}, pointer),
        Slotted("remote_commands", {s: one.remote_commands for s, one in slots.items()}, pointer),
    )


def gates(
    projection: Projection[Row],
    tables: Slotted[Any],
    pool: Threads,
    parts: Core,
) -> Slotted[Gate[Row]]:
    """One before each slot of a model of the devices context."""
    lot = parking_lot(projection.name, pool, parts)
    each = {
        slot: Gate(
            projection, GatedRows[Row](parts.dynamodb, pool, tables.of(slot)), parts.store, lot
        )
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
        versions={name: one.version for name, one in PROJECTIONS.items()},
        depth=depths,
        parked=parked_rows(pool, settings).count,
    )
    try:
        yield found
    finally:
        await found.aclose()
        await depths.aclose()


def parking_lot(model: str, pool: Threads, parts: Core) -> Parking:
    from adapters.inbound.workers.parking import ToldParking

    registry = parked_rows(pool, parts.settings)
    lot = ParkingLot(model, registry=registry, published=parts.store, clock=parts.clock)
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


def twins(settings: Settings) -> None:
    configure_twins(
        settings.twins_table, region=settings.aws_region, host=settings.aws_endpoint_url
    )


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
        "devices": gates(devices.DEVICES, models.devices, pool, parts),
        "remote_commands": gates(
            remote_commands.REMOTE_COMMANDS, models.remote_commands, pool, parts
        ),
    }
    return Operations(
        ParkedRows(each, registry=parked_rows(pool, settings), clock=parts.clock),
        SqsDeadLetters(aws(settings).sqs, queues_with_dead_letters(settings)),
    )


@dataclass
class Api(Core):
    devices: DevicesQuery = field(kw_only=True)
    commands: CommandsQuery = field(kw_only=True)
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
        statuses(settings, parts, pool) as status,
    ):
        models = slotted(settings, parts.pointer)
        twins(settings)
        yield Api(
            **vars(parts),
            devices=DevicesQuery(pool, models.devices),
            commands=CommandsQuery(pool, models.remote_commands),
            twins=TwinsQuery(pool),
            feed=feed,
            counters=RedisCounters(parts.link),
            statuses=status,
            operations=operations(settings, parts, pool),
        )


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


@asynccontextmanager
async def relay(settings: Settings) -> AsyncIterator[Relay]:
    """Publishes the streams of all contexts."""
    from adapters.inbound.workers.relay import Relay
    from adapters.inbound.workers.shard_reader import Source
    from adapters.outbound.dynamodb.change_stream import DynamoDbTableStream
    from adapters.outbound.dynamodb.streams import DynamoDbEventScan

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


@asynccontextmanager
async def projector(settings: Settings) -> AsyncIterator[SlotFeeds]:
    from adapters.inbound.workers.feeds import SlotFeeds
    from adapters.inbound.workers.projector import subscribe

    async with (
        core(settings, "projector") as parts,
        threads(settings) as pool,
        EmbeddedMetrics("projector").flushed() as metrics,
    ):
        broker = make_broker(settings)
        inboxes = projection_inboxes(settings, parts, pool, broker, metrics)
        subscribers = {
            (model, slot): subscribe(
                broker,
                settings.slot(model, slot).queue,
                inbox,
                wait_seconds=settings.queue_wait_seconds,
                poll_interval=settings.queue_poll_interval,
            )
            for (model, slot), inbox in inboxes.items()
        }
        yield SlotFeeds(
            broker,
            subscribers,
            pointer=parts.pointer,
            control=parts.control,
            versions={name: one.version for name, one in PROJECTIONS.items()},
        )


@asynccontextmanager
async def queues(settings: Settings) -> AsyncIterator[Queues]:
    """The projector without its polls."""
    from adapters.inbound.aws_lambda.queues import Queues
    from adapters.outbound.messaging.postponement import SqsPostponement

    urls = {
        url.rsplit("/", 1)[-1]: url
        for url in (settings.slot(name, slot).queue for name in PROJECTIONS for slot in Slot)
    }
    async with (
        core(settings, "projector") as parts,
        threads(settings) as pool,
        make_broker(settings) as broker,
        EmbeddedMetrics("projector").flushed() as metrics,
        SqsPostponement.opened(aws(settings), urls) as postponement,
    ):
        for name, projection in PROJECTIONS.items():
            await parts.control.register(name, projection.version)
        by_slot = projection_inboxes(settings, parts, pool, broker, metrics)
        by_url = {settings.slot(*key).queue: inbox for key, inbox in by_slot.items()}
        yield Queues({name: by_url[url] for name, url in urls.items()}, postponement)


def projection_inboxes(
    settings: Settings, parts: Core, pool: Threads, broker: SQSBroker, metrics: EmbeddedMetrics
) -> dict[tuple[str, Slot], Inbox]:
    """What handles the messages of each slot's queue, in a process or in Lambda."""
    from adapters.inbound.workers.feeds import Progress
    from adapters.inbound.workers.projector import Inbox, Projector

    models = slotted(settings, parts.pointer)
    worker = Projector(
        devices=gates(devices.DEVICES, models.devices, pool, parts),
        remote_commands=gates(remote_commands.REMOTE_COMMANDS, models.remote_commands, pool, parts),
        pointer=parts.pointer,
        watchers=parts.watchers,
        lanes=parts.lanes,
        encode=to_cloud_event,
    )
    handlers = {"devices": worker.on_devices, "remote_commands": worker.on_remote_commands}
    return {
        (model, slot): Inbox(
            model,
            partial(handler, slot=slot),
            decode=parts.sealer.from_cloud_event,
            tracer=parts.tracer,
            broker=broker,
            dead_letters=settings.slot(model, slot).dead_letters,
            progress=Progress(parts.control, model, slot, metrics),
        )
        for model, handler in handlers.items()
        for slot in Slot
    }


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
    tables: dict[str, Slotted[Any]] = {
        "devices": models.devices,
        "remote_commands": models.remote_commands,
    }
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
        stores={"devices": parts.store, "accounts": parts.accounts.store},
        statuses=status,
        devices=DevicesQuery(pool, models.devices),
        new_id=parts.ids.new,
    )


@asynccontextmanager
async def operating(settings: Settings) -> AsyncIterator[Operations]:
    """For the CLI: parked rows and dead letters, though the API may be down."""
    async with (
        core(settings, "operator") as parts,
        threads(settings) as pool,
    ):
        yield operations(settings, parts, pool)


@asynccontextmanager
async def operator(settings: Settings) -> AsyncIterator[Core]:
    """For the CLI on a machine that may reach the tables: tokens, doctor."""
    async with core(settings, "operator") as parts:
        yield parts
