"""A stored event with what is stored beside it: where it came from, and which append wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.kernel.event import Event


@dataclass(frozen=True)
class Context:
    """Where a message comes from; stored beside every event that it causes.

    ``principal``: who asked (``token:…``, ``device:…``, ``platform``). ``trace``: an X-Ray trace
    header (``Root=…;Parent=…;Sampled=…``).
    """

    correlation_id: str
    causation_id: str
    principal: str
    trace: str | None = None


@dataclass(frozen=True)
class Recorded:
    """``generation`` is the store's (restoring a backup raises it), ``id`` the CloudEvent's.

    ``sealed``: the personal fields as they are stored and published. The same fields are sealed
    to another text each time, so it does not count when two are compared. ``ref``: where the data
    are, of an event that is too large to be published with them.
    """

    event: Event
    context: Context
    commit_token: str
    generation: int = 1
    sealed: str | None = field(default=None, compare=False, repr=False)
    ref: str | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        return event_id(self.generation, self.event.originator_id, self.event.originator_version)


def event_id(generation: int, stream: str, version: int) -> str:
    return f"{generation}:{stream}:{version}"
