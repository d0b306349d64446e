"""The store contract against memory, moto and the embedded AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.outbound.dynamodb.vault import DynamoDbVault
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore, MemoryVault
from commands.kernel.ports import EventStore
from tests.support.racing_writers import (
    OneAtATime,
    OverlappingWritersContract,
    RefusedBeforeAnyWriteContract,
)
from tests.support.sealing import event_store, snapshot_store
from tests.support.store_contract import (
    EventStoreContract,
    RacingWritersContract,
    SnapshotStoreContract,
    Stores,
    VaultContract,
    VaultInCommitContract,
)
from tests.support.tables import connect, create_tables


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
    async with connect(url).dynamodb() as client:
        tables = await create_tables(client)
        yield Stores(
            event_store(client, tables),
            DynamoDbVault(client, tables.vault),
            snapshot_store(client, tables),
        )


class TestMemory(StoresContract, RacingWritersContract):
    @pytest.fixture
    def stores(self) -> Stores:
        vault = MemoryVault()
        return Stores(MemoryEventStore(vault), vault, MemorySnapshotStore())


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
