"""Load, decide, append, decide again: conflicts, cache, snapshots, tokens."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from commands.kernel import dispatch
from commands.kernel.dispatch import ATTEMPTS, Unit
from commands.kernel.ports import Append, Snapshot
from domain.devices.device import DEVICE, Device, DeviceAlreadyClaimed, DeviceReportedLost
from domain.devices.lane import LANE, Lane, LaneOpened
from domain.kernel.errors import Busy, HintsUnavailable, StoreUnavailable, VersionConflict
from domain.kernel.event import Event
from domain.kernel.machine import IllegalMoveError
from domain.kernel.recorded import Recorded
from tests.support.given import CONTEXT
from tests.support.interleave import ForgettingStore, InterleavingStore, PassingStore
from tests.support.streams import at
from tests.support.write_side import DEVICE_ID, WriteSide


async def claimed_with(store_of: type[PassingStore]) -> tuple[WriteSide, PassingStore]:
    side = WriteSide()
    await side.claim()
    store = store_of(side.memory)
    return side.beside(store), store


async def test_after_a_conflict_the_decision_is_made_again_on_what_is_there() -> None:
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [lambda: rival.rename("theirs")]
    version, events = await side.rename("mine")
    assert (version, len(events), store.conflicts) == (3, 1, 1)
    assert (await side.device()).name == "mine"


async def test_after_a_conflict_there_may_be_nothing_left_to_do() -> None:
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [lambda: rival.rename("same")]
    assert await side.rename("same") == (2, [])
    assert side.hints.told == []


async def test_endless_conflicts_end_as_busy() -> None:
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [partial(rival.rename, f"theirs {n}") for n in range(ATTEMPTS + 5)]
    with pytest.raises(Busy) as busy:
        await side.rename("mine")
    assert busy.value.retryable
    assert busy.value.extra["retry_after"] == 1
    assert store.commits == ATTEMPTS
    assert (await side.device()).name == f"theirs {ATTEMPTS - 1}"
    assert side.hints.told == []


async def test_one_conflict_less_than_the_bound_succeeds() -> None:
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [partial(rival.rename, f"theirs {n}") for n in range(ATTEMPTS - 1)]
    await side.rename("mine")
    assert (await side.device()).name == "mine"


async def test_conflicts_over_a_long_time_end_as_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TIME_LIMIT", 0)
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    store.rivals = [partial(rival.rename, f"theirs {n}") for n in range(3)]
    with pytest.raises(Busy):
        await rival.beside(store).rename("mine")
    assert store.commits == 1


async def test_pauses_are_anything_up_to_a_bound_that_doubles_and_none_is_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bounds: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        bounds.append(high)
        return 0.0

    monkeypatch.setattr(dispatch, "FIRST_PAUSE", 1)
    monkeypatch.setattr("random.uniform", uniform)
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [partial(rival.rename, f"theirs {n}") for n in range(ATTEMPTS)]
    with pytest.raises(Busy):
        await side.rename("mine")
    assert bounds == [2**n for n in range(ATTEMPTS - 1)]


async def test_a_commit_repeated_after_a_lost_answer_stores_once() -> None:
    side, store = await claimed_with(ForgettingStore)
    number, events = await side.submit()
    assert (number, len(events), store.conflicts) == (2, 1, 0)
    await side.release()
    assert [event.originator_version for event in await side.lane_events()] == [1, 2, 3, 4]


async def test_each_attempt_has_a_token_of_its_own() -> None:
    """Else a lost race could take another attempt's events for its own."""
    rival = WriteSide()
    await rival.claim()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [lambda: rival.rename("theirs")]
    await side.rename("mine")
    tokens = [one.commit_token for one in await side.memory.read(f"device-{DEVICE_ID}")]
    assert len(set(tokens)) == len(tokens) == 3


async def test_an_unreachable_store_is_told_and_leaves_no_trace_in_the_cache() -> None:
    side = WriteSide()
    await side.claim()

    class DownStore(PassingStore):
        async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
            raise StoreUnavailable

    down = side.beside(DownStore(side.memory))
    with pytest.raises(StoreUnavailable):
        await down.rename("mine")
    assert (await down.repository.load(DEVICE, DEVICE_ID, cached=True)).state.name == "Lamp"


