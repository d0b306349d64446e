"""The platform as processes that take turns: dispatchers, relay and gates are the real ones.

Between them stand a store, a table's stream that gives its records late and in any order, a topic
that forgets what it has taken, and queues that deliver in any order and again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from adapters.faststream_aws import OutgoingMessage, SQSBroker
from adapters.faststream_aws.outgoing import BatchResult, NotPublished, Published
from adapters.inbound.workers.leases import HeldLease
from adapters.inbound.workers.outlet import Outlet
from adapters.inbound.workers.ports import Lease, Page, Shard, StreamRecord
from adapters.inbound.workers.publisher import Publisher
from adapters.inbound.workers.shard_reader import ShardReader, Source
from adapters.outbound.dynamodb.batch import Batch
from adapters.outbound.dynamodb.codec import Item, item_to_cloud_event
from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from commands.kernel.ports import Append, VaultWrite
from domain.kernel.errors import HomecastError, StoreUnavailable, Unavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from projections.devices.devices import DEVICES
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel.gate import Gate, Held, Key, Projection
from tests.support.gated import MemoryRows
from tests.support.relays import FakeMetrics, MemoryLeases
from tests.support.sealing import DerivedKeyring, opened
from tests.support.turns import LONGEST_PAUSE, Process, Turns, VirtualTime
from tests.support.write_side import CountedIds, SetClock, WriteSide

APIS = ("api 0", "api 1")
PROJECTORS = ("projector 0", "projector 1")
RELAY = "relay"
SHARD = Shard("shard", None)
PAGE = 3
AT = datetime.now(UTC)
LEASE = Lease("devices", SHARD.id, AT)
LEASE_SECONDS = 4 * LONGEST_PAUSE
"""Renewed, with the place it has come to, whenever everybody has come to their next call."""

Request = Callable[[WriteSide], Any]


class LoggedStore(MemoryEventStore):
    """``log``: what was stored, for the table's stream."""

    def __init__(self) -> None:
        super().__init__(keyring=DerivedKeyring())
        self.log: list[Item] = []

    def _write(self, batch: Batch) -> None:
        super()._write(batch)
        self.log += batch.events


class TurnStore:
    """A process's connection to the store. Without an answer it asks again, with the same token."""

    def __init__(self, store: MemoryEventStore, turns: Turns, process: str) -> None:
        self._store = store
        self._turns = turns
        self._process = process

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        await self._turns.take(self._process, f"read {stream}")
        return await self._store.read(stream, after=after, up_to=up_to, personal=personal)

    async def commit(
        self,
        appends: Sequence[Append],
        *,
        context: Context,
        commit_token: str,
        vault: Sequence[VaultWrite] = (),
    ) -> list[Recorded]:
        async def write() -> list[Recorded]:
            return await self._store.commit(
                appends, context=context, commit_token=commit_token, vault=vault
            )

        try:
            return await self._turns.around(self._process, "commit", write)
        except StoreUnavailable:
            return await self._turns.around(self._process, "commit again", write)


class TurnRows:
    """A process's connection to a read model."""

    def __init__(self, rows: MemoryRows, turns: Turns, process: str) -> None:
        self._rows = rows
        self._turns = turns
        self._process = process

    async def get(self, key: Key) -> Held[Any] | None:
        await self._turns.take(self._process, f"get {key}")
        return await self._rows.get(key)

    async def put(self, key: Key, held: Held[Any], previous: Held[Any] | None) -> bool:
        return await self._turns.around(
            self._process, "put", lambda: self._rows.put(key, held, previous)
        )


