"""The twin: later reports win, older ones change nothing, and clusters are merged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from adapters.outbound.dynamodb.rows import Threads
from adapters.outbound.dynamodb.twins import DynamoDbTwins
from domain.kernel.errors import Busy, InvalidInput, StoreUnavailable, TooLarge
from projections.devices import twin
from projections.devices.twin import ClusterStates, Report, Twin, TwinRow, read_twin, read_twins
from tests.support.events import AT
from tests.support.tables import REGION, connect, create_tables

S1, S2 = "01KA0000000000000000000001", "01KA0000000000000000000002"
ON, OFF = {"OnOff": {"on": True}}, {"OnOff": {"on": False}}


class FixedClock:
    def now(self) -> Any:
        return AT


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    threads.close()


@pytest.fixture(params=["moto", "ministack"])
async def _table(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    url = request.getfixturevalue(f"{request.param}_url")
    async with connect(url).dynamodb() as client:
        tables = await create_tables(client)
    TwinRow.configure(tables.twins, REGION, url)
    yield
    TwinRow.configure("", "", None)


@pytest.fixture
def twins(_table: None, threads: Threads) -> DynamoDbTwins:
    return DynamoDbTwins(threads, FixedClock())


@pytest.fixture
def device_id() -> str:
    return uuid4().hex


async def state_of(device_id: str) -> dict[str, Any]:
    found = await asyncio.to_thread(read_twins, [device_id])
    return found[device_id].state


async def test_a_report_is_merged_by_cluster_and_attribute(
    twins: DynamoDbTwins, device_id: str
) -> None:
    first: ClusterStates = {"OnOff": {"on": True}, "LevelControl": {"level": 1, "max": 9}}
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=first)
    second: ClusterStates = {"LevelControl": {"level": 5}, "Ünïcode": {"a": [1.5, None]}}
    assert await twins.report(device_id, claim=1, session=S1, sequence=2, state=second)
    assert await asyncio.to_thread(read_twin, device_id) == Twin(
        device_id=device_id,
        claim=1,
        session=S1,
        sequence=2,
        state={
            "OnOff": {"on": True},
            "LevelControl": {"level": 5, "max": 9},
            "Ünïcode": {"a": [1.5, None]},
        },
        reported_at=AT,
        version=2,
    )


async def test_a_report_that_is_not_later_changes_nothing(
    twins: DynamoDbTwins, threads: Threads, device_id: str
) -> None:
    assert await twins.report(device_id, claim=1, session=S2, sequence=5, state=ON)
    stranger = DynamoDbTwins(threads)
    for writer in (twins, stranger):
        for session, sequence in ((S2, 5), (S2, 4), (S1, 99)):
            assert not await writer.report(
                device_id, claim=1, session=session, sequence=sequence, state=OFF
            )
    assert await state_of(device_id) == ON


async def test_a_later_session_wins_over_any_sequence_of_an_earlier_one(
    twins: DynamoDbTwins, device_id: str
) -> None:
    assert await twins.report(device_id, claim=1, session=S1, sequence=99, state=ON)
    assert await twins.report(device_id, claim=1, session=S2, sequence=1, state=OFF)
    assert await state_of(device_id) == OFF


async def test_the_next_claim_begins_with_nothing_and_the_last_one_is_over(
    twins: DynamoDbTwins, threads: Threads, device_id: str
) -> None:
    home: ClusterStates = {"LevelControl": {"level": 1}}
    assert await twins.report(device_id, claim=1, session=S2, sequence=9, state=home)
    for writer in (twins, DynamoDbTwins(threads)):
        assert await writer.report(device_id, claim=7, session=S1, sequence=1, state=ON) is (
            writer is twins
        )
        assert not await writer.report(device_id, claim=1, session=S2, sequence=10, state=home)
    assert await state_of(device_id) == ON


async def test_a_twin_of_before_claims_were_kept_is_an_earlier_one(
    twins: DynamoDbTwins, device_id: str
) -> None:
    row = TwinRow(device_id, session=S2, sequence=1, state="{}", reported_at=AT, version=1)
    row.claim = None
    TwinRow.claim.null = True
    try:
        await asyncio.to_thread(row.save)
    finally:
        TwinRow.claim.null = False
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=ON)
    assert await state_of(device_id) == ON


async def test_a_stale_memory_is_found_out(
    twins: DynamoDbTwins, threads: Threads, device_id: str
) -> None:
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=ON)
    other = DynamoDbTwins(threads)
    assert await other.report(device_id, claim=1, session=S2, sequence=1, state={"A": {"a": 1}})
    assert not await twins.report(device_id, claim=1, session=S1, sequence=2, state=OFF)
    assert await other.report(device_id, claim=1, session=S2, sequence=2, state={"A": {"b": 2}})
    assert await state_of(device_id) == {**ON, "A": {"a": 1, "b": 2}}


async def test_the_usual_report_is_one_write_and_no_read(
    twins: DynamoDbTwins, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=ON)
    monkeypatch.delattr(twin, "read_twin")
    assert await twins.report(device_id, claim=1, session=S1, sequence=2, state=OFF)
    assert await state_of(device_id) == OFF


async def test_a_report_whose_answer_was_lost_counts_as_written(
    twins: DynamoDbTwins, device_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = TwinRow.save

    def save_twice(row: TwinRow, **options: Any) -> Any:
        save(row, **options)
        return save(row, **options)

    monkeypatch.setattr(TwinRow, "save", save_twice)
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=ON)
    monkeypatch.undo()
    assert not await twins.report(device_id, claim=1, session=S1, sequence=1, state=ON)
    assert await state_of(device_id) == ON


async def test_a_bounded_memory_forgets_the_twin_unused_for_longest(
    twins: DynamoDbTwins, threads: Threads, device_id: str
) -> None:
    twins = DynamoDbTwins(threads, size=1)
    for sequence in (1, 2):
        for each in (device_id, f"{device_id}-2"):
            assert await twins.report(each, claim=1, session=S1, sequence=sequence, state=ON)
    assert len(twins._known) == 1


async def test_twins_of_many_devices_are_read_at_once(twins: DynamoDbTwins, device_id: str) -> None:
    ids = [f"{device_id}-{each}" for each in range(3)]
    for each in ids[:2]:
        await twins.report(each, claim=1, session=S1, sequence=1, state=ON)
    found = await asyncio.to_thread(read_twins, [*ids, *ids, *(f"x-{n}" for n in range(150))])
    assert sorted(found) == ids[:2]
    assert await asyncio.to_thread(read_twins, []) == {}


async def test_state_without_end_is_refused(twins: DynamoDbTwins, device_id: str) -> None:
    half: ClusterStates = {"A": {"a": "x" * 70_000}}
    assert await twins.report(device_id, claim=1, session=S1, sequence=1, state=half)
    with pytest.raises(TooLarge):
        await twins.report(device_id, claim=1, session=S1, sequence=2, state={"B": half["A"]})
    with pytest.raises(InvalidInput):
        await twins.report(device_id, claim=1, session=S1, sequence=3, state={"B": {"b": 2**70}})
    assert await state_of(device_id) == half


async def test_reports_at_once_leave_the_latest(
    threads: Threads, ministack_url: str, device_id: str
) -> None:
    async with connect(ministack_url).dynamodb() as client:
        tables = await create_tables(client)
    TwinRow.configure(tables.twins, REGION, ministack_url)
    twins = DynamoDbTwins(threads)

    async def report(sequence: int) -> bool:
        state = {"A": {str(sequence): sequence}, "B": {"b": sequence}}
        while True:
            with suppress(Busy):
                return await twins.report(
                    device_id, claim=1, session=S1, sequence=sequence, state=state
                )

    written = await asyncio.gather(*(report(each) for each in range(1, 11)))
    assert written[-1]
    kept = {str(each): each for each, done in enumerate(written, 1) if done}
    assert await state_of(device_id) == {"A": kept, "B": {"b": 10}}


async def test_a_missing_table_is_unavailable(
    ministack_url: str, threads: Threads, device_id: str
) -> None:
    TwinRow.configure("no-such-table", REGION, ministack_url)
    with pytest.raises(StoreUnavailable):
        await DynamoDbTwins(threads).report(device_id, claim=1, session=S1, sequence=1, state=ON)


def test_reports_are_compared_by_session_then_sequence() -> None:
    held = Twin("d", 1, S2, 2, {}, AT, 1)
    for session, sequence, order in ((S2, 2, 0), (S2, 1, 1), (S1, 9, 1), (S2, 3, -1)):
        assert held.compare(Report("d", 1, session, sequence, {}, AT)) == order
