"""Leases: one winner, no write without owning, and a lost answer does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from adapters.inbound.workers.ports import Lease, LeaseLost, Leases, Loss
from adapters.outbound.dynamodb.leases import DynamoDbLeases
from domain.kernel.errors import StoreUnavailable
from tests.support.relays import MemoryLeases
from tests.support.tables import connect, create_table

AT = datetime(2026, 1, 1, 12, 30, 0, 250_000, tzinfo=UTC)
LEASE = Lease("devices", "shard-1", AT)
LOSS = Lease("accounts", "lost/shard-0/x", AT, loss=Loss("shard-0", "trimmed", AT, 7))


@pytest.fixture(params=["memory", "moto", "ministack"])
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    if request.param == "memory":
        yield MemoryLeases()
        return
    url = request.getfixturevalue(f"{request.param}_url")
    async with connect(url).dynamodb() as client:
        table = f"relay-{uuid4().hex[:12]}"
        await create_table(client, table, ("shard", "S"))
        yield DynamoDbLeases(client, table)


async def only(leases: Leases) -> Lease:
    (lease,) = await leases.all()
    return lease


async def taken(leases: Leases, lease: Lease = LEASE, owner: str = "a") -> Lease:
    await leases.create(lease)
    found = await leases.take(lease, owner)
    assert found is not None
    return found


async def test_what_is_created_is_found_whole(leases: Leases) -> None:
    for lease in (LEASE, LOSS):
        await leases.create(lease)
    assert sorted(await leases.all(), key=lambda one: one.key) == [LOSS, LEASE]


async def test_a_second_creation_changes_nothing(leases: Leases) -> None:
    held = await taken(leases)
    await leases.create(LEASE)
    assert await only(leases) == held


async def test_taking_gives_the_newest_checkpoint(leases: Leases) -> None:
    held = await taken(leases)
    await leases.save(replace(held, owner="", counter=2, sequence="7"), held_by="a")
    found = await leases.take(await only(leases), "b")
    assert found is not None
    assert (found.owner, found.counter, found.sequence) == ("b", 3, "7")


async def test_a_lease_that_moved_since_it_was_seen_is_not_taken(leases: Leases) -> None:
    await taken(leases)
    assert await leases.take(LEASE, "b") is None
    assert (await only(leases)).owner == "a"


async def test_a_lease_that_is_gone_is_not_taken(leases: Leases) -> None:
    assert await leases.take(LEASE, "b") is None
    assert await leases.all() == []


async def test_of_many_that_take_one_wins(leases: Leases, request: pytest.FixtureRequest) -> None:
    await leases.create(LEASE)
    names = [f"relay-{number}" for number in range(8)]
    if "moto" in request.node.name:  # not made for concurrent requests
        found = [await leases.take(LEASE, name) for name in names]
    else:
        found = list(await asyncio.gather(*(leases.take(LEASE, name) for name in names)))
    (winner,) = [one for one in found if one is not None]
    assert await only(leases) == winner


async def test_who_does_not_own_a_lease_writes_nothing(leases: Leases) -> None:
    held = await taken(leases)
    theirs = await leases.take(held, "b")
    for late in (replace(held, sequence="9"), replace(held, owner="", finished=True)):
        with pytest.raises(LeaseLost):
            await leases.save(late, held_by="a")
    assert await only(leases) == theirs


async def test_a_save_repeated_after_a_lost_answer_is_no_loss(leases: Leases) -> None:
    held = replace(await taken(leases), counter=2, sequence="9")
    await leases.save(held, held_by="a")
    await leases.save(held, held_by="a")
    assert await only(leases) == held


async def test_only_a_lease_that_did_not_move_is_dropped(leases: Leases) -> None:
    held = await taken(leases)
    await leases.drop(LEASE)
    assert await only(leases) == held
    await leases.drop(held)
    assert await leases.all() == []


async def test_a_lease_of_a_dropped_item_is_lost(leases: Leases) -> None:
    held = await taken(leases)
    await leases.drop(held)
    with pytest.raises(LeaseLost):
        await leases.save(held, held_by="a")


async def test_many_leases_are_all_read(leases: Leases) -> None:
    names = [f"shard-{number}" for number in range(120)]
    for name in names:
        await leases.create(replace(LEASE, id=name, sequence="x" * 12_000))
    assert sorted(one.id for one in await leases.all()) == sorted(names)


async def test_a_missing_table_is_unavailable(ministack_url: str) -> None:
    async with connect(ministack_url).dynamodb() as client:
        with pytest.raises(StoreUnavailable):
            await DynamoDbLeases(client, "no-such-table").all()