class TurnStream:
    """``records``: what the stream gives by now, in its own order. Nothing new: the page waits."""

    def __init__(self, turns: Turns) -> None:
        self.records: list[Item] = []
        self.more = asyncio.Event()
        self.at_the_end = False
        self._turns = turns

    async def shards(self) -> list[Shard]:
        return [SHARD]

    async def iterator(self, shard: Shard, *, after: str | None) -> str:
        return str(int(after) + 1) if after else "0"

    async def page(self, iterator: str) -> Page:
        start = int(iterator)
        while start >= len(self.records):
            self.at_the_end = True
            self.more.clear()
            await self.more.wait()
        self.at_the_end = False
        await self._turns.take(RELAY, "page")
        items = self.records[start : start + PAGE]
        records = [
            StreamRecord(str(place), item, AT, inserted=True)
            for place, item in enumerate(items, start)
        ]
        return Page(records, str(start + len(items)))


class TurnLeases(MemoryLeases):
    def __init__(self, turns: Turns) -> None:
        super().__init__(LEASE)
        self._turns = turns

    async def save(self, lease: Lease, *, held_by: str) -> None:
        write = super().save
        await self._turns.around(RELAY, "renew", lambda: write(lease, held_by=held_by))

    def given_to(self, owner: str) -> Lease:
        self.items[LEASE.key] = replace(self.items[LEASE.key], owner=owner)
        return self.items[LEASE.key]


class TurnTopic:
    """Takes a batch whole, or fails, or takes it and loses the answer. Queues by category."""

    def __init__(self, turns: Turns) -> None:
        self.queues: dict[str, list[bytes]] = {"device": [], "lane": []}
        self._turns = turns

    async def publish_batch(self, *messages: OutgoingMessage, topic: str) -> BatchResult:
        async def take() -> None:
            for message in messages:
                self.queues[str(message.headers["category"])].append(orjson.dumps(message.body))

        try:
            await self._turns.around(RELAY, "publish", take)
        except StoreUnavailable:
            failed = [NotPublished(place, "Throttled") for place in range(len(messages))]
            return BatchResult(tuple(failed))
        return BatchResult(tuple(Published(place, "m") for place in range(len(messages))))


async def _nothing_is_lost(held: HeldLease) -> None:
    raise AssertionError(f"{held.lease.key} has lost nothing")


