"""Who has a place in a home: members, and invitations that are open.

Stream ``home-{home id}``, the owner's account. It is in every transaction that adds or removes
somebody, so that a home is never fuller than it may be, and says without a read model whom the
owner has let in. A place whose time is over is free, and swept out when the next one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, assert_never, cast

from pydantic import Field

from domain.kernel.errors import NotFound, Refused
from domain.kernel.event import Aggregate, Event, State, register

PLACES = 20
INVITATION_PREFIX, MEMBER_PREFIX = "invitation:", "member:"


class HomeNotFound(NotFound):
    """No such home, or none that the caller is a member of."""

    code = "home_not_found"


class HomeFull(Refused):
    """The home has as many members and open invitations as it may."""

    code = "home_full"


class HomePlaceTaken(Event):
    """Taken again, with another end, where a guest's stay changes."""

    TOPIC: ClassVar[str] = "accounts.home_place_taken"
    holder: str = Field(description="`member:` and an account, or `invitation:` and its id")
    until: datetime | None = Field(None, description="When it is free by itself")


class HomePlaceFreed(Event):
    TOPIC: ClassVar[str] = "accounts.home_place_freed"
    holder: str = Field(description="`member:` and an account, or `invitation:` and its id")


HomeEvent = HomePlaceTaken | HomePlaceFreed
register(HomePlaceTaken, HomePlaceFreed)


class Home(State):
    """``places``: by holder, until when."""

    places: Mapping[str, datetime | None] = {}

    def holders(self, prefix: str, at: datetime) -> list[str]:
        """Ids of those who hold a place now, in order of their coming."""
        return [
            holder.removeprefix(prefix)
            for holder, until in self.places.items()
            if holder.startswith(prefix) and _lasts(until, at)
        ]


def _lasts(until: datetime | None, at: datetime) -> bool:
    return until is None or at < until


def fold(state: Home, event: Event) -> Home:
    known = cast("HomeEvent", event)
    places = dict(state.places)
    match known:
        case HomePlaceTaken():
            places[known.holder] = known.until
        case HomePlaceFreed():
            places.pop(known.holder, None)
        case _:
            assert_never(known)
    return state.model_copy(update={"version": event.originator_version, "places": places})


HOME = Aggregate("home", Home, fold, snapshot_every=100)


def invitation_place(invitation_id: str) -> str:
    return INVITATION_PREFIX + invitation_id


def member_place(account_id: str) -> str:
    return MEMBER_PREFIX + account_id


def take(
    state: Home, holder: str, *, until: datetime | None, at: datetime, instead_of: str | None = None
) -> list[Event]:
    """``instead_of``: whose place it is from now on. Raises ``HomeFull``."""
    if holder in state.places and state.places[holder] == until and _lasts(until, at):
        return free(state, instead_of, at=at)
    over = [one for one, end in state.places.items() if not _lasts(end, at) or one == instead_of]
    over = [one for one in over if one != holder]
    others = state.places.keys() - {*over, holder}
    if len(others) >= PLACES:
        raise HomeFull(f"a home has {PLACES} members and open invitations", limit=PLACES)
    moves: list[tuple[type[Event], dict[str, Any]]] = [
        *((HomePlaceFreed, {"holder": one}) for one in over),
        (HomePlaceTaken, {"holder": holder, "until": until}),
    ]
    return _written(state, moves, at)


def free(state: Home, *holders: str | None, at: datetime) -> list[Event]:
    there = [one for one in holders if one in state.places]
    return _written(state, [(HomePlaceFreed, {"holder": one}) for one in there], at)


def _written(
    state: Home, moves: list[tuple[type[Event], dict[str, Any]]], at: datetime
) -> list[Event]:
    return [
        event_type(originator_id=state.stream, originator_version=version, timestamp=at, **fields)
        for version, (event_type, fields) in enumerate(moves, state.version + 1)
    ]
