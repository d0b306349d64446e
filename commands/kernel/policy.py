"""Policies (process managers): pure functions from what happened to what is to be done about it.

A policy follows whole streams of one category, its own context's or another's. It folds every event
into a state of its own, and answers with actions: send a command, set or cancel a time-out, emit an
effect to the world outside. Actions are carried out before the state moves on, so a crash between
repeats them; their ids are derived from policy and event, which makes that harmless.

Policies are never rebuilt: what happened before ``since`` is folded and not acted upon.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.kernel.event import Event


class PolicyState(BaseModel):
    """What a policy remembers of one stream; no personal data. Defaults are its beginning."""

    model_config = ConfigDict(frozen=True)


PS = TypeVar("PS", bound=PolicyState)


@dataclass(frozen=True)
class Send:
    """A command. Its handler decides anew each time, so sending it twice changes nothing.

    ``must``: there is no answer but that it was done. A refusal is a fault of the platform, which
    is tried again and in the end put aside for a person to see.
    """

    command: BaseModel
    must: bool = False


@dataclass(frozen=True)
class Schedule:
    """A durable time-out of this stream: it comes at ``due_at`` or some seconds later."""

    name: str
    due_at: datetime


@dataclass(frozen=True)
class Cancel:
    """Saves the time-out from coming; one that is under way comes all the same."""

    name: str
    due_at: datetime


@dataclass(frozen=True)
class Emit:
    """An effect outside, through the outbox: at least once, with the same id each time.

    ``kind`` chooses the handler, ``body`` is JSON and holds no personal data.
    """

    kind: str
    body: Mapping[str, Any]


Action = Send | Schedule | Cancel | Emit


@dataclass(frozen=True)
class Cause:
    """What an action answers: an event or a time-out, by an id that is the same each time."""

    id: str
    correlation_id: str
    trace: str | None = None


@dataclass(frozen=True)
class Timeout:
    """Comes at least once, and possibly after it was canceled: ``on_timeout`` looks at the state
    to see whether it still means something."""

    policy: str
    stream: str
    name: str
    due_at: datetime
    correlation_id: str

    @property
    def id(self) -> str:
        due = self.due_at.astimezone(UTC).isoformat(timespec="microseconds")
        return f"{self.policy}:{self.stream}:{self.name}:{due}"


@dataclass(frozen=True)
class Effect:
    """What the outbox delivers. ``id``: the idempotency key; ``causation_id``: of the event."""

    id: str
    kind: str
    body: Mapping[str, Any]
    correlation_id: str
    causation_id: str


def no_timeouts(_: Any, timeout: Timeout) -> Sequence[Action]:
    """For a policy that schedules none."""
    raise ValueError(f"{timeout.policy} never schedules a time-out")


@dataclass(frozen=True)
class Policy(Generic[PS]):
    """``react`` sees the state after the event, ``on_timeout`` the latest there is."""

    name: str
    category: str
    since: datetime
    state: type[PS]
    fold: Callable[[PS, Event], PS]
    react: Callable[[PS, Event], Sequence[Action]]
    on_timeout: Callable[[PS, Timeout], Sequence[Action]] = no_timeouts

    def actions(self, state: PS, event: Event) -> Sequence[Action]:
        return self.react(state, event) if event.timestamp >= self.since else ()


def derived_id(policy: str, cause: str, index: int) -> str:
    """Of the action at ``index`` among those that a policy answers a cause with."""
    return f"{policy}:{cause}:{index}"


class Timeouts(Protocol):
    """The table of durable time-outs. Raises ``StoreUnavailable``; repeating changes nothing."""

    async def schedule(self, timeout: Timeout) -> None: ...

    async def cancel(self, timeout: Timeout) -> None: ...


class DueTimeouts(Protocol):
    """The same table, as whoever hands them over sees it."""

    async def due(self, *, now: datetime, policies: Collection[str]) -> list[Timeout]:
        """Of these policies, longest overdue first, a bounded number."""

    async def cancel(self, timeout: Timeout) -> None: ...


class Outbox(Protocol):
    """Where effects wait to be delivered. Raises ``StoreUnavailable``."""

    async def put(self, effect: Effect) -> None: ...
