"""The gate makes disorder, repetition, batching, interruption and restored stores harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.devices.device import DEVICE
from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import FINAL, RemoteCommandEvent
from domain.kernel.errors import HomecastError, StoreUnavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES
from projections.devices.remote_commands import (
    REMOTE_COMMANDS,
    SWEEP_SLACK,
    RemoteCommandRow,
)
from projections.kernel.gate import Gate, Key, Projection
from tests.support.gated import (
    HistorySource,
    MemoryRegistry,
    MemoryRows,
    parked_rows,
    parking_lot,
)
from tests.support.given import CONTEXT
from tests.support.streams import (
    DeviceStep,
    accepted,
    claimed,
    histories,
    opened,
    released,
    renamed,
    reported_lost,
    swept,
)

Batches = list[list[Recorded]]


def recorded(history: Iterable[Event], generation: int = 1) -> list[Recorded]:
    return [Recorded(event, CONTEXT, "commit", generation) for event in history]


@st.composite
def deliveries(draw: st.DrawFn, events: list[Recorded]) -> Batches:
    """Every event at least once, in any order, some again, cut into batches anywhere."""
    again = draw(st.lists(st.sampled_from(events), max_size=10)) if events else []
    order = draw(st.permutations([*events, *again]))
    cuts = draw(st.lists(st.integers(min_value=0, max_value=len(order)), max_size=8))
    edges = [0, *sorted(cuts), len(order)]
    return [order[a:b] for a, b in pairwise(edges) if a < b]


def in_order(projection: Projection[Any], history: Sequence[Event]) -> dict[Key, Any]:
    """What the read model ought to be: a plain fold."""
    rows: dict[Key, Any] = {}
    for event in history:
        key = projection.key_of(event)
        if key is not None:
            rows[key] = projection.fold(rows.get(key), event).model_copy(
                update={
                    "applied": projection.number_of(event),
                    "stream_version": event.originator_version,
                }
            )
    return rows


def deliver(projection: Projection[Any], batches: Batches, store: list[Recorded]) -> MemoryRows:
    rows = MemoryRows()
    gate = Gate(projection, rows, HistorySource(store))

    async def run() -> None:
        for batch in batches:
            await gate.apply(batch)

    asyncio.run(run())
    return rows


@given(histories(longest=40), st.data())
def test_any_shuffle_with_repetitions_gives_the_rows_of_in_order_delivery(
    history: list[Event], data: st.DataObject
) -> None:
    events = recorded(history)
    batches = data.draw(deliveries(events))
    assert deliver(REMOTE_COMMANDS, batches, events).rows == in_order(REMOTE_COMMANDS, history)


@given(st.data())
def test_the_devices_model_withstands_any_shuffle_too(data: st.DataObject) -> None:
    history = data.draw(device_histories())
    events = recorded(history)
    batches = data.draw(deliveries(events))
    assert deliver(DEVICES, batches, events).rows == in_order(DEVICES, history)


@st.composite
def device_histories(draw: st.DrawFn) -> list[Event]:
    names = st.sampled_from(["a", "b"])
    steps: st.SearchStrategy[DeviceStep] = st.one_of(
        st.builds(claimed, st.sampled_from(["01OWNER", "01OTHER"])),
        st.builds(renamed, names),
        st.just(reported_lost()),
        st.just(released()),
    )
    device, history = DEVICE.initial("device-a"), list[Event]()
    for step in draw(st.lists(steps, min_size=1, max_size=15)):
        with suppress(HomecastError):
            for event in step(device):
                device = DEVICE.fold(device, event)
                history.append(event)
    return history


class Stopped(Exception):
    """The process ended here."""


class StoppingRows(MemoryRows):
    """Ends the process before or after the write number ``stop``."""

    def __init__(self, stop: int, *, after: bool) -> None:
        super().__init__()
        self.stop, self.after, self.writes = stop, after, 0

    async def put(self, key: Key, held: Any, previous: Any) -> bool:
        self.writes += 1
        if self.writes == self.stop and not self.after:
            raise Stopped
        done = await super().put(key, held, previous)
        if self.writes == self.stop:
            raise Stopped
        return done


@given(histories(longest=30), st.data())
def test_stopping_anywhere_and_resuming_gives_the_same_rows(
    history: list[Event], data: st.DataObject
) -> None:
    events = recorded(history)
    batches = data.draw(deliveries(events))
    rows = StoppingRows(data.draw(st.integers(1, 20)), after=data.draw(st.booleans()))
    gate = Gate(REMOTE_COMMANDS, rows, HistorySource(events))

    async def run() -> None:
        for batch in batches:
            try:
                await gate.apply(batch)
            except Stopped:
                await gate.apply(batch)  # not acknowledged, so it comes again

    asyncio.run(run())
    assert rows.rows == in_order(REMOTE_COMMANDS, history)


@given(histories(longest=30), st.data())
def test_rival_workers_give_the_same_rows(history: list[Event], data: st.DataObject) -> None:
    events = recorded(history)
    mine, theirs = data.draw(deliveries(events)), data.draw(deliveries(events))
    rows = MemoryRows(pauses=True)
    gate = Gate(REMOTE_COMMANDS, rows, HistorySource(events))

    async def worker(batches: Batches) -> None:
        for batch in batches:
            await gate.apply(batch)

    async def run() -> None:
        await asyncio.gather(worker(mine), worker(theirs))

    asyncio.run(run())
    assert rows.rows == in_order(REMOTE_COMMANDS, history)


@given(histories(longest=30), st.data())
def test_a_delivered_last_event_alone_brings_the_row_up(
    history: list[Event], data: st.DataObject
) -> None:
    """Everything else may be lost on the way: the gap is filled from the store."""
    events = recorded(history)
    last = {REMOTE_COMMANDS.key_of(one.event): one for one in events}
    last.pop(None, None)
    order = data.draw(st.permutations(list(last.values())))
    rows = deliver(REMOTE_COMMANDS, [order] if order else [], events)
    assert rows.rows == in_order(REMOTE_COMMANDS, history)


@settings(max_examples=60)
@given(histories(longest=30), st.data())
def test_a_restored_store_begins_its_rows_anew(history: list[Event], data: st.DataObject) -> None:
    """Up to ``kept`` the backup had it; what came after is lost, and something else happened."""
    kept = data.draw(st.integers(0, len(history)))
    lost = recorded(history)
    restored = [*lost[:kept], *recorded(after_restoring(history[:kept]), 2)]
    rows = MemoryRows()

    async def run() -> None:
        await Gate(REMOTE_COMMANDS, rows, HistorySource(lost)).apply(lost)
        gate = Gate(REMOTE_COMMANDS, rows, HistorySource(restored))
        late = [*restored[kept:], *lost]
        for one in data.draw(st.permutations(late)):
            await gate.apply([one])

    asyncio.run(run())
    now = in_order(REMOTE_COMMANDS, [one.event for one in restored])
    touched = {REMOTE_COMMANDS.key_of(one.event) for one in restored[kept:]}
    for key in touched - {None}:
        assert key is not None
        assert rows.rows[key] == now[key].model_copy(update={"generation": 2})


def after_restoring(kept: list[Event]) -> Iterator[Event]:
    """Everything times out, and another command is accepted."""

    lane = LANE.initial(kept[0].originator_id if kept else "lane-walk")
    for event in kept:
        lane = LANE.fold(lane, event)
    for step in (opened(second=1e8), swept(second=1e8), accepted(second=1e8)):
        for event in step(lane):
            lane = LANE.fold(lane, event)
            yield event


class Poison(Exception):
    """What a defective fold raises."""


def failing_at(poison: Event) -> Projection[Any]:
    """Remote commands as a projector with a defect has them."""

    def fold(row: RemoteCommandRow | None, event: Event) -> RemoteCommandRow:
        if event == poison:
            raise Poison
        return REMOTE_COMMANDS.fold(row, event)

    return replace(REMOTE_COMMANDS, fold=fold)


def in_order_but(poison: Event, history: Sequence[Event]) -> dict[Key, Any]:
    """The row of the poisoned event ends before it, all others are complete."""
    key = REMOTE_COMMANDS.key_of(poison)
    return in_order(
        REMOTE_COMMANDS,
        [
            one
            for one in history
            if REMOTE_COMMANDS.key_of(one) != key
            or one.originator_version < poison.originator_version
        ],
    )


@given(histories(longest=30), st.data())
def test_a_poisoned_event_parks_its_row_alone_and_a_retry_brings_it_up(
    history: list[Event], data: st.DataObject
) -> None:
    events = recorded(history)
    steps = [one for one in history if isinstance(one, RemoteCommandEvent)]
    assume(steps)
    poison = data.draw(st.sampled_from(steps))
    mine, theirs = data.draw(deliveries(events)), data.draw(deliveries(events))
    rows, registry = MemoryRows(pauses=True), MemoryRegistry()

    def gate(projection: Projection[Any]) -> Gate[Any]:
        return Gate(projection, rows, HistorySource(events), parking_lot(registry))

    async def worker(batches: Batches) -> None:
        broken = gate(failing_at(poison))
        for batch in batches:
            await broken.apply(batch)

    async def run() -> None:
        await asyncio.gather(worker(mine), worker(theirs))
        key = REMOTE_COMMANDS.key_of(poison)
        assert key is not None
        assert {key: mark.version for key, mark in rows.parked.items()} == {
            key: poison.originator_version
        }
        assert rows.rows == in_order_but(poison, history)
        idle = Gate(REMOTE_COMMANDS, MemoryRows(), HistorySource(events))
        operator = parked_rows(registry, (gate(REMOTE_COMMANDS), idle))
        [entry], _ = await operator.list()
        await operator.retry(entry.model, entry.row, who="cli:anna")

    asyncio.run(run())
    assert rows.rows == in_order(REMOTE_COMMANDS, history)
    assert not rows.parked


@given(histories(longest=30))
def test_the_history_of_a_row_tells_each_step(history: list[Event]) -> None:
    rows = in_order(REMOTE_COMMANDS, history)
    steps: dict[Key, int] = {}
    for event in history:
        if isinstance(event, RemoteCommandEvent):
            steps[("walk", event.number)] = event.step
    assert set(steps) == set(rows)
    for key, row in rows.items():
        assert isinstance(row, RemoteCommandRow)
        assert [entry["step"] for entry in row.history] == list(range(1, steps[key] + 1))
        assert row.history[-1]["status"] == row.status
        assert RemoteCommandRow.model_validate_json(row.model_dump_json()) == row
        stored = row.model_dump_json(exclude_defaults=True)
        assert RemoteCommandRow.model_validate_json(stored) == row


@given(histories(longest=40))
def test_the_sweepers_index_is_never_more_than_a_minute_off(history: list[Event]) -> None:
    lane = LANE.initial("lane-walk")
    for event in history:
        lane = LANE.fold(lane, event)
        rows = in_order(REMOTE_COMMANDS, history[: lane.version])
        assert_index_fits(lane, rows)


def assert_index_fits(lane: Lane, rows: dict[Key, Any]) -> None:
    for (_, number), row in rows.items():
        command = lane.open.get(number)
        assert (command is None) == (row.status in FINAL) == (row.due_at is None)
        if command is not None:
            assert row.status == command.status
            assert row.step == command.step
            assert abs(row.due_at - command.due) <= SWEEP_SLACK


@given(histories(longest=30))
def test_a_store_that_misses_an_event_is_told_and_nothing_is_written(
    history: list[Event],
) -> None:
    events = [one for one in recorded(history) if isinstance(one.event, RemoteCommandEvent)]
    gaps = [one for one in events if REMOTE_COMMANDS.number_of(one.event) > 1]
    for one in gaps[:3]:
        rows = MemoryRows()
        gate = Gate(REMOTE_COMMANDS, rows, HistorySource([]))
        try:
            asyncio.run(gate.apply([one]))
        except StoreUnavailable:
            assert not rows.rows
        else:
            raise AssertionError("the event was dropped in silence")
