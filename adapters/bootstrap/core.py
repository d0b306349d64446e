"""What every process that decides has: the stores of the contexts, keys, Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.bootstrap.process import aws, make_tracer
from adapters.outbound.dynamodb.claim_check import ClaimCheck
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.dynamodb.codec import (
    to_cloud_event,
)
from adapters.outbound.dynamodb.control import DynamoDbControl
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.dynamodb.sealer import Sealer
from adapters.outbound.dynamodb.snapshots import DynamoDbSnapshotStore
from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.keys.dynamodb_keyring import DynamoDbKeyring
from adapters.outbound.keys.forgotten import ForgottenObjects
from adapters.outbound.keys.ports import KeyWrapper
from adapters.outbound.objects.s3 import S3Objects
from adapters.outbound.redis import (
    Link,
    RedisHints,
    RedisPresence,
    RedisWatchers,
    UnawaitedHints,
    connect,
)
from adapters.outbound.redis.token_states import RedisTokenStates
from adapters.outbound.system.clock import SystemClock, Ulids
from adapters.settings import Settings
from commands.accounts.bearers import VaultRevocations
from commands.kernel.dispatch import Dispatcher, NoHints, Repository
from commands.kernel.ports import Hints, Tracer
from projections.kernel.slots import Pointer

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class WriteSide:
    """One context's event store, and the way of a command through it."""

    store: DynamoDbEventStore
    repository: Repository
    dispatcher: Dispatcher


@dataclass
class Core:
    """What every process that decides has. ``store``, ``repository`` and ``dispatcher`` are those
    of the devices context, ``accounts`` and ``media`` have their own."""

    settings: Settings
    tracer: Tracer
    accounts: WriteSide
    media: WriteSide
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
    token_states: RedisTokenStates
    revocations: VaultRevocations
    dynamodb: DynamoDBClient
    control: DynamoDbControl
    pointer: Pointer
    clock: SystemClock = field(default_factory=SystemClock)
    ids: Ulids = field(default_factory=Ulids)

    def store_of(self, context: str) -> DynamoDbEventStore:
        others = {"accounts": self.accounts.store, "media": self.media.store}
        return others.get(context, self.store)


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
        vault = DynamoDbVault(dynamodb, settings.vault_table)
        token_states = RedisTokenStates(link)

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
            media=write_side("media", NoHints()),
            keyring=parts.keyring,
            objects=parts.objects,
            sealer=parts.sealer,
            store=devices.store,
            vault=vault,
            repository=devices.repository,
            dispatcher=devices.dispatcher,
            hints=hints,
            unawaited=unawaited,
            lanes=hints,
            watchers=RedisWatchers(link),
            presence=RedisPresence(link),
            link=link,
            token_states=token_states,
            revocations=VaultRevocations(vault, token_states),
            dynamodb=dynamodb,
            control=control,
            pointer=Pointer(control.states),
            clock=clock,
            ids=ids,
        )
