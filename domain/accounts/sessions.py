"""The browsers that an account is signed in with.

Stream ``sessions-{account id}``. The list is small and consistent, so it needs no read model; the
secret of a session is in the vault (``session#{id}``), deleted in the commit that ends it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, ClassVar, Literal, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field

from domain.accounts.account import AccountNotFound
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.personal import Personal

MOST_SESSIONS = 50
"""Live ones; one more ends the oldest."""

EndReason = Literal[
    "signed_out",
    "ended",
    "too_many",
    "password_changed",
    "password_reset",
    "account_closed",
]
"""``ended``: from the list of sessions."""


class SessionStarted(Event):
    TOPIC: ClassVar[str] = "accounts.session_started"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    session_id: str
    amr: tuple[str, ...] = Field(description="How the person signed in (RFC 8176)")
    expires_at: datetime
    address: Annotated[str, Personal()] = Field(description="IP address of the browser")
    agent: Annotated[str, Personal()] = Field(max_length=256, description="Its User-Agent")
    country: Annotated[str | None, Personal()] = Field(
        default=None, description="Two letters, where a proxy tells"
    )


class SessionsEnded(Event):
    """``account_closed``: there will be no others."""

    TOPIC: ClassVar[str] = "accounts.sessions_ended"
    account_id: str
    session_ids: tuple[str, ...]
    reason: EndReason


SessionsEvent = SessionStarted | SessionsEnded
register(SessionStarted, SessionsEnded)


class Session(BaseModel):
    model_config = ConfigDict(frozen=True)

    session_id: str
    amr: tuple[str, ...]
    started_at: datetime
    expires_at: datetime


class Place(BaseModel):
    """Where a session is used."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    address: str
    agent: str
    country: str | None


class Sessions(State):
    """``live``: oldest first; some may have expired since the last one began."""

    SUBJECT: ClassVar[str | None] = "account_id"

    account_id: str | None = None
    live: tuple[Session, ...] = ()
    places: Annotated[tuple[Place, ...], Personal(erased=())] = ()
    closed: bool = False

    def at(self, now: datetime) -> tuple[Session, ...]:
        return tuple(one for one in self.live if one.expires_at > now)

    def place_of(self, session_id: str) -> Place | None:
        return next((one for one in self.places if one.session_id == session_id), None)

    def knows(self, session_id: str) -> bool:
        return any(one.session_id == session_id for one in self.live)


def fold(state: Sessions, event: Event) -> Sessions:
    known = cast("SessionsEvent", event)
    match known:
        case SessionStarted():
            return _with(state, known)
        case SessionsEnded():
            live = tuple(one for one in state.live if one.session_id not in known.session_ids)
            closed = state.closed or known.reason == "account_closed"
        case _:
            assert_never(known)
    return _kept(state, known, live, closed=closed)


def _with(state: Sessions, event: SessionStarted) -> Sessions:
    fields = event.model_dump(include={"session_id", "amr", "expires_at"})
    session = Session(started_at=event.timestamp, **fields)
    places = event.model_dump(include={"session_id", "address", "agent", "country"})
    update = {"places": (*state.places, Place(**places))}
    live = (*state.at(event.timestamp), session)
    return _kept(state.model_copy(update=update), event, live, closed=state.closed)


def _kept(
    state: Sessions, event: SessionsEvent, live: tuple[Session, ...], *, closed: bool
) -> Sessions:
    ids = {one.session_id for one in live}
    return Sessions(
        stream=state.stream,
        version=event.originator_version,
        account_id=event.account_id,
        live=live,
        places=tuple(one for one in state.places if one.session_id in ids),
        closed=closed,
    )


SESSIONS = Aggregate("sessions", Sessions, fold, snapshot_every=50)


def start(
    state: Sessions,
    *,
    account_id: str,
    session_id: str,
    amr: tuple[str, ...],
    expires_at: datetime,
    address: str,
    agent: str,
    country: str | None,
    at: datetime,
) -> list[Event]:
    """Raises ``AccountNotFound`` once the account was closed."""
    if state.closed:
        raise AccountNotFound("there is no such account")
    if state.knows(session_id):
        return []
    live = [one.session_id for one in state.at(at)]
    too_many = tuple(live[: len(live) + 1 - MOST_SESSIONS]) if len(live) >= MOST_SESSIONS else ()
    events = _ended(state, account_id, too_many, "too_many", at) if too_many else []
    after = state.model_copy(update={"version": state.version + len(events)})
    started = next_event(
        SessionStarted,
        after,
        at,
        account_id=account_id,
        session_id=session_id,
        amr=amr,
        expires_at=expires_at,
        address=address,
        agent=agent,
        country=country,
    )
    return [*events, started]


def end(
    state: Sessions,
    *,
    account_id: str,
    session_ids: Collection[str] | None,
    reason: EndReason,
    at: datetime,
) -> list[Event]:
    """``session_ids`` None: all. Those that have ended already are left out."""
    known = [one.session_id for one in state.live]
    ending = tuple(one for one in known if session_ids is None or one in session_ids)
    return _ended(state, account_id, ending, reason, at) if ending else []


def close(state: Sessions, *, account_id: str, at: datetime) -> list[Event]:
    """End all, and let none begin: an event even where there was none."""
    if state.closed:
        return []
    ids = tuple(one.session_id for one in state.live)
    return _ended(state, account_id, ids, "account_closed", at)


def _ended(
    state: Sessions, account_id: str, ids: tuple[str, ...], reason: EndReason, at: datetime
) -> list[Event]:
    fields = {"account_id": account_id, "session_ids": ids, "reason": reason}
    return [next_event(SessionsEnded, state, at, **fields)]
