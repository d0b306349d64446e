"""Crashes, repetitions and disorder never make a policy do more, less or other than in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from adapters.inbound.workers.policies import Actor, PolicyRunner
from commands.kernel.policy import (
    Action,
    Cancel,
    Emit,
    Policy,
    PolicyState,
    Schedule,
    Send,
    Timeout,
)
from domain.devices.device import DeviceClaimed, DeviceReleased, DeviceRenamed, DeviceReportedLost
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from tests.properties.test_gate import Batches, deliveries, device_histories, recorded
from tests.support.gated import HistorySource
from tests.support.policies import PolicyWorld, Stopped, Stops
from tests.support.streams import START, at


class Welcome(BaseModel):
    stream: str
    names: int


class Guest(PolicyState):
    names: int = 0
    claimed: bool = False


def fold(guest: Guest, event: Event) -> Guest:
    match event:
        case DeviceRenamed():
            return guest.model_copy(update={"names": guest.names + 1})
        case DeviceClaimed():
            return Guest(names=guest.names, claimed=True)
        case DeviceReleased():
            return Guest(names=guest.names)
        case _:
            return guest


def react(guest: Guest, event: Event) -> Sequence[Action]:
    match event:
        case DeviceClaimed():
            due = event.timestamp + timedelta(minutes=1)
            return [Schedule(f"settled-{event.originator_version}", due)]
        case DeviceRenamed():
            command = Welcome(stream=event.originator_id, names=guest.names)
            return [Send(command), Emit("letter", {"names": guest.names}), Emit("unwanted", {})]
        case DeviceReportedLost():
            return [Emit("letter", {"lost": True})]
        case _:
            return [Cancel("settled-1", START + timedelta(minutes=1))]


def on_timeout(guest: Guest, timeout: Timeout) -> Sequence[Action]:
    command = Welcome(stream=timeout.stream, names=guest.names)
    return [Send(command), Emit("letter", {})] if guest.claimed else []


POLICY = Policy("guests", "device", START, Guest, fold, react, on_timeout)


def runner(world: PolicyWorld, events: list[Recorded], policy: Policy[Any] = POLICY) -> Any:
    handlers: Any = {Welcome: world.handle}
    actor = Actor(handlers, timeouts=world, outbox=world, effects={"letter"})
    return PolicyRunner(policy, world, HistorySource(events), actor)


async def feed(world: PolicyWorld, batches: Batches, events: list[Recorded]) -> None:
    for batch in batches:
        await redelivered(world, lambda batch=batch: runner(world, events).on_events(batch))


async def redelivered(world: PolicyWorld, work: Any) -> None:
    while True:
        try:
            await work()
        except Stopped:
            continue  # a new process; what was not acknowledged comes again
        return


def outcome(world: PolicyWorld) -> dict[str, Any]:
    """What it came to: an effect or command of one id counts once, whatever its repetitions."""
    effects = {one.id: one for one in world.effects}
    commands = dict(world.commands)
    assert all(effects[one.id] == one for one in world.effects), "one id for two effects"
    assert all(commands[key] == command for key, command in world.commands)
    return {
        "effects": effects,
        "commands": commands,
        "timeouts": world.timeouts,
        "rows": {key: row.model_dump() for key, row in world.rows.items()},
    }


def in_order(events: list[Recorded]) -> dict[str, Any]:
    world = PolicyWorld()
    asyncio.run(feed(world, [[one] for one in events], events))
    assert len(world.effects) == len({one.id for one in world.effects})
    return outcome(world)


stops = st.lists(st.integers(1, 60), max_size=6)


@given(device_histories(), st.data())
def test_stopping_anywhere_under_any_delivery_does_what_in_order_delivery_does(
    history: list[Event], data: st.DataObject
) -> None:
    events = recorded(history)
    world = PolicyWorld(Stops(*data.draw(stops)))
    asyncio.run(feed(world, data.draw(deliveries(events)), events))
    assert outcome(world) == in_order(events)


@given(device_histories(), st.data())
def test_without_a_stop_nothing_is_done_twice(history: list[Event], data: st.DataObject) -> None:
    events = recorded(history)
    world = PolicyWorld()
    asyncio.run(feed(world, data.draw(deliveries(events)), events))
    assert len(world.effects) == len({one.id for one in world.effects})
    assert len(world.commands) == len(dict(world.commands))


@given(device_histories(), st.integers(0, 15), stops, st.integers(0, 3))
def test_a_timeout_is_decided_on_the_latest_state_and_harmless_when_repeated(
    history: list[Event], delivered: int, stop: list[int], again: int
) -> None:
    """``delivered``: how many events the queue had brought when the time-out came."""
    events = recorded(history)
    timeout = Timeout("guests", "device-a", "settled", at(60), "c")
    world = PolicyWorld(Stops(*stop))

    async def run() -> None:
        await feed(world, [[one] for one in events[:delivered]], events)
        for _ in range(again + 1):
            await redelivered(world, lambda: runner(world, events).on_timeout(timeout))

    asyncio.run(run())
    found, expected = outcome(world), in_order(events)
    answered = {key for key in found["commands"] if key.startswith(f"guests:{timeout.id}:")}
    guest = POLICY.state()
    for event in history:
        guest = fold(guest, event)
    assert answered == ({f"guests:{timeout.id}:0"} if guest.claimed else set())
    assert found["commands"].keys() - answered == expected["commands"].keys()
    assert found["rows"] == expected["rows"]


@given(device_histories(), st.integers(0, 15))
def test_what_happened_before_the_start_is_folded_and_not_acted_upon(
    history: list[Event], early: int
) -> None:
    events = [
        Recorded(
            one.event.model_copy(update={"timestamp": START - timedelta(days=1)})
            if index < early
            else one.event,
            one.context,
            one.commit_token,
        )
        for index, one in enumerate(recorded(history))
    ]
    found = in_order(events)
    new = {one.id for one in events[early:]}
    assert {one.causation_id for one in found["effects"].values()} <= new
    everything = in_order(recorded(history))
    assert {key: row["state"] for key, row in found["rows"].items()} == {
        key: row["state"] for key, row in everything["rows"].items()
    }


@given(device_histories(), st.data())
def test_a_restored_store_repeats_nothing_that_the_backup_had_kept(
    history: list[Event], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(history)))
    events = recorded(history)
    restored = [*events[:kept], *recorded(history[kept:], generation=2)]
    world = PolicyWorld()

    async def run() -> None:
        await feed(world, [events] if events else [], events)
        world.effects.clear()
        await feed(world, [restored[kept:]] if restored[kept:] else [], restored)

    asyncio.run(run())
    assert all(one.causation_id.startswith("2:") for one in world.effects)


@given(device_histories(), st.data())
def test_a_timeout_after_a_restore_is_decided_on_what_the_store_has_kept(
    history: list[Event], data: st.DataObject
) -> None:
    """The policy's row is of before the restore: it knows events that are gone."""
    events = recorded(history)
    kept = events[: data.draw(st.integers(0, len(history)))]
    timeout = Timeout("guests", "device-a", "settled", at(60), "c")
    world = PolicyWorld()

    async def run() -> None:
        await feed(world, [events] if events else [], events)
        world.commands.clear()
        await runner(world, kept).on_timeout(timeout)

    asyncio.run(run())
    guest = POLICY.state()
    for one in kept:
        guest = fold(guest, one.event)
    assert [command.names for _, command in world.commands] == [guest.names] * guest.claimed
