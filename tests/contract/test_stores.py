"""The store contract against memory, moto and the embedded AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore, MemoryVault
from adapters.outbound.objects.s3 import S3Objects
from commands.kernel.ports import EventStore
from tests.support.racing_writers import (
    OneAtATime,
    OverlappingWritersContract,
    RefusedBeforeAnyWriteContract,
)
from tests.support.sealing import BUCKET, event_store, snapshot_store
from tests.support.store_contract import (
    EventStoreContract,
    RacingWritersContract,
    SnapshotStoreContract,
    Stores,
    VaultContract,
    VaultInCommitContract,
)
from tests.support.tables import connect, create_bucket, create_tables


class StoresContract(
    EventStoreContract,
    VaultInCommitContract,
    VaultContract,
    SnapshotStoreContract,
    OverlappingWritersContract,
    RefusedBeforeAnyWriteContract,
):
    pass


@asynccontextmanager
async def on_dynamodb(url: str) -> AsyncIterator[Stores]:
    connection = connect(url)
    async with connection.dynamodb() as client, connection.s3() as s3:
        tables = await create_tables(client)
        objects = S3Objects(s3, await create_bucket(s3, BUCKET))
        yield Stores(
            event_store(client, tables, objects),
            DynamoDbVault(client, tables.vault),
            snapshot_store(client, tables),
            objects,
        )


class TestMemory(StoresContract, RacingWritersContract):
    @pytest.fixture
    def stores(self) -> Stores:
        vault = MemoryVault()
        store = MemoryEventStore(vault)
        return Stores(store, vault, MemorySnapshotStore(), store.objects)


class TestMoto(StoresContract):
    commits_each = 1
    """One transaction takes it a quarter of a second."""

    @pytest.fixture
    def shared(self, stores: Stores) -> EventStore:
        return OneAtATime(stores.events)

    @pytest.fixture
    async def stores(self, moto_url: str) -> AsyncIterator[Stores]:
        async with on_dynamodb(moto_url) as stores:
            yield stores


class TestMiniStack(StoresContract, RacingWritersContract):
    @pytest.fixture
    async def stores(self, ministack_url: str) -> AsyncIterator[Stores]:
        async with on_dynamodb(ministack_url) as stores:
            yield stores
