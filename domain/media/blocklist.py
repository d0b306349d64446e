"""What must not be shown: one list for all brokers, looked at before any film is fetched or shown.

Stream ``blocklist-all``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from domain.kernel.errors import InvalidInput, NotFound, Refused
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.media.identity import canonical

ALL = "all"
MOST_ENTRIES = 1_000

Kind = Literal["creative", "address", "advertiser", "category"]


class BlocklistFull(Refused):
    """The blocklist has as many entries as it may."""

    code = "blocklist_full"


class EntryNotFound(NotFound):
    """The blocklist has no such entry."""

    code = "blocklist_entry_not_found"


class Entry(BaseModel):
    """``creative``: an id of ours. ``address``: how the film's canonical address begins; a host
    without a path is that host and no longer one that begins like it.
    ``advertiser``, ``category``: as ads say them, without regard to case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    value: str = Field(min_length=1, max_length=500)

    @field_validator("value")
    @classmethod
    def _as_it_is_compared(cls, value: str, info: ValidationInfo) -> str:
        return canonical(value) if info.data.get("kind") == "address" else value.strip()

    @property
    def is_void(self) -> bool:
        """Whether it could match nothing."""
        begins = self.value.startswith(("http://", "https://"))
        return not self.value or (self.kind == "address" and not begins)

    def matches(self, kind: Kind, text: str) -> bool:
        if kind != self.kind:
            return False
        if kind == "address":
            return text.startswith(self.value)
        return text.strip().casefold() == self.value.casefold()


class EntryBlocked(Event):
    TOPIC: ClassVar[str] = "media.blocklist_entry_added"
    entry: Entry
    reason: str = ""
    by: str


class EntryUnblocked(Event):
    TOPIC: ClassVar[str] = "media.blocklist_entry_removed"
    entry: Entry
    by: str


BlocklistEvent = EntryBlocked | EntryUnblocked
register(EntryBlocked, EntryUnblocked)


class Blocklist(State):
    entries: tuple[Entry, ...] = ()

    def blocks(
        self, *, creative_id: str, address: str, advertiser: str, categories: tuple[str, ...]
    ) -> Entry | None:
        facts: list[tuple[Kind, str]] = [
            ("creative", creative_id),
            ("address", address),
            ("advertiser", advertiser),
            *(("category", one) for one in categories),
        ]
        for entry in self.entries:
            if any(entry.matches(kind, text) for kind, text in facts):
                return entry
        return None


def fold(state: Blocklist, event: Event) -> Blocklist:
    known = cast("BlocklistEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case EntryBlocked():
            changed |= {"entries": (*state.entries, known.entry)}
        case EntryUnblocked():
            kept = tuple(one for one in state.entries if one != known.entry)
            changed |= {"entries": kept}
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


BLOCKLIST = Aggregate("blocklist", Blocklist, fold, snapshot_every=50)


def block(state: Blocklist, *, entry: Entry, reason: str, by: str, at: datetime) -> list[Event]:
    """Raises ``BlocklistFull``, and ``InvalidInput`` for what would only seem to protect."""
    if entry.is_void:
        raise InvalidInput("it could match nothing", field="entry.value")
    if entry in state.entries:
        return []
    if len(state.entries) >= MOST_ENTRIES:
        raise BlocklistFull(f"the blocklist may have {MOST_ENTRIES} entries", limit=MOST_ENTRIES)
    return [next_event(EntryBlocked, state, at, entry=entry, reason=reason, by=by)]


def unblock(state: Blocklist, *, entry: Entry, by: str, at: datetime) -> list[Event]:
    """Raises ``EntryNotFound``."""
    if entry not in state.entries:
        raise EntryNotFound("the blocklist has no such entry")
    return [next_event(EntryUnblocked, state, at, entry=entry, by=by)]
