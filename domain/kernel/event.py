"""The envelope that every stored event shares, and the aggregate as a pair of pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from eventsourcing.utils import register_topic
from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.personal import require_subject

S = TypeVar("S", bound="State")


class Event(BaseModel):
    """Something that happened to one aggregate; satisfies eventsourcing's ``DomainEventProtocol``.

    ``TOPIC`` is the released name (never an import path). Fields are only ever added; a breaking
    change raises ``class_version`` and adds a static ``upcast_vN_vM`` (eventsourcing's convention).
    ``SUBJECT`` is the field that holds the account whose personal data the event carries.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    TOPIC: ClassVar[str]
    SUBJECT: ClassVar[str | None] = None
    class_version: ClassVar[int] = 1

    originator_id: str = Field(description="Stream: category, '-', id of the aggregate")
    originator_version: int = Field(ge=1, description="Position in the stream, from 1, no gaps")
    timestamp: datetime = Field(description="When it was decided, UTC")


class State(BaseModel):
    """What an aggregate's decisions need to know; ``version`` is that of the last event folded.

    ``SUBJECT`` is the field that holds the account whose personal data the state carries; while it
    is None, the personal fields hold nothing of anybody.
    """

    model_config = ConfigDict(frozen=True)

    SUBJECT: ClassVar[str | None] = None

    stream: str
    version: int = 0


def next_event(event_type: type[Event], state: State, at: datetime, **fields: Any) -> Event:
    """The event that follows upon ``state``. ``at``: when it was decided. ``fields``: its own."""
    return event_type(
        originator_id=state.stream,
        originator_version=state.version + 1,
        timestamp=at,
        **fields,
    )


@dataclass(frozen=True)
class Aggregate(Generic[S]):
    """How to name, start and fold one kind of stream.

    ``snapshot_every``: events between snapshots. ``code_version``: raise it when the state's shape
    changes, so that older snapshots are ignored.
    """

    category: str
    state: type[S]
    fold: Callable[[S, Event], S]
    snapshot_every: int
    code_version: int = 1

    def __post_init__(self) -> None:
        require_subject(self.state, self.state.SUBJECT)

    def stream(self, aggregate_id: str) -> str:
        return f"{self.category}-{aggregate_id}"

    def initial(self, stream: str) -> S:
        return self.state(stream=stream)


def category_of(stream: str) -> str:
    return stream.split("-", 1)[0]


def id_of(stream: str) -> str:
    return stream.split("-", 1)[1]


def register(*event_types: type[Event]) -> None:
    """Make explicit topics resolvable by eventsourcing's mapper; each class names its own."""
    for event_type in event_types:
        if "TOPIC" not in event_type.__dict__:
            raise TypeError(f"{event_type.__name__} inherits its TOPIC; give it one of its own")
        require_subject(event_type, event_type.SUBJECT)
        register_topic(event_type.TOPIC, event_type)