class Platform:
    """``settle`` lets everybody come to their next call; the test chooses what happens then."""

    store_type: type[LoggedStore] = LoggedStore
    gate_type: type[Gate[Any]] = Gate
    reader_type: type[ShardReader] = ShardReader
    rows_type: type[MemoryRows] = MemoryRows

    def __init__(self) -> None:
        self.loop = VirtualTime()
        self.turns = Turns()
        self.store = self.store_type()
        self.snapshots = MemorySnapshotStore(self.store.keyring)
        self.clock, self.ids = SetClock(), CountedIds()
        self.stream = TurnStream(self.turns)
        self.given = 0
        """Of the store's log: records that the stream has taken."""
        self.late: list[Item] = []
        self.leases = TurnLeases(self.turns)
        self.topic = TurnTopic(self.turns)
        self.models: dict[str, tuple[Projection[Any], MemoryRows]] = {
            "device": (DEVICES, self.rows_type()),
            "lane": (REMOTE_COMMANDS, self.rows_type()),
        }
        self.processes = {name: Process(name) for name in (*APIS, *PROJECTORS, RELAY)}
        self.sides = {name: self._side(name) for name in APIS}
        self.acknowledged: list[tuple[str, Any, list[Event]]] = []
        self.delivered: list[tuple[str, bytes]] = []
        self.start_relay()

    # --- processes --------------------------------------------------------------------------------

    def _side(self, name: str) -> WriteSide:
        return WriteSide(
            TurnStore(self.store, self.turns, name),
            memory=self.store,
            snapshots=self.snapshots,
            clock=self.clock,
            ids=self.ids,
        )

    def request(self, api: str, marker: str, request: Request) -> None:
        async def run() -> None:
            with suppress(HomecastError):
                result, events = await request(self.sides[api])
                self.acknowledged.append((marker, result, events))

        self.processes[api].start(self.loop, run())

    def start_relay(self) -> None:
        self.stream.at_the_end = False
        metrics, broker = FakeMetrics(), cast("SQSBroker", self.topic)
        publisher = Publisher(broker, "topic", context=LEASE.context, metrics=metrics)
        outlet = Outlet(LEASE.context, publisher, item_to_cloud_event, metrics)
        source = Source(self.stream, self.store, outlet)
        lease = self.leases.given_to(self.ids.new())
        held = HeldLease(self.leases, lease, seconds=LEASE_SECONDS, asked=time.monotonic())
        reader = self.reader_type(
            source, SHARD, held, poll_interval=0.25, report_loss=_nothing_is_lost
        )
        self.processes[RELAY].start(self.loop, held.keep())
        self.processes[RELAY].start(self.loop, reader.read(asyncio.Event()))

    def deliver(self, projector: str, category: str, places: Sequence[int]) -> None:
        """Some messages of a queue, as one batch; they come back unless it ends well."""
        queue = self.topic.queues[category]
        taken = [queue.pop(place % len(queue)) for place in places if queue]
        projection, rows = self.models[category]
        gate = self.gate_type(
            projection,
            TurnRows(rows, self.turns, projector),
            TurnStore(self.store, self.turns, projector),
        )

        async def run() -> None:
            done = False
            try:
                await gate.apply([opened(orjson.loads(body)) for body in taken])
                done = True
            except Unavailable:
                return
            finally:
                self.delivered += [(category, body) for body in taken]
                if not done:
                    queue.extend(taken)

        self.processes[projector].start(self.loop, run())

    def kill(self, name: str) -> None:
        """At whatever it is waiting for; it begins anew without memory."""
        self.processes[name].kill()
        self.settle()
        if name in APIS:
            self.sides[name] = self._side(name)
        elif name == RELAY:
            self.start_relay()

    # --- what happens -----------------------------------------------------------------------------

    def settle(self) -> None:
        self._hand_over()
        self.loop.run_until_complete(asyncio.sleep(LONGEST_PAUSE))
        self._hand_over()
        for process in self.processes.values():
            process.collect()

    def _hand_over(self) -> None:
        self.late += self.store.log[self.given :]
        self.given = len(self.store.log)

    def appear(self, place: int) -> None:
        """One of the records on their way comes into the stream."""
        if self.late:
            self.stream.records.append(self.late.pop(place % len(self.late)))
            self.stream.more.set()
            self.stream.at_the_end = False

    def again(self, place: int) -> None:
        if self.delivered:
            category, body = self.delivered[place % len(self.delivered)]
            self.topic.queues[category].append(body)

    def come_to_rest(self) -> None:
        """Nothing fails any more, and everything on its way arrives, the newest first."""
        for _ in range(10_000):
            self.settle()
            while self.late:
                self.appear(-1)
            for category, queue in self.topic.queues.items():
                if queue:
                    self.deliver(PROJECTORS[0], category, [-1])
            if self._at_rest():
                return
            if self.turns.waiting:
                self.turns.release(0)
        raise AssertionError("the platform does not come to rest")

    def _at_rest(self) -> bool:
        busy = any(self.processes[name].tasks for name in (*APIS, *PROJECTORS))
        published = self.stream.at_the_end and not any(self.topic.queues.values())
        return published and not busy and not self.late

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    # --- what has to be true ----------------------------------------------------------------------

    def events(self, stream: str) -> list[Recorded]:
        return self.loop.run_until_complete(self.store.read(stream))

    def folded(self, category: str, stream: str) -> Mapping[Key, Any]:
        projection, rows = self.models[category][0], dict[Key, Any]()
        for one in self.events(stream):
            key = projection.key_of(one.event)
            if key is not None:
                rows[key] = projection.fold(rows.get(key), one.event).model_copy(
                    update={
                        "applied": projection.number_of(one.event),
                        "stream_version": one.event.originator_version,
                    }
                )
        return rows
