"""Whose content it is: a film's bytes belong to the creative that brought them first.

Stream ``content-{sha256}``, a reservation. It is claimed in the transaction that stores what was
fetched, so of two creatives with the same bytes one is linked to the other.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, cast

from domain.kernel.event import Aggregate, Event, State, next_event, register


class ContentClaimed(Event):
    TOPIC: ClassVar[str] = "media.content_claimed"
    creative_id: str


ContentEvent = ContentClaimed
register(ContentClaimed)


class Content(State):
    creative_id: str | None = None


def fold(state: Content, event: Event) -> Content:
    claimed = cast("ContentClaimed", event)
    changed = {"version": event.originator_version, "creative_id": claimed.creative_id}
    return state.model_copy(update=changed)


CONTENT = Aggregate("content", Content, fold, snapshot_every=100)


def claim(state: Content, *, creative_id: str, at: datetime) -> list[Event]:
    """Nothing when it has an owner."""
    if state.creative_id is not None:
        return []
    return [next_event(ContentClaimed, state, at, creative_id=creative_id)]
