"""Store, relay and gates under any schedule, crash, fault, delay, repetition and shuffle.

Every process may be killed at every await of a call to the outside, before or after its effect.
When all has come to rest, the read models equal the fold of the store, and the store holds what
was acknowledged, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from adapters.inbound.workers import publisher
from adapters.inbound.workers.ports import Page
from adapters.inbound.workers.shard_reader import ShardReader
from adapters.outbound.dynamodb.batch import Batch
from commands.kernel import dispatch
from domain.devices.device import DeviceRenamed
from domain.devices.lane import LaneOpened
from domain.devices.remote_command import RemoteCommandAccepted
from domain.kernel.recorded import Recorded
from projections.kernel.gate import Gate, Held, Key
from tests.support.gated import MemoryRows
from tests.support.model import APIS, PROJECTORS, RELAY, LoggedStore, Platform, Request
from tests.support.turns import Way
from tests.support.write_side import DEVICE_ID, WriteSide

DEVICE, LANE = f"device-{DEVICE_ID}", f"lane-{DEVICE_ID}"
WAYS = st.sampled_from([*[Way.GOES] * 7, Way.FAILS])
CALLS = st.sampled_from(["commit", "commit again", "publish", "put", "renew"])
NUMBERS = st.integers(2, 6)
PLACES = st.just(0) | st.integers(0, 7)
REQUESTS: st.SearchStrategy[Callable[[str], Request]] = st.one_of(
    st.sampled_from([None, None, "c"]).map(
        lambda collapse: (
            lambda marker: lambda side: side.submit(client_id=marker, collapse_key=collapse)
        )
    ),
    st.just(lambda marker: lambda side: side.submit(client_id=marker)),
    st.just(lambda marker: lambda side: side.rename(marker)),
    st.sampled_from(["k1", "k2"]).map(
        lambda key: lambda _: lambda side: side.submit(client_id="keyed", idempotency_key=key)
    ),
    NUMBERS.map(lambda number: lambda _: lambda side: side.cancel(number)),
    NUMBERS.map(lambda number: lambda _: lambda side: side.send(number)),
    NUMBERS.map(lambda number: lambda _: lambda side: side.answer(number)),
    st.just(lambda _: lambda side: side.release()),
    st.just(lambda _: lambda side: side.claim()),
)


class PlatformMachine(RuleBasedStateMachine):
    platform_type: type[Platform] = Platform

    def __init__(self) -> None:
        super().__init__()
        self.platform = self.platform_type()
        self.requests = 0
        self.platform.loop.run_until_complete(WriteSide(memory=self.platform.store).claim())
        self.platform.settle()

    @rule(asked=st.lists(st.tuples(st.sampled_from(APIS), REQUESTS), min_size=1, max_size=3))
    def ask(self, asked: list[tuple[str, Callable[[str], Request]]]) -> None:
        for api, make in asked:
            self.requests += 1
            marker = f"m{self.requests}"
            self.platform.request(api, marker, make(marker))
        self.platform.settle()

    @rule(turns=st.lists(st.tuples(PLACES, WAYS), min_size=1, max_size=15))
    def go_on(self, turns: list[tuple[int, Way]]) -> None:
        for place, way in turns:
            if self.platform.turns.waiting:
                self.platform.turns.release(place, way)
                self.platform.settle()

    @rule(call=CALLS)
    def lose_an_answer(self, call: str) -> None:
        for place, stop in enumerate(self.platform.turns.waiting):
            if stop.call == f"{call}, after":
                self.platform.turns.release(place, Way.FAILS)
                self.platform.settle()
                return

    @rule(call=CALLS, moment=st.sampled_from(["before", "after"]))
    def die_in_the_middle(self, call: str, moment: str) -> None:
        for stop in self.platform.turns.waiting:
            if stop.call == f"{call}, {moment}":
                self.platform.kill(stop.process)
                return

    @rule(name=st.sampled_from([*APIS, *PROJECTORS, RELAY]))
    def die(self, name: str) -> None:
        self.platform.kill(name)

    @rule(places=st.lists(PLACES, min_size=1, max_size=5))
    def appear(self, places: list[int]) -> None:
        for place in places:
            self.platform.appear(place)

    @rule(
        projector=st.sampled_from(PROJECTORS),
        category=st.sampled_from(["device", "lane"]),
        places=st.lists(PLACES, min_size=1, max_size=4),
    )
    def deliver(self, projector: str, category: str, places: list[int]) -> None:
        if self.platform.topic.queues[category]:
            self.platform.deliver(projector, category, places)
            self.platform.settle()

    @rule(place=PLACES)
    def deliver_again(self, place: int) -> None:
        self.platform.again(place)

    def teardown(self) -> None:
        try:
            self.platform.come_to_rest()
            require_truth(self.platform)
        finally:
            self.platform.close()


def require_truth(platform: Platform) -> None:
    for category, stream in (("device", DEVICE), ("lane", LANE)):
        events = platform.events(stream)
        versions = [one.event.originator_version for one in events]
        assert versions == list(range(1, len(events) + 1))
        assert platform.models[category][1].rows == platform.folded(category, stream)
    _require_stored(platform)
    _require_once(platform)


def _require_stored(platform: Platform) -> None:
    """Whatever was acknowledged is there, as it was acknowledged."""
    stored = {
        (one.event.originator_id, one.event.originator_version): one.event
        for stream in (DEVICE, LANE)
        for one in platform.events(stream)
    }
    for _, _, events in platform.acknowledged:
        for event in events:
            assert stored[event.originator_id, event.originator_version] == event


def _require_once(platform: Platform) -> None:
    """No request was carried out twice, whatever happened to its answers."""
    done: Counter[Any] = Counter()
    opening = 0
    for one in [*platform.events(DEVICE), *platform.events(LANE)]:
        event = one.event
        if isinstance(event, LaneOpened):
            opening += 1
        elif isinstance(event, DeviceRenamed):
            done[event.name] += 1
        elif isinstance(event, RemoteCommandAccepted):
            assert event.number == event.originator_version
            key = event.idempotency_key
            done[(opening, event.client_id, key) if key else event.client_id] += 1
    assert not [marker for marker, times in done.items() if times > 1]


def profile(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True
    )


@pytest.fixture(autouse=True)
def _no_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two turns lies a virtual minute, and a call waits for its turn."""
    monkeypatch.setattr(dispatch, "TIME_LIMIT", float("inf"))
    monkeypatch.setattr(publisher, "CALL_LIMIT", None)