class UnsureStore(PassingStore):
    """The next commit is ``stored`` or not, and ends with ``error`` and without an answer."""

    stored = False
    error: type[BaseException] | None = None

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        error, self.error = self.error, None
        if error is None:
            return await super().commit(*args, **kwargs)
        if self.stored:
            await super().commit(*args, **kwargs)
        raise error


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("error", [StoreUnavailable, asyncio.CancelledError])
async def test_what_may_or_may_not_have_been_stored_is_never_built_upon(
    stored: bool, error: type[BaseException]
) -> None:
    side = WriteSide()
    await side.claim()
    store = UnsureStore(side.memory)
    unsure = side.beside(store)
    first, _ = await unsure.submit()
    store.stored, store.error = stored, error
    with pytest.raises(error):
        await unsure.submit(idempotency_key="k")
    cached = await unsure.repository.load(LANE, DEVICE_ID, cached=True)
    assert cached.version == first, "as before"
    await unsure.send(first)  # decided on the cached lane, and found out by the append
    again, _ = await unsure.submit(idempotency_key="k")
    lane = await side.lane()
    assert lane.queue() == [first, again]
    assert store.conflicts == stored
    versions = [one.originator_version for one in await side.lane_events()]
    assert versions == list(range(1, len(versions) + 1))
    assert (await unsure.repository.load(LANE, DEVICE_ID, cached=True)).state == lane


async def test_an_illegal_move_is_never_stored() -> None:
    side = WriteSide()
    await side.claim()
    await side.release()

    async def wrong(unit: Unit) -> None:
        device = await unit.load(DEVICE, DEVICE_ID)
        event = DeviceReportedLost(
            originator_id=device.stream,
            originator_version=device.version + 1,
            timestamp=at(0),
            by="bug",
        )
        unit.append(device, [event])

    with pytest.raises(IllegalMoveError):
        await side.run(wrong)
    assert (await side.device()).version == 2


async def test_a_decision_that_raises_stores_nothing() -> None:
    side = WriteSide()
    await side.claim()

    async def failing(unit: Unit) -> None:
        lane = await unit.load(LANE, DEVICE_ID)
        unit.append(lane, [])
        unit.write_vault("kind#id", {"a": 1})
        raise HintsUnavailable

    with pytest.raises(HintsUnavailable):
        await side.run(failing)
    assert await side.memory.vault.get("kind#id") is None


async def test_the_vault_is_written_with_the_events_or_not_at_all() -> None:
    rival = WriteSide()
    store = InterleavingStore(rival.memory)
    side = rival.beside(store)
    store.rivals = [lambda: rival.claim("01RIVAL")]

    with pytest.raises(DeviceAlreadyClaimed):
        await side.claim()
    assert (await side.device()).account_id == "01RIVAL"


async def test_a_stale_append_is_refused_whole() -> None:
    memory = MemoryEventStore()

    def opened(stream: str, version: int) -> Event:
        return LaneOpened(
            originator_id=stream,
            originator_version=version,
            timestamp=at(0),
            account_id="a",
            device_version=1,
        )

    await memory.commit(
        [Append("lane-a", 0, [opened("lane-a", 1)])], context=CONTEXT, commit_token="one"
    )
    both = [
        Append("lane-b", 0, [opened("lane-b", 1)]),
        Append("lane-a", 0, [opened("lane-a", 1)]),
    ]
    with pytest.raises(VersionConflict):
        await memory.commit(both, context=CONTEXT, commit_token="two")
    assert await memory.read("lane-b") == []


# --- cache ----------------------------------------------------------------------------------------


async def test_the_tail_is_read_whatever_the_cache_says() -> None:
    side = WriteSide()
    await side.claim()
    other = side.beside()
    await other.rename("mine")
    await side.rename("theirs")
    await other.rename("mine again")
    assert (await side.device()).version == 4


