"""What every event store, vault and snapshot store has to do, whatever it is made of.

A test class inherits the suites and gives the fixture ``stores``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.outbound.dynamodb.codec import public_size
from adapters.outbound.dynamodb.event_store import DynamoDbEventStore
from adapters.outbound.memory.store import MemoryEventStore
from adapters.outbound.objects.ports import Objects
from commands.kernel.dispatch import Repository
from commands.kernel.ports import Append, EventStore, Snapshot, SnapshotStore, Vault, VaultWrite
from domain.devices.device import DEVICE, DeviceReleased, DeviceRenamed
from domain.devices.remote_command import RemoteCommandSucceeded
from domain.kernel.errors import ContractError, InvalidInput, TooLarge, VersionConflict
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from tests.support.events import AT

CONTEXT = Context("correlation", "causation", "token:1", trace="Root=1-2-3")
ACCOUNT = "01JDEMQ0000000000000000001"
WRITERS = 20


@dataclass(frozen=True)
class Stores:
    events: DynamoDbEventStore | MemoryEventStore
    vault: Vault
    snapshots: SnapshotStore
    objects: Objects


def new_stream() -> str:
    return f"device-{uuid4().hex}"


def token() -> str:
    return uuid4().hex


def renamed(stream: str, version: int, name: str = "lamp", **changes: Any) -> Event:
    event = DeviceRenamed(
        originator_id=stream,
        originator_version=version,
        timestamp=AT,
        name=name,
        account_id=ACCOUNT,
    )
    return event.model_copy(update=changes)


def big(stream: str, version: int, kilobytes: int = 60) -> Event:
    return DeviceReleased(
        originator_id=stream, originator_version=version, timestamp=AT, by="x" * kilobytes * 1024
    )


def answered(stream: str, value: Any) -> Event:
    return RemoteCommandSucceeded(
        originator_id=stream,
        originator_version=1,
        timestamp=AT,
        number=1,
        step=1,
        result={"value": value},
    )


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def append(stream: str, *names: str, after: int = 0) -> Append:
    events = [renamed(stream, version, name) for version, name in enumerate(names, after + 1)]
    return Append(stream, after, events)


async def commit(
    store: EventStore,
    *appends: Append,
    vault: Sequence[VaultWrite] = (),
    commit_token: str | None = None,
) -> list[Recorded]:
    return await store.commit(
        appends, context=CONTEXT, commit_token=commit_token or token(), vault=vault
    )


async def names(store: EventStore, stream: str) -> list[str]:
    events = [each.event for each in await store.read(stream)]
    return [event.name for event in events if isinstance(event, DeviceRenamed)]


class EventStoreContract:
    async def test_an_unknown_stream_is_empty(self, stores: Stores) -> None:
        assert await stores.events.read(new_stream()) == []

    async def test_events_come_back_with_all_that_stands_beside_them(self, stores: Stores) -> None:
        stream = new_stream()
        one = await commit(stores.events, append(stream, "a"))
        more = await commit(stores.events, append(stream, "b", "c", after=1))
        assert await stores.events.read(stream) == one + more
        assert [each.event.originator_version for each in one + more] == [1, 2, 3]
        assert {each.context for each in one + more} == {CONTEXT}
        assert one[0].id == f"1:{stream}:1"

    async def test_a_read_keeps_to_its_bounds(self, stores: Stores) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "a", "b", "c", "d"))

        async def versions(after: int, up_to: int | None) -> list[int]:
            read = await stores.events.read(stream, after=after, up_to=up_to)
            return [each.event.originator_version for each in read]

        assert await versions(1, 3) == [2, 3]
        assert await versions(2, None) == [3, 4]
        assert await versions(0, 9) == [1, 2, 3, 4]
        assert await versions(4, None) == []
        assert await versions(3, 3) == []
        assert await versions(3, 1) == []

    async def test_of_two_writers_on_one_version_the_second_conflicts(self, stores: Stores) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "first"))
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(stream, "second"))
        assert await names(stores.events, stream) == ["first"]

    async def test_a_batch_of_events_that_conflicts_in_part_is_refused_whole(
        self, stores: Stores
    ) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "a", "b"))
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(stream, "x", "y", "z", after=1))
        assert await names(stores.events, stream) == ["a", "b"]

    async def test_a_batch_over_streams_that_conflicts_in_one_is_refused_whole(
        self, stores: Stores
    ) -> None:
        taken, fresh = new_stream(), new_stream()
        await commit(stores.events, append(taken, "a"))
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(fresh, "x"), append(taken, "y"))
        assert await names(stores.events, fresh) == []
        assert await names(stores.events, taken) == ["a"]

    async def test_a_commit_repeated_with_its_token_succeeds_and_stores_nothing_twice(
        self, stores: Stores
    ) -> None:
        one, other = new_stream(), new_stream()
        for appends in ([append(one, "a")], [append(one, "b", "c", after=1), append(other, "d")]):
            again = token()
            first = await commit(stores.events, *appends, commit_token=again)
            assert await commit(stores.events, *appends, commit_token=again) == first
        assert await names(stores.events, one) == ["a", "b", "c"]
        assert await names(stores.events, other) == ["d"]

    async def test_a_repeated_commit_is_recognised_below_later_events(self, stores: Stores) -> None:
        stream, again = new_stream(), token()
        first = await commit(stores.events, append(stream, "a"), commit_token=again)
        await commit(stores.events, append(stream, "b", after=1))
        assert await commit(stores.events, append(stream, "a"), commit_token=again) == first
        assert await names(stores.events, stream) == ["a", "b"]

    async def test_the_same_event_with_another_token_conflicts(self, stores: Stores) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "a"))
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(stream, "a"))

    async def test_a_commit_of_which_only_a_part_is_stored_is_no_repetition(
        self, stores: Stores
    ) -> None:
        one, other, again = new_stream(), new_stream(), token()
        await commit(stores.events, append(one, "a"), commit_token=again)
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(one, "a"), append(other, "b"), commit_token=again)
        assert await names(stores.events, other) == []

    async def test_streams_longer_than_a_page_are_read_whole(self, stores: Stores) -> None:
        stream = new_stream()
        for after in (0, 10):
            events = [big(stream, version) for version in range(after + 1, after + 11)]
            await commit(stores.events, Append(stream, after, events))
        read = await stores.events.read(stream)
        assert [each.event.originator_version for each in read] == list(range(1, 21))

    async def test_an_event_over_64_kilobytes_comes_back_whole(self, stores: Stores) -> None:
        stream = new_stream()
        written = await commit(
            stores.events, Append(stream, 0, [big(stream, 1), big(stream, 2, 900), big(stream, 3)])
        )
        assert await stores.events.read(stream) == written
        assert [bool(one.ref) for one in written] == [False, True, False]
        items = [item async for item in stores.events.scan_items() if item["stream"]["S"] == stream]
        assert [sorted({"data", "ref"} & set(item)) for item in items] == [
            ["data"], ["ref"], ["data"],
        ]  # fmt: skip
        assert max(public_size(item) for item in items) < 64 * 1024

    async def test_an_event_over_a_megabyte_is_refused_before_anything_is_written(
        self, stores: Stores
    ) -> None:
        stream = new_stream()
        events = [big(stream, 1, 500), big(stream, 2, kilobytes=1024)]
        with pytest.raises(TooLarge):
            await commit(stores.events, Append(stream, 0, events))
        assert await stores.events.read(stream) == []
        assert not [key for key in await stores.objects.keys("events/") if stream in key]

    async def test_a_race_for_a_large_event_leaves_the_winner_s_data(self, stores: Stores) -> None:
        stream = new_stream()
        won = await commit(stores.events, Append(stream, 0, [big(stream, 1, 100)]))
        with pytest.raises(VersionConflict):
            await commit(stores.events, Append(stream, 0, [big(stream, 1, 200)]))
        assert await stores.events.read(stream) == won

    async def test_a_large_commit_repeated_with_its_token_succeeds(self, stores: Stores) -> None:
        stream, again = new_stream(), token()
        events = [big(stream, 1, 100), renamed(stream, 2)]
        for _ in range(2):
            written = await commit(stores.events, Append(stream, 0, events), commit_token=again)
        assert await stores.events.read(stream) == written

    async def test_a_commit_over_100_actions_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        secret = [VaultWrite("token#1", {"a": 1})]
        with pytest.raises(TooLarge):
            await commit(stores.events, append(stream, *["x"] * 100), vault=secret)
        assert await stores.events.read(stream) == []
        await commit(stores.events, append(stream, *["x"] * 100))
        assert len(await stores.events.read(stream)) == 100

    async def test_a_commit_over_4_megabytes_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        events = [big(stream, version, kilobytes=63) for version in range(1, 68)]
        with pytest.raises(TooLarge):
            await commit(stores.events, Append(stream, 0, events))
        assert await stores.events.read(stream) == []

    async def test_a_vault_item_over_400_kilobytes_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        huge = VaultWrite("token#huge", {"x": "x" * 400 * 1024})
        with pytest.raises(TooLarge):
            await commit(stores.events, append(stream, "a"), vault=[huge])
        assert await stores.events.read(stream) == []

    async def test_a_value_that_json_cannot_carry_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        for value in ("\ud800", 2**70, nested(1000)):
            with pytest.raises(InvalidInput):
                await commit(stores.events, Append(stream, 0, [answered(stream, value)]))
        assert await stores.events.read(stream) == []

    async def test_a_commit_that_contradicts_itself_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        twice = [VaultWrite("token#1", {}), VaultWrite("token#1", None)]
        for bad in (
            [append(stream, "a"), append(stream, "a")],
            [Append(stream, 0, [renamed(stream, 2)])],
            [Append(stream, 0, [renamed(new_stream(), 1)])],
        ):
            with pytest.raises(ContractError):
                await commit(stores.events, *bad)
        with pytest.raises(ContractError):
            await commit(stores.events, append(stream, "a"), vault=twice)
        assert await stores.events.read(stream) == []

    async def test_an_empty_commit_stores_nothing(self, stores: Stores) -> None:
        assert await commit(stores.events) == []
        assert await commit(stores.events, Append(new_stream(), 3, [])) == []

    async def test_a_scan_gives_every_event_and_each_stream_in_order(self, stores: Stores) -> None:
        streams = [new_stream() for _ in range(3)]
        for stream in streams:
            await commit(stores.events, append(stream, "a", "b", "c"))
        found: dict[str, list[int]] = {}
        async for each in stores.events.scan():
            event = each.event
            found.setdefault(event.originator_id, []).append(event.originator_version)
        assert found == {stream: [1, 2, 3] for stream in streams}

    async def test_a_scan_since_a_time_leaves_out_what_is_older(self, stores: Stores) -> None:
        stream = new_stream()
        later = AT + timedelta(microseconds=1)
        events = [renamed(stream, 1), renamed(stream, 2, timestamp=later)]
        await commit(stores.events, Append(stream, 0, events))

        async def since(time: Any) -> list[Event]:
            return [each.event async for each in stores.events.scan_since(time)]

        assert await since(AT) == events
        assert await since(later) == events[1:]
        assert await since(later + timedelta(seconds=1)) == []


class VaultInCommitContract:
    async def test_the_vault_changes_with_the_commit(self, stores: Stores) -> None:
        stream = new_stream()
        await stores.vault.put("token#old", {"a": 1})
        writes = [VaultWrite("token#new", {"b": 2}), VaultWrite("token#old", None)]
        await commit(stores.events, append(stream, "a"), vault=writes)
        assert await stores.vault.get("token#new") == {"b": 2}
        assert await stores.vault.get("token#old") is None

    async def test_the_vault_stays_as_it_was_when_the_commit_conflicts(
        self, stores: Stores
    ) -> None:
        stream = new_stream()
        await stores.vault.put("token#old", {"a": 1})
        await commit(stores.events, append(stream, "a"))
        writes = [VaultWrite("token#new", {"b": 2}), VaultWrite("token#old", None)]
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(stream, "x"), vault=writes)
        assert await stores.vault.get("token#new") is None
        assert await stores.vault.get("token#old") == {"a": 1}

    async def test_a_commit_may_change_the_vault_alone(self, stores: Stores) -> None:
        await commit(stores.events, vault=[VaultWrite("token#1", {"a": 1})])
        assert await stores.vault.get("token#1") == {"a": 1}

    async def test_a_repeated_commit_with_a_vault_item_succeeds(self, stores: Stores) -> None:
        stream, again = new_stream(), token()
        writes = [VaultWrite("token#1", {"a": 1})]
        for _ in range(2):
            await commit(stores.events, append(stream, "a"), vault=writes, commit_token=again)
        assert await names(stores.events, stream) == ["a"]

    async def test_a_commit_holds_the_vault_to_what_it_expects(self, stores: Stores) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "a"), vault=[VaultWrite("grant#1", {"a": 1}, 0)])
        await commit(stores.events, vault=[VaultWrite("grant#1", {"a": 2}, 1)])
        for late in (VaultWrite("grant#1", {"a": 3}, 1), VaultWrite("grant#1", None, 1)):
            with pytest.raises(VersionConflict):
                await commit(stores.events, append(stream, "x"), vault=[late])
        assert await stores.vault.get("grant#1") == {"a": 2, "version": 2}
        assert await names(stores.events, stream) == ["a"]
        await commit(stores.events, vault=[VaultWrite("grant#1", None, 2)])
        assert await stores.vault.get("grant#1") is None

    async def test_a_commit_can_rest_on_an_item_that_it_leaves_as_it_is(
        self, stores: Stores
    ) -> None:
        stream, again = new_stream(), token()
        await stores.vault.put("password#1", {"a": 1}, expected=0)
        rests = [VaultWrite("password#1", None, 1, kept=True), VaultWrite("session#1", {"b": 1}, 0)]
        for _ in range(2):
            await commit(stores.events, append(stream, "a"), vault=rests, commit_token=again)
        assert await stores.vault.get("password#1") == {"a": 1, "version": 1}
        await stores.vault.put("password#1", {"a": 2}, expected=1)
        for late in (1, 3, 0):
            late_write = VaultWrite("password#1", None, late, kept=True)
            late_put = VaultWrite("session#2", {"b": 1}, 0)
            with pytest.raises(VersionConflict):
                await commit(stores.events, append(stream, "b", after=1), vault=[late_write])
            with pytest.raises(VersionConflict):
                await commit(stores.events, vault=[late_write, late_put])
        gone = VaultWrite("password#2", None, 1, kept=True)
        with pytest.raises(VersionConflict):
            await commit(stores.events, append(stream, "b", after=1), vault=[gone])
        assert await names(stores.events, stream) == ["a"]
        assert await stores.vault.get("session#2") is None

    async def test_a_repeated_commit_of_the_vault_alone_knows_what_it_has_put(
        self, stores: Stores
    ) -> None:
        again = token()
        for _ in range(2):
            writes = [VaultWrite("grant#1", {"random": "r1"}, 0)]
            await commit(stores.events, vault=writes, commit_token=again)
        with pytest.raises(VersionConflict):
            await commit(stores.events, vault=[VaultWrite("grant#1", {"random": "r2"}, 0)])


class RacingWritersContract:
    """Left out where the engine is not made for concurrent requests."""

    async def test_of_twenty_writers_on_one_version_one_wins(self, stores: Stores) -> None:
        stream = new_stream()
        writers = [commit(stores.events, append(stream, str(each))) for each in range(WRITERS)]
        results = await asyncio.gather(*writers, return_exceptions=True)
        won = [result for result in results if not isinstance(result, BaseException)]
        lost = [result for result in results if isinstance(result, VersionConflict)]
        assert (len(won), len(lost)) == (1, WRITERS - 1)
        assert await stores.events.read(stream) == won[0]

    async def test_twenty_writers_that_decide_again_lose_no_commit(self, stores: Stores) -> None:
        one, other = new_stream(), new_stream()

        async def write(name: str) -> None:
            while True:
                version = len(await stores.events.read(one))
                appends = [append(stream, name, after=version) for stream in (one, other)]
                try:
                    await commit(stores.events, *appends)
                except VersionConflict:
                    continue
                return

        await asyncio.gather(*(write(str(each)) for each in range(WRITERS)))
        written = await names(stores.events, one)
        assert sorted(written, key=int) == [str(each) for each in range(WRITERS)]
        assert await names(stores.events, other) == written


class VaultContract:
    async def test_what_was_put_can_be_read_replaced_and_deleted(self, stores: Stores) -> None:
        assert await stores.vault.get("token#1") is None
        await stores.vault.put("token#1", {"scopes": ["a"], "expires_at": None})
        assert await stores.vault.get("token#1") == {"scopes": ["a"], "expires_at": None}
        await stores.vault.put("token#1", {"expires_at": "2026-12-01T00:00:00Z"})
        assert await stores.vault.get("token#1") == {"expires_at": "2026-12-01T00:00:00Z"}
        await stores.vault.delete("token#1")
        await stores.vault.delete("token#1")
        assert await stores.vault.get("token#1") is None

    async def test_what_was_expected_is_replaced_and_nothing_else(self, stores: Stores) -> None:
        vault = stores.vault
        await vault.put("grant#1", {"random": "r1"}, expected=0)
        await vault.put("grant#1", {"random": "r1"}, expected=0)  # the same, after a lost answer
        with pytest.raises(VersionConflict):
            await vault.put("grant#1", {"random": "r2"}, expected=0)
        await vault.put("grant#1", {"random": "r2"}, expected=1)
        with pytest.raises(VersionConflict):
            await vault.put("grant#1", {"random": "r3"}, expected=1)
        with pytest.raises(VersionConflict):
            await vault.put("grant#2", {"random": "r1"}, expected=1)
        assert await vault.get("grant#1") == {"random": "r2", "version": 2}
        for version in (0, 1, 3):
            with pytest.raises(VersionConflict):
                await vault.delete("grant#1", expected=version)
        await vault.delete("grant#1", expected=2)
        assert await vault.get("grant#1") is None

    async def test_the_list_keeps_to_its_prefix(self, stores: Stores) -> None:
        for key in ("token#2", "token#1", "device-credential#1"):
            await stores.vault.put(key, {"key": key})
        found = await stores.vault.list("token#")
        assert found == [("token#1", {"key": "token#1"}), ("token#2", {"key": "token#2"})]

    async def test_an_expiry_that_is_no_time_is_refused(self, stores: Stores) -> None:
        for expiry in ("tomorrow", "2026-12-01T00:00:00", 7):
            with pytest.raises(InvalidInput):
                await stores.vault.put("token#1", {"expires_at": expiry})
        assert await stores.vault.get("token#1") is None


class SnapshotStoreContract:
    async def test_the_last_snapshot_comes_back(self, stores: Stores) -> None:
        stream = new_stream()
        assert await stores.snapshots.load(stream) is None
        for version in (200, 400):
            snapshot = Snapshot(version=version, code_version=1, state=b'{"a":1}')
            await stores.snapshots.save(stream, snapshot)
        assert await stores.snapshots.load(stream) == Snapshot(400, 1, b'{"a":1}')

    @pytest.mark.parametrize(
        "snapshot",
        [Snapshot(1, DEVICE.code_version, b"\x00 no state"), Snapshot(1, 999, b"{}")],
        ids=["unreadable", "of other code"],
    )
    async def test_a_snapshot_that_is_not_understood_is_ignored(
        self, stores: Stores, snapshot: Snapshot
    ) -> None:
        stream = new_stream()
        await commit(stores.events, append(stream, "a", "b"))
        await stores.snapshots.save(stream, snapshot)
        repository = Repository(stores.events, stores.snapshots)
        loaded = await repository.load(DEVICE, stream.removeprefix("device-"))
        assert (loaded.version, loaded.state.name) == (2, "b")
