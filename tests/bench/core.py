"""The event store beside the plain calls that it makes, and beside eventsourcing on SQLite.

Processor time of this process (all threads; the engine runs in another one), ours and theirs in
turns. **Plain** is aiobotocore with the same client and the same attributes, the data as a ready
dictionary through orjson: no types, no checks, no decisions. **eventsourcing** is its own event
store and SQLite recorder on a file, with our mapper, synchronous.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
from eventsourcing.persistence import EventStore as EventsourcingStore
from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteDatastore

from adapters.bootstrap import core as bootstrap_core
from adapters.outbound.dynamodb import codec
from adapters.outbound.dynamodb.client import AwsConnection
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.dynamodb.snapshots import DynamoDbSnapshotStore
from commands.kernel.dispatch import Loaded, Repository
from commands.kernel.ports import Append
from domain.devices.lane import LANE, Lane
from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded
from tests.bench.sizes import Sizes
from tests.support.aws_proxy import AwsProxy
from tests.support.given import folded
from tests.support.platform import Engines
from tests.support.streams import accepted, opened, sent, succeeded

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

CONTEXT = Context("01KA0000000000000000000001", "01KA0000000000000000000002", "token:t")
TOKEN = "01KA0000000000000000000004"
TAIL = 10
"""Events behind the snapshot."""
COMMANDS = 20
"""Lives in a stream that is loaded: 61 events."""

Once = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Pair:
    """Milliseconds of processor time each; ``peer`` None where eventsourcing has no equal."""

    what: str
    ours: float
    plain: float
    peer: float | None

    @property
    def ratio(self) -> float:
        return self.ours / self.plain


@dataclass(frozen=True)
class Units:
    """Write and read units and calls of one act of the store, as the counting proxy saw them."""

    what: str
    calls: int
    write_units: int
    read_units: float


@dataclass(frozen=True)
class Core:
    rounds: int
    each: int
    events_loaded: int
    pairs: list[Pair]
    codec: list[Pair]
    units: list[Units]


# --- what is stored -------------------------------------------------------------------------------


def history(device: str, commands: int = COMMANDS) -> tuple[Event, ...]:
    """A lane with so many commands that were accepted, sent and succeeded."""
    stream = LANE.stream(device)
    state: Lane = LANE.initial(stream)
    events: list[Event] = []
    for step in _steps(commands):
        made = step(state)
        state = folded(LANE, state, made)
        events += made
    return tuple(events)


def _steps(commands: int) -> Iterator[Callable[[Lane], list[Event]]]:
    yield opened()
    number = 2
    for _ in range(commands):
        yield from (accepted(), sent(number), succeeded(number))
        number += 3


def device(number: int) -> str:
    return f"{number:026d}".replace("0", "a").replace("1", "b").replace("8", "h").replace("9", "i")


def moved(event: Event, stream: str) -> Event:
    return event.model_copy(update={"originator_id": stream})


# --- the plain calls ------------------------------------------------------------------------------


async def plain_put(client: DynamoDBClient, table: str, head: Sequence[str], data: Any) -> None:
    stream, version, kind, at = head
    await client.put_item(
        TableName=table,
        Item={
            "stream": {"S": stream},
            "version": {"N": version},
            "type": {"S": kind},
            "time": {"S": at},
            "data": {"S": orjson.dumps(data).decode()},
            "token": {"S": TOKEN},
            "corr": {"S": CONTEXT.correlation_id},
            "caus": {"S": CONTEXT.causation_id},
            "who": {"S": CONTEXT.principal},
            "gen": {"N": "1"},
        },
        ConditionExpression="attribute_not_exists(#stream)",
        ExpressionAttributeNames={"#stream": "stream"},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


async def plain_load(client: DynamoDBClient, table: str, stream: str, after: int) -> list[Any]:
    answer = await client.query(
        TableName=table,
        KeyConditionExpression="#stream = :stream AND #version > :after",
        ExpressionAttributeNames={"#stream": "stream", "#version": "version"},
        ExpressionAttributeValues={":stream": {"S": stream}, ":after": {"N": str(after)}},
        ConsistentRead=True,
    )
    return [orjson.loads(item["data"]["S"]) for item in answer["Items"]]


# --- measuring ------------------------------------------------------------------------------------


@dataclass
class Scene:
    client: DynamoDBClient
    core: bootstrap_core.Core
    snapshots: DynamoDbSnapshotStore
    peer: EventsourcingStore[str]
    events_table: str
    snapshots_table: str
    sizes: Sizes

    async def compare(self, what: str, ours: Once, plain: Once, peer: Once | None) -> Pair:
        """Each in turns, ``core_rounds`` times ``core_each`` calls, one after the other."""
        competitors = [one for one in (ours, plain, peer) if one is not None]
        spent = [0.0] * len(competitors)
        for round_ in range(-1, self.sizes.core_rounds):
            for index, once in enumerate(competitors):
                taken = await self._time(once, round_ + 1)
                spent[index] += taken if round_ >= 0 else 0.0
        calls = self.sizes.core_rounds * self.sizes.core_each
        each = [1000 * one / calls for one in spent]
        return Pair(what, each[0], each[1], each[2] if peer else None)

    async def _time(self, once: Once, round_: int) -> float:
        gc.collect()
        began = time.process_time()
        for index in range(self.sizes.core_each):
            await once(round_ * self.sizes.core_each + index)
        return time.process_time() - began

    async def append(self) -> Pair:
        sample = history("a" * 26)[1]
        head = (str(sample.originator_version), sample.TOPIC, codec.dump_time(sample.timestamp))
        data = codec.dump_data(sample)

        async def ours(n: int) -> None:
            stream = LANE.stream(f"ours{n:022d}")
            event = moved(sample, stream)
            await self.core.store.commit(
                [Append(stream, 1, [event])], context=CONTEXT, commit_token=TOKEN
            )

        async def plain(n: int) -> None:
            await plain_put(self.client, self.events_table, (f"lane-plain{n}", *head), data)

        async def peer(n: int) -> None:
            self.peer.put([moved(sample, f"lane-peer{n}")])

        return await self.compare("append one event", ours, plain, peer)

    async def loads(self) -> list[Pair]:
        streams = [device(n) for n in range(self.sizes.core_each)]
        for one in streams:
            await self._store(one)
        last = len(history("a" * 26))
        warm = Repository(self.core.store, self.snapshots)
        for one in streams:
            await warm.load(LANE, one)

        async def cold(n: int) -> Loaded[Lane]:
            repository = Repository(self.core.store, NoSnapshots())
            return await repository.load(LANE, streams[n % len(streams)])

        async def snapshot(n: int) -> Loaded[Lane]:
            repository = Repository(self.core.store, self.snapshots)
            return await repository.load(LANE, streams[n % len(streams)])

        async def cached(n: int) -> Loaded[Lane]:
            return await warm.load(LANE, streams[n % len(streams)])

        async def plain_cold(n: int) -> Any:
            stream = LANE.stream(streams[n % len(streams)])
            return await plain_load(self.client, self.events_table, stream, 0)

        async def plain_snapshot(n: int) -> Any:
            stream = LANE.stream(streams[n % len(streams)])
            await self.client.get_item(
                TableName=self.snapshots_table, Key={"stream": {"S": stream}}
            )
            return await plain_load(self.client, self.events_table, stream, last - TAIL)

        async def plain_cached(n: int) -> Any:
            stream = LANE.stream(streams[n % len(streams)])
            return await plain_load(self.client, self.events_table, stream, last)

        async def peer(n: int) -> Any:
            stream = LANE.stream(streams[n % len(streams)])
            events = cast("list[Event]", list(self.peer.get(stream)))
            return folded(LANE, LANE.initial(stream), events)

        return [
            await self.compare(f"load {last} events", cold, plain_cold, peer),
            await self.compare(f"load snapshot and {TAIL} events", snapshot, plain_snapshot, None),
            await self.compare("load from the cache", cached, plain_cached, None),
        ]

    async def _store(self, name: str) -> None:
        stream = LANE.stream(name)
        events = [moved(one, stream) for one in history("a" * 26)]
        token = self.core.ids.new()
        await self.core.store.commit(
            [Append(stream, 0, events)], context=CONTEXT, commit_token=token
        )
        state = folded(LANE, LANE.initial(stream), events[:-TAIL])
        await self.core.repository._snapshot(LANE, state)
        self.peer.put(events)


class NoSnapshots:
    async def load(self, stream: str, *, personal: bool = True) -> None:
        return None

    async def save(self, stream: str, snapshot: object) -> None:
        raise AssertionError("loading saves nothing")


async def coding(scene: Scene) -> list[Pair]:
    """An event to and from what is stored, beside its data alone through orjson."""
    event = history("a" * 26)[1]
    recorded = Recorded(event, CONTEXT, TOKEN)
    item, data, mapper = codec.to_item(recorded), codec.dump_data(event), PydanticMapper()
    text, stored = orjson.dumps(data), mapper.to_stored_event(event)

    def many(call: Callable[[], object]) -> Once:
        async def once(_: int) -> None:
            for _ in range(100):
                call()

        return once

    return [
        await scene.compare(
            "encode 100 events",
            many(lambda: codec.to_item(recorded)),
            many(lambda: orjson.dumps(data)),
            many(lambda: mapper.to_stored_event(event)),
        ),
        await scene.compare(
            "decode 100 events",
            many(lambda: codec.from_item(item)),
            many(lambda: orjson.loads(text)),
            many(lambda: mapper.to_domain_event(stored)),
        ),
    ]


# --- counts ---------------------------------------------------------------------------------------


async def counted(engines: Engines) -> list[Units]:
    """What a commit or a load costs, by the calculator of ``tests/support/capacity.py``."""
    async with AwsProxy(engines.endpoint_url) as proxy:
        settings = engines.settings.model_copy(update={"aws_endpoint_url": proxy.url})
        async with bootstrap_core.core(settings, "bench") as core:
            return [units async for units in _acts(core, proxy)]


async def _acts(core: bootstrap_core.Core, proxy: AwsProxy) -> Any:
    first, second = history("x" * 26, 9), history("y" * 26, 9)
    stream, other = first[0].originator_id, second[0].originator_id

    async def act(what: str, work: Awaitable[object]) -> Units:
        proxy.reset()
        await work
        writes, reads = proxy.capacity.total()
        return Units(what, sum(proxy.calls.values()), writes, reads)

    def commit(*appends: Append) -> Awaitable[object]:
        token = core.ids.new()
        return core.store.commit(appends, context=CONTEXT, commit_token=token)

    yield await act("commit of one event", commit(Append(stream, 0, first[:1])))
    yield await act("commit of three events", commit(Append(stream, 1, first[1:4])))
    pair = (Append(stream, 4, first[4:5]), Append(other, 0, second[:1]))
    yield await act("commit of two streams, one event each", commit(*pair))
    await core.store.commit([Append(stream, 5, first[5:])], context=CONTEXT, commit_token="t")
    yield await act("load of 28 events", core.repository.load(LANE, "x" * 26))
    yield await act("load from the cache", core.repository.load(LANE, "x" * 26))


# --- all of it ------------------------------------------------------------------------------------


async def measure(directory: Path, sizes: Sizes) -> Core:
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(Engines(directory))
        units = await counted(engines)
        settings = engines.settings
        core = await stack.enter_async_context(bootstrap_core.core(settings, "bench"))
        connection = AwsConnection(settings.aws_region, settings.aws_endpoint_url)
        client = await stack.enter_async_context(connection.dynamodb())
        datastore = SQLiteDatastore(str(directory / "peer.sqlite"), originator_id_type="text")
        stack.callback(datastore.close)
        recorder = SQLiteAggregateRecorder(datastore)
        recorder.create_table()
        scene = Scene(
            client=client,
            core=core,
            snapshots=DynamoDbSnapshotStore(
                client, settings.devices_snapshots_table, keyring=core.keyring
            ),
            peer=EventsourcingStore(PydanticMapper(), recorder),
            events_table=settings.devices_events_table,
            snapshots_table=settings.devices_snapshots_table,
            sizes=sizes,
        )
        pairs = [await scene.append(), *await scene.loads()]
        return Core(
            rounds=sizes.core_rounds,
            each=sizes.core_each,
            events_loaded=len(history("a" * 26)),
            pairs=pairs,
            codec=await coding(scene),
            units=units,
        )
