"""What an account's owner has allowed to clients.

Stream ``grants-{account id}``. The tokens of a grant are one item of the vault, which goes with it.
A grant that ran out by itself stays in the list until something else is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.event import Aggregate, Event, State, next_event, register

LIVE_AT_ONCE = 100
"""Grants of an account; one more ends the oldest."""
PER_CLIENT = 10
TIDIED = 50
"""Grants that ran out and are cleared away when another one is given; a commit holds so much."""
CONSENTS_KEPT = 100
"""Clients for which it is remembered what was allowed."""


class Because(StrEnum):
    """Why grants ended. What the owner or the platform took back, or the client gave back, is asked
    for again; after the others a client that comes back is known."""

    REPLACED = "replaced"
    EXPIRED = "expired"
    CLIENT = "client"
    SESSION = "session_ended"
    USER = "user"
    CODE_REUSE = "code_reuse"
    REFRESH_REUSE = "refresh_reuse"
    PASSWORD_RESET = "password_reset"  # noqa: S105 a reason
    CLIENT_RETIRED = "client_retired"
    FORGOTTEN = "account_forgotten"
    OPERATOR = "operator"


STILL_KNOWN = frozenset((Because.REPLACED, Because.EXPIRED, Because.SESSION))


class GrantGiven(Event):
    """``ends_at``: when it ends unless it is refreshed. ``session_id``: of the sign-in that it came
    from."""

    TOPIC: ClassVar[str] = "accounts.grant_given"
    account_id: str
    grant_id: str
    client_id: str
    scopes: tuple[str, ...] = Field(description="Sorted")
    session_id: str | None = None
    refreshable: bool = True
    ends_at: datetime


class RefreshTokenReused(Event):
    """A replaced refresh token came back: the client or somebody else had a copy."""

    TOPIC: ClassVar[str] = "accounts.refresh_token_reused"
    account_id: str
    grant_id: str


class GrantsRevoked(Event):
    TOPIC: ClassVar[str] = "accounts.grants_revoked"
    account_id: str
    grant_ids: tuple[str, ...]
    reason: Because


GrantsEvent = GrantGiven | RefreshTokenReused | GrantsRevoked
register(GrantGiven, RefreshTokenReused, GrantsRevoked)


class Given(BaseModel):
    """One grant."""

    model_config = ConfigDict(frozen=True)

    grant_id: str
    client_id: str
    scopes: tuple[str, ...]
    session_id: str | None
    refreshable: bool
    given_at: datetime
    ends_at: datetime


class Grants(State):
    """``live``: oldest first. ``consents``: what a client was allowed so far, by its id."""

    live: tuple[Given, ...] = ()
    consents: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    def of(self, grant_id: str) -> Given | None:
        return next((one for one in self.live if one.grant_id == grant_id), None)

    def allowed(self, client_id: str, scopes: Collection[str]) -> bool:
        """Whether all of it was allowed to this client before."""
        return client_id in self.consents and set(scopes) <= set(self.consents[client_id])


def fold(state: Grants, event: Event) -> Grants:
    known = cast("GrantsEvent", event)
    changed: dict[str, Any] = {"version": event.originator_version}
    match known:
        case GrantGiven():
            changed |= {
                "live": (*state.live, _given(known)),
                "consents": _consented(state.consents, known),
            }
        case RefreshTokenReused():
            pass
        case GrantsRevoked():
            gone = [one for one in state.live if one.grant_id in known.grant_ids]
            changed["live"] = tuple(one for one in state.live if one not in gone)
            if known.reason not in STILL_KNOWN:
                clients = {one.client_id for one in gone}
                changed["consents"] = {
                    key: scopes for key, scopes in state.consents.items() if key not in clients
                }
        case _:
            assert_never(known)
    return state.model_copy(update=changed)


def _given(event: GrantGiven) -> Given:
    return Given(
        grant_id=event.grant_id,
        client_id=event.client_id,
        scopes=event.scopes,
        session_id=event.session_id,
        refreshable=event.refreshable,
        given_at=event.timestamp,
        ends_at=event.ends_at,
    )


def _consented(
    consents: Mapping[str, tuple[str, ...]], event: GrantGiven
) -> dict[str, tuple[str, ...]]:
    known = dict(consents)
    before = known.pop(event.client_id, ())
    known[event.client_id] = tuple(sorted({*before, *event.scopes}))
    return dict(list(known.items())[-CONSENTS_KEPT:])


GRANTS = Aggregate("grants", Grants, fold, snapshot_every=50)


def give(
    state: Grants,
    *,
    account_id: str,
    grant_id: str,
    client_id: str,
    scopes: Collection[str],
    session_id: str | None,
    refreshable: bool,
    ends_at: datetime,
    at: datetime,
) -> list[Event]:
    """What has no place any more ends before."""
    if state.of(grant_id) is not None:
        return []
    events: list[Event] = []
    for reason, grant_ids in _without_place(state, client_id, at):
        revoked = next_event(
            GrantsRevoked, state, at, account_id=account_id, grant_ids=grant_ids, reason=reason
        )
        events.append(revoked)
        state = fold(state, revoked)
    given = next_event(
        GrantGiven,
        state,
        at,
        account_id=account_id,
        grant_id=grant_id,
        client_id=client_id,
        scopes=tuple(sorted(scopes)),
        session_id=session_id,
        refreshable=refreshable,
        ends_at=ends_at,
    )
    return [*events, given]


def _without_place(
    state: Grants, client_id: str, at: datetime
) -> list[tuple[Because, tuple[str, ...]]]:
    """Those that ran out (of refreshable ones only the vault knows that), and the oldest beyond
    what an account and a client may have."""
    over = [one for one in state.live if not one.refreshable and one.ends_at <= at][:TIDIED]
    left = [one for one in state.live if one not in over]
    mine = [one for one in left if one.client_id == client_id]
    oldest = mine[: max(0, len(mine) + 1 - PER_CLIENT)]
    left = [one for one in left if one not in oldest]
    oldest += left[: max(0, len(left) + 1 - LIVE_AT_ONCE)]
    found = ((Because.EXPIRED, over), (Because.REPLACED, oldest))
    return [(why, tuple(one.grant_id for one in some)) for why, some in found if some]


def find_reuse(state: Grants, *, account_id: str, grant_id: str, at: datetime) -> list[Event]:
    """The grant ends with it."""
    if state.of(grant_id) is None:
        return []
    reused = next_event(RefreshTokenReused, state, at, account_id=account_id, grant_id=grant_id)
    fields: dict[str, Any] = {"account_id": account_id, "grant_ids": (grant_id,)}
    revoked = next_event(
        GrantsRevoked, fold(state, reused), at, **fields, reason=Because.REFRESH_REUSE
    )
    return [reused, revoked]


def revoke(
    state: Grants,
    *,
    account_id: str,
    which: Callable[[Given], bool],
    reason: Because,
    at: datetime,
) -> list[Event]:
    grant_ids = tuple(one.grant_id for one in state.live if which(one))
    if not grant_ids:
        return []
    fields = {"account_id": account_id, "grant_ids": grant_ids, "reason": reason}
    return [next_event(GrantsRevoked, state, at, **fields)]
