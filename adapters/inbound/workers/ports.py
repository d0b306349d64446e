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
class Loss:
    """Records of ``shard`` that the stream dropped unread, until ``until`` at the latest.

    ``cause``: ``trimmed`` (the position is too old), ``gone`` (so is the whole shard), ``new`` (a
    store without any lease: nobody knows what was published of it). ``events``: how many the store
    had of the window, once they are published.
    """

    shard: str
    cause: Literal["trimmed", "gone", "new"]
    until: datetime
    events: int = 0


@dataclass(frozen=True)
class Lease:
    """A piece of work that one relay does at a time: a shard to read, or a loss to make good.

    ``id``: the shard's, or one of the loss. ``owner``: empty for nobody. ``counter`` moves with
    every write: a lease that moves is alive. ``sequence``: last record published, empty before the
    first. ``at``: up to when (UTC) everything is known to be published; what a loss begins with.
    ``finished``: nothing is left to do.
    """

    context: str
    id: str
    at: datetime
    owner: str = ""
    counter: int = 0
    sequence: str = ""
    finished: bool = False
    loss: Loss | None = None

    @property
    def key(self) -> str:
        return f"{self.context}/{self.id}"


class LeaseLost(Exception):
    """Somebody else holds the lease."""


class TableStream(Protocol):
    """A table's stream. Raises ``Trimmed``, ``ExpiredIterator``, ``StoreUnavailable``."""

    async def shards(self) -> list[Shard]:
        """All shards that are still known, oldest first."""

    async def iterator(self, shard: Shard, *, after: str | None) -> str:
        """Where to read on: after a record, or from the oldest that is left."""

    async def page(self, iterator: str) -> Page: ...


class Leases(Protocol):
    """Of all contexts. Raises ``StoreUnavailable``."""

    async def all(self) -> list[Lease]: ...

    async def create(self, lease: Lease) -> None:
        """Nothing happens when there is one already."""

    async def take(self, lease: Lease, owner: str) -> Lease | None:
        """With its newest checkpoint; None when it has moved since ``lease`` was read."""

    async def save(self, lease: Lease, *, held_by: str) -> None:
        """Raises ``LeaseLost`` when it is not held by this relay."""

    async def drop(self, lease: Lease) -> None:
        """Nothing happens when it has moved since."""


class Metrics(Protocol):
    """Numbers for CloudWatch: cheap to call, sent every few seconds. Names as AWS writes them."""

    def count(self, name: str, value: int = 1, **dimensions: str) -> None: ...

    def gauge(self, name: str, value: float, unit: str = "None", **dimensions: str) -> None:
        """The highest value between two sendings is sent. Units as CloudWatch spells them."""

    def send(self) -> None:
        """For a function, which is frozen between two calls: send what is due."""


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

    async def leave_parked(self, device_id: str, number: int) -> bool:
        """Look no more at a row that is parked, until it goes on; whether it is."""


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

    ``gone``: there is nothing to deliver any more: it was before, or it is too late.
    ``after``: seconds until the next attempt, where the other side asked for it.
    """

    outcome: Literal["delivered", "gone", "given_up", "retry"]
    detail: str = ""
    after: float | None = None


class EffectHandler(Protocol):
    """Delivers the effects of one kind. Time and size of what it waits for are bounded."""

    async def deliver(self, effect: Effect) -> Delivery: ...
