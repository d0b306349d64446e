"""Streams over a megabyte come in several answers, each of them strongly consistent."""

from __future__ import annotations

from typing import Any

import pytest

from commands.kernel.ports import Append
from tests.support.sealing import event_store
from tests.support.store_contract import big, commit, new_stream
from tests.support.tables import connect, create_tables


@pytest.mark.parametrize("engine", ["moto", "ministack"])
async def test_a_load_asks_for_every_page(engine: str, request: pytest.FixtureRequest) -> None:
    asked: list[dict[str, Any]] = []
    async with connect(request.getfixturevalue(f"{engine}_url")).dynamodb() as client:
        tables = await create_tables(client)
        store = event_store(client, tables)
        stream = new_stream()
        for after in range(0, 40, 10):
            events = [big(stream, after + each) for each in range(1, 11)]
            await commit(store, Append(stream, after, events))
        client.meta.events.register(
            "provide-client-params.dynamodb.Query", lambda params, **_: asked.append(dict(params))
        )
        read = await store.read(stream, after=1)
    assert [one.event.originator_version for one in read] == list(range(2, 41))
    assert len(asked) >= 3, "2.4 MB"
    assert all(one["ConsistentRead"] for one in asked)
    assert [("ExclusiveStartKey" in one) for one in asked] == [False] + [True] * (len(asked) - 1)