def test_read_models_equal_the_fold_of_the_store_whatever_happens() -> None:
    run_state_machine_as_test(PlatformMachine, settings=profile(150, 30))


@pytest.mark.slow
def test_read_models_equal_the_fold_of_the_store_whatever_happens_for_long() -> None:
    run_state_machine_as_test(PlatformMachine, settings=profile(600, 60))


# --- the model finds what it is there to find -----------------------------------------------------


class GaplessGate(Gate[Any]):
    """Takes what has come for all there is."""

    async def _ready(self, key: Key, held: Held[Any], part: list[Recorded]) -> Any:
        newer = [one for one in part if one.event.originator_version > held.stream_version]
        return sorted(newer, key=lambda one: one.event.originator_version), None


class ForgetfulStore(LoggedStore):
    """Does not know its own commits again."""

    def _is_stored(self, batch: Batch) -> bool:
        return super()._is_stored(Batch(**{**vars(batch), "token": "another"}))


class HastyReader(ShardReader):
    """Takes down how far it has come before it has published that."""

    async def _publish(self, page: Page) -> None:
        last = page.records[-1]
        self._held.advance(sequence=last.sequence, at=last.at)
        await self._held.renew()
        await super()._publish(page)


class CarelessRows(MemoryRows):
    """Writes whatever is there."""

    async def put(self, key: Key, held: Held[Any], previous: Held[Any] | None) -> bool:
        return await super().put(key, held, self.held.get(key))


@pytest.mark.parametrize(
    "part",
    [
        {"gate_type": GaplessGate},
        {"store_type": ForgetfulStore},
        {"rows_type": CarelessRows},
        pytest.param({"reader_type": HastyReader}, marks=pytest.mark.slow),
    ],
    ids=lambda part: next(iter(part.values())).__name__,
)
def test_a_part_that_does_not_do_its_work_is_found_out(part: dict[str, Any]) -> None:
    class Broken(PlatformMachine):
        platform_type = type("BrokenPlatform", (Platform,), part)

    found = settings(profile(500, 30), phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=found)
