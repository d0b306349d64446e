"""Several processes on one device, stepped through any order of their reads and commits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.kernel import dispatch
from domain.devices.lane import CAP, LANE, LaneClosed, LaneOpened
from domain.devices.remote_command import (
    RemoteCommandAccepted,
    RemoteCommandEvent,
    RemoteCommandSent,
)
from domain.kernel.errors import HomecastError
from domain.kernel.event import Event
from tests.support.interleave import ScheduledStore
from tests.support.streams import NEW, NEWER, OTHER
from tests.support.write_side import WriteSide

Request = Callable[[WriteSide], Awaitable[Any]]
REQUESTS: list[Request] = [
    lambda side: side.submit(collapse_key="c"),
    lambda side: side.submit(idempotency_key="k"),
    lambda side: side.cancel(2),
    lambda side: side.cancel(3),
    lambda side: side.send(2, NEW),
    lambda side: side.send(2, NEWER),
    lambda side: side.send(3, NEW),
    lambda side: side.receive(2),
    lambda side: side.answer(2),
    lambda side: side.sweep(),
    lambda side: side.release(),
    lambda side: side.claim(OTHER),
    lambda side: side.lose(),
]
schedules = st.lists(st.integers(0, 7), min_size=1, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Any:
    before, dispatch.FIRST_PAUSE = dispatch.FIRST_PAUSE, 0
    yield
    dispatch.FIRST_PAUSE = before


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(REQUESTS)), min_size=2, max_size=9),
    schedules,
)
def test_any_schedule_of_three_processes_leaves_a_lane_that_explains_itself(
    work: list[tuple[int, Request]], choices: list[int]
) -> None:
    async def run() -> tuple[list[Any], list[Event], WriteSide]:
        first = WriteSide()
        await first.claim()
        await first.submit()
        await first.submit(collapse_key="c")
        store = ScheduledStore(first.memory, choices)
        sides = [first.beside(store) for _ in range(3)]
        results = await store.run(*(_run(request, sides[n]) for n, request in work))
        return results, await first.lane_events(), first

    results, history, _ = asyncio.run(run())
    for result in results:
        assert not isinstance(result, BaseException) or isinstance(result, HomecastError), result
    told = [event for result in results if isinstance(result, tuple) for event in result[1]]
    lane_told = [one for one in told if one.originator_id.startswith("lane-")]
    assert len(lane_told) == len({one.originator_version for one in lane_told})
    assert_explained(history)


async def _run(request: Request, side: WriteSide) -> Any:
    return await request(side)


def assert_explained(history: list[Event]) -> None:
    lane = LANE.initial(history[0].originator_id)
    is_open, steps, keys = False, dict[int, int](), list[str]()
    for event in history:
        lane = LANE.fold(lane, event)
        if isinstance(event, LaneOpened | LaneClosed):
            is_open, keys = isinstance(event, LaneOpened), []
        if isinstance(event, RemoteCommandAccepted | RemoteCommandSent):
            assert is_open
        if isinstance(event, RemoteCommandEvent):
            assert event.step == steps.get(event.number, 0) + 1
            steps[event.number] = event.step
        if isinstance(event, RemoteCommandAccepted) and event.idempotency_key:
            assert event.idempotency_key not in keys, "one key, two commands"
            keys.append(event.idempotency_key)


@settings(max_examples=15)
@given(schedules)
def test_at_the_cap_exactly_one_of_three_submits_wins_in_any_order(choices: list[int]) -> None:
    async def run() -> list[Any]:
        first = WriteSide()
        await first.claim()
        for _ in range(CAP - 1):
            await first.submit()
        store = ScheduledStore(first.memory, choices)
        return await store.run(*(side.submit() for side in [first.beside(store) for _ in range(3)]))

    results = asyncio.run(run())
    assert sorted(getattr(result, "code", "won") for result in results) == [
        "lane_full",
        "lane_full",
        "won",
    ]


@given(schedules)
def test_a_cancel_and_a_sending_never_both_succeed(choices: list[int]) -> None:
    async def run() -> tuple[list[Any], list[Event]]:
        first = WriteSide()
        await first.claim()
        number, _ = await first.submit()
        store = ScheduledStore(first.memory, choices)
        app, gateway = first.beside(store), first.beside(store)
        results = await store.run(app.cancel(number), gateway.send(number))
        return results, await first.lane_events()

    (canceled, sent), history = asyncio.run(run())
    assert len(history) == 3
    was_sent = bool(sent[1])
    assert was_sent == isinstance(history[-1], RemoteCommandSent)
    assert was_sent == (getattr(canceled, "code", None) == "command_not_cancelable")
