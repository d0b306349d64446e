"""What the workers need from outside; the adapters under ``outbound`` implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import Field, SkipValidation

from commands.kernel.policy import Action, Effect
from domain.kernel.recorded import Recorded
from projections.kernel.gate import GatedRow


class Trimmed(Exception):
    """The position is no longer in the stream (24 h in AWS, a restart of the embedded engine)."""


class ExpiredIterator(Exception):
    """Iterators live for minutes only: ask for a new one."""


@dataclass(frozen=True)
class Shard:
    id: str
    parent: str | None


@dataclass(frozen=True)
class StreamRecord:
    """``image``: the new item in DynamoDB's typed form; ``at``: when the stream took it."""

    sequence: str
    image: Mapping[str, Any]
    at: datetime
    inserted: bool


@dataclass(frozen=True)
class Page:
    """``next``: the iterator to go on with; None when the shard is closed and read to its end."""

    records: list[StreamRecord]
    next: str | None


@dataclass(frozen=True)
class Checkpoint:
    """``sequence``: last record published, empty before the first; ``at``: up to when (UTC) the
    shard is known to be published; ``finished``: to its end."""

    shard: str
    sequence: str
    at: datetime
    finished: bool = False


class TableStream(Protocol):
    """A table's stream. Raises ``Trimmed``, ``ExpiredIterator``, ``StoreUnavailable``."""

    async def shards(self) -> list[Shard]:
        """All shards that are still known, oldest first."""

    async def iterator(self, shard: Shard, *, after: str | None) -> str:
        """Where to read on: after a record, or from the oldest that is left."""

    async def page(self, iterator: str) -> Page: ...


class Checkpoints(Protocol):
    """Raises ``StoreUnavailable``."""

    async def all(self) -> dict[str, Checkpoint]:
        """By shard id."""

    async def save(self, checkpoint: Checkpoint) -> None: ...

    async def drop(self, shard: str) -> None: ...


class EventScan(Protocol):
    def scan_items(self, *, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """Items of all events decided since then, in DynamoDB's typed form, in no order."""


@dataclass(frozen=True)
class DueCommand:
    """``due_at``: when the index says to look; the lane knows better."""

    device_id: str
    number: int
    due_at: datetime


class DueCommands(Protocol):
    async def due(self, *, now: datetime) -> list[DueCommand]:
        """Open commands that the clock may have to end, longest overdue first in each shard."""


class Applies(Protocol):
    """The gate of the slot that is live."""

    async def apply(self, recorded: Sequence[Recorded]) -> Sequence[object]: ...


@dataclass(frozen=True)
class Step:
    """What a policy answers one event with."""

    recorded: Recorded
    actions: Sequence[Action]


class PolicyRow(GatedRow):
    """A policy's state of one stream, behind the gate. ``steps``: still to be carried out."""

    policy: str
    stream: str
    state: dict[str, Any]
    steps: SkipValidation[tuple[Step, ...]] = Field(default=(), exclude=True)


@dataclass(frozen=True)
class Delivery:
    """How an attempt to deliver an effect went. ``detail`` is for people and holds no secrets.

    ``after``: seconds until the next attempt, where the other side asked for it.
    """

    outcome: Literal["delivered", "given_up", "retry"]
    detail: str = ""
    after: float | None = None


class EffectHandler(Protocol):
    """Delivers the effects of one kind. Time and size of what it waits for are bounded."""

    async def deliver(self, effect: Effect) -> Delivery: ...
