"""The registry of parked rows: one suite against memory, moto and MiniStack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.outbound.dynamodb.parked import ParkedItem, PynamoRegistry
from adapters.outbound.dynamodb.rows import Threads, opened
from projections.kernel.parking import KEPT, Action, Entry, Registry, Status
from tests.support.gated import MemoryRegistry
from tests.support.tables import REGION, connect

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def entry(row: str = "a.1", model: str = "remote_commands", **more: Any) -> Entry:
    fields: dict[str, Any] = {
        "model": model,
        "row": row,
        "key": ("a", 1),
        "stream": "lane-a",
        "version": 4,
        "number": 3,
        "event_id": "1:lane-a:4",
        "error": "KeyError",
        "message": "",
        "attempts": 1,
        "event": {"data": {"ü": [1.5, None]}},
        "first_at": AT,
        "last_at": AT,
        "actions": (Action(who="cli:anna", what="retry", at=AT),),
    }
    return Entry(**(fields | more))


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    threads.close()


@pytest.fixture(params=["memory", "moto", "ministack"])
async def registry(request: pytest.FixtureRequest, threads: Threads) -> AsyncIterator[Registry]:
    if request.param == "memory":
        yield MemoryRegistry()
        return
    url, name = request.getfixturevalue(f"{request.param}_url"), f"parked-{uuid4().hex[:12]}"
    keys = {"model": "HASH", "row": "RANGE"}
    async with connect(url).dynamodb() as client:
        await client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": one, "AttributeType": "S"} for one in (*keys, "open_model")
            ],
            KeySchema=[{"AttributeName": one, "KeyType": kind} for one, kind in keys.items()],  # type: ignore[typeddict-item]
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "open",
                    "KeySchema": [
                        {"AttributeName": "open_model", "KeyType": "HASH"},
                        {"AttributeName": "row", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
    yield PynamoRegistry(threads, opened(ParkedItem, name, region=REGION, host=url))


async def test_an_entry_comes_back_as_it_was_put(registry: Registry) -> None:
    assert await registry.get("remote_commands", "a.1") is None
    assert await registry.put(entry())
    assert await registry.get("remote_commands", "a.1") == entry()
    assert await registry.get("devices", "a.1") is None


async def test_only_the_next_revision_is_written(registry: Registry) -> None:
    assert not await registry.put(entry(revision=2))
    assert await registry.put(entry())
    assert not await registry.put(entry(attempts=9))
    assert not await registry.put(entry(revision=3))
    assert await registry.put(entry(revision=2, attempts=2))
    found = await registry.get("remote_commands", "a.1")
    assert found is not None
    assert found.attempts == 2


async def test_what_is_seen_to_leaves_the_open_list(registry: Registry) -> None:
    for row in ("a.3", "a.1", "a.2"):
        assert await registry.put(entry(row))
    assert await registry.put(entry("b", model="devices"))
    assert await registry.put(entry("a.2", status=Status.DROPPED, revision=2))
    found = await registry.list("remote_commands", limit=10)
    assert [one.row for one in found] == ["a.1", "a.3"]
    assert await registry.count("remote_commands") == 2
    everything = await registry.list("remote_commands", limit=10, everything=True)
    assert [one.row for one in everything] == ["a.1", "a.2", "a.3"]


@pytest.mark.parametrize("everything", [True, False])
async def test_a_list_goes_on_behind_the_last_row_shown(
    registry: Registry, everything: bool
) -> None:
    for number in range(1, 6):
        assert await registry.put(entry(f"a.{number}"))
    first = await registry.list("remote_commands", limit=3, everything=everything)
    rest = await registry.list(
        "remote_commands", limit=3, after=first[-1].row, everything=everything
    )
    assert [one.row for one in (*first, *rest)] == [f"a.{number}" for number in range(1, 6)]


def test_an_entry_stays_while_its_row_stands_and_ninety_days_longer() -> None:
    assert entry().expires_at() is None
    assert entry(status=Status.DROPPED).expires_at() is None
    for status in (Status.RETRIED, Status.SKIPPED):
        assert entry(status=status).expires_at() == AT + KEPT
    assert timedelta(days=90) == KEPT
