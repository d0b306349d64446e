"""``given(LANE, opened(), accepted()).when(sent(2)).then(happened(RemoteCommandSent, number=2))``.

A step is a decision waiting for its state, so a history is told in the words of the rules. Every
scenario also carries its events through the codec, its state through a snapshot, and decides the
same again to see nothing happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import orjson

from adapters.outbound.dynamodb.codec import to_cloud_event, to_item
from adapters.outbound.dynamodb.mapper import PydanticMapper
from adapters.outbound.dynamodb.sealer import opened_item
from domain.kernel.event import Aggregate, Event, State
from domain.kernel.recorded import Context, Recorded
from tests.support.sealing import DERIVED, opened, sealed

S = TypeVar("S", bound=State)
Step = Callable[[Any], list[Event]]
STREAM_ID = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
CONTEXT = Context(correlation_id="c", causation_id="m", principal="token:t", trace="Root=1-2-3")


@dataclass(frozen=True)
class Happened:
    """An event by its type and those of its fields that the scenario is about."""

    event_type: type[Event]
    fields: dict[str, Any] = field(default_factory=dict)

    def matches(self, event: Event) -> bool:
        return type(event) is self.event_type and all(
            getattr(event, name) == value for name, value in self.fields.items()
        )


def happened(event_type: type[Event], **fields: Any) -> Happened:
    return Happened(event_type, fields)


def given(aggregate: Aggregate[S], *steps: Step) -> Given[S]:
    start: Given[S] = Given(aggregate, aggregate.initial(aggregate.stream(STREAM_ID)), ())
    return start.after(*steps)


@dataclass(frozen=True)
class Given(Generic[S]):
    aggregate: Aggregate[S]
    state: S
    history: tuple[Event, ...]

    def after(self, *steps: Step) -> Given[S]:
        state, history = self.state, self.history
        for step in steps:
            events = step(state)
            state, history = folded(self.aggregate, state, events), (*history, *events)
        return Given(self.aggregate, state, history)

    def when(self, step: Step) -> When[S]:
        return When(self, step)


@dataclass(frozen=True)
class When(Generic[S]):
    given: Given[S]
    step: Step

    def then(self, *expected: Happened | type[Event], repeats: bool = False) -> S:
        """Just these events; deciding again gives none, unless it ``repeats``."""
        before = self.given.state.model_copy(deep=True)
        events = self.step(self.given.state)
        assert self.given.state == before, "a decision changed the state it was given"
        wanted = [one if isinstance(one, Happened) else Happened(one) for one in expected]
        assert [type(event) for event in events] == [one.event_type for one in wanted]
        for one, event in zip(wanted, events, strict=True):
            assert one.matches(event), f"{event!r} is not {one!r}"
        after = self.given.after(self.step)
        assert_survives_storage(after)
        if not repeats:
            assert self.step(after.state) == []
        return after.state

    def then_raises(self, error: type[Exception], **extra: Any) -> None:
        """Refused for this reason, however often, and nothing changes."""
        before = self.given.state.model_copy(deep=True)
        for _ in range(2):
            try:
                events = self.step(self.given.state)
            except error as raised:
                found = {name: getattr(raised, "extra", {}).get(name) for name in extra}
                assert found == extra
            else:
                raise AssertionError(f"{error.__name__} was not raised, but {events}")
        assert self.given.state == before


def folded(aggregate: Aggregate[S], state: S, events: Sequence[Event]) -> S:
    for event in events:
        assert event.originator_version == state.version + 1, "versions have a gap"
        state = aggregate.fold(state, event)
        assert state.version == event.originator_version
    return state


def assert_survives_storage(after: Given[S]) -> None:
    """Items, CloudEvents and eventsourcing's form give back equal events, a snapshot the state."""
    decoded = [through_codec(event) for event in after.history]
    assert decoded == list(after.history)
    initial = after.aggregate.initial(after.state.stream)
    assert folded(after.aggregate, initial, decoded) == after.state
    snapshot = after.state.model_dump_json()
    assert after.aggregate.state.model_validate_json(snapshot) == after.state


def through_codec(event: Event) -> Event:
    recorded = sealed(Recorded(event, CONTEXT, "commit"))
    item = opened_item(DERIVED, to_item(recorded))
    assert item == recorded
    published = opened(orjson.loads(orjson.dumps(to_cloud_event(item))))
    assert published.id == recorded.id
    assert published.context == recorded.context
    mapper = PydanticMapper(keys=DERIVED)
    stored: Any = mapper.to_domain_event(mapper.to_stored_event(published.event))
    assert isinstance(stored, Event)
    return stored