async def test_a_stale_cache_is_found_out_by_the_append() -> None:
    side = WriteSide()
    await side.claim()
    number, _ = await side.submit()
    gateway = side.beside()
    await gateway.sweep()
    second, _ = await side.submit()
    store = PassingStore(side.memory)
    gateway.dispatcher._store = store
    await gateway.send(number)
    assert store.conflicts == 1
    assert (await side.lane()).queue() == [number, second]


async def test_the_cache_is_bounded_and_drops_the_least_used() -> None:
    side = WriteSide(cache=2)
    for name in ("a", "b", "a", "c"):
        await side.repository.load(LANE, name)
    assert list(side.repository._cache) == ["lane-a", "lane-c"]


async def test_an_older_state_never_replaces_a_newer_one_in_the_cache() -> None:
    side = WriteSide()
    await side.claim()
    old = await side.repository.load(LANE, DEVICE_ID, cached=True)
    await side.submit()
    await side.repository.committed(old, old.state)
    assert (await side.repository.load(LANE, DEVICE_ID, cached=True)).version == 2


async def test_a_hint_that_skips_an_event_teaches_nothing() -> None:
    side = WriteSide()
    await side.claim()
    other = side.beside()
    await other.sweep()
    await side.submit()
    _, events = await side.submit()
    assert not other.repository.learn(LANE, events[0])
    assert not other.repository.learn(DEVICE, (await side.events(f"device-{DEVICE_ID}"))[0])


# --- snapshots ------------------------------------------------------------------------------------


async def side_with_snapshot() -> WriteSide:
    side = WriteSide()
    await side.claim()
    for n in range(60):
        await side.rename(f"name {n}")
    return side


async def test_a_snapshot_is_taken_where_the_policy_asks_for_it() -> None:
    side = await side_with_snapshot()
    snapshot = side.snapshots.snapshots[f"device-{DEVICE_ID}"]
    assert snapshot.version == DEVICE.snapshot_every
    assert f"lane-{DEVICE_ID}" not in side.snapshots.snapshots


async def test_from_a_snapshot_only_the_tail_is_read() -> None:
    side = await side_with_snapshot()

    class TailStore(PassingStore):
        async def read(
            self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
        ) -> list[Recorded]:
            assert after == DEVICE.snapshot_every
            return await super().read(stream, after=after, up_to=up_to, personal=personal)

    loaded = await side.beside(TailStore(side.memory)).repository.load(DEVICE, DEVICE_ID)
    assert loaded.state == await side.device()


OTHERWISE = Device(stream=f"device-{DEVICE_ID}", version=50, name="never told")


@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot(version=50, code_version=1, state=b"{"),
        Snapshot(version=50, code_version=1, state=b'{"stream": 7}'),
        Snapshot(
            version=50,
            code_version=DEVICE.code_version + 1,
            state=Device(stream=f"device-{DEVICE_ID}", version=50, name="x")
            .model_dump_json()
            .encode(),
        ),
    ],
)
async def test_a_snapshot_that_cannot_be_used_is_ignored(snapshot: Snapshot) -> None:
    side = await side_with_snapshot()
    side.snapshots.snapshots[f"device-{DEVICE_ID}"] = snapshot
    loaded = await side.beside().repository.load(DEVICE, DEVICE_ID)
    assert loaded.state == await side.device()


async def test_a_snapshot_that_cannot_be_saved_fails_nothing() -> None:
    class DownSnapshots(MemorySnapshotStore):
        async def save(self, stream: str, snapshot: Snapshot) -> None:
            raise StoreUnavailable

    side = WriteSide(snapshots=DownSnapshots())
    await side.claim()
    for n in range(60):
        await side.rename(f"name {n}")
    assert (await side.device()).version == 61


async def test_a_snapshot_of_a_lane_keeps_all_that_decisions_need() -> None:
    side = WriteSide()
    await side.claim()
    await side.submit(idempotency_key="k", collapse_key="c")
    lane = await side.lane()
    assert Lane.model_validate_json(lane.model_dump_json()) == lane
