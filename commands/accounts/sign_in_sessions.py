"""Browsers that are signed in: begin, recognise, list, end.

The cookie is ``hcs_<session id>_<256 random bits>``; the vault (``session#<id>``) has the hash of
the random part. A request with a cookie costs one read there and changes nothing; ending a session
deletes the item in the commit of the event.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from commands.accounts.networks import network_of
from commands.kernel.dispatch import Dispatcher, Repository, Unit
from commands.kernel.ports import Ids, Vault
from domain.accounts import sessions
from domain.accounts.sessions import SESSIONS, EndReason, Place, Session
from domain.kernel.errors import NotPermitted, VersionConflict
from domain.kernel.recorded import Context

PREFIX = "session#"
LIFETIME = timedelta(days=30)
RECENT = timedelta(minutes=10)
LONGEST_AGENT = 256
COOKIE = re.compile(r"hcs_([0-9A-Z]{8,26})_([A-Za-z0-9_-]{43})")


class NotSignedIn(NotPermitted):
    """The session is unknown, expired, or was ended."""

    code = "not_signed_in"


class SignInTooOld(NotPermitted):
    """What was asked for needs the person to have signed in within the last ten minutes."""

    code = "sign_in_too_old"


@dataclass(frozen=True)
class Visitor:
    """The browser that asks. ``device``: its cookie of known devices, empty without one."""

    address: str
    agent: str = ""
    country: str | None = None
    device: str = field(default="", repr=False)

    @property
    def network(self) -> str:
        """By which it is counted."""
        return network_of(self.address)


@dataclass(frozen=True)
class SignedIn:
    """``auth_time``: of the last proof. ``amr``: by what (RFC 8176): pwd, otp, kba (recovery code),
    hwk (passkey), mfa."""

    account_id: str
    session_id: str
    auth_time: datetime
    amr: tuple[str, ...]

    def require_recent(self, now: datetime) -> None:
        """Raises ``SignInTooOld``."""
        if now - self.auth_time > RECENT:
            raise SignInTooOld("confirm that it is you")


@dataclass(frozen=True)
class Listed:
    """A live session as its owner sees it. ``place`` None: it was forgotten."""

    session: Session
    place: Place | None


async def start_session(
    unit: Unit, *, ids: Ids, account_id: str, amr: tuple[str, ...], visitor: Visitor
) -> tuple[str, SignedIn]:
    """The cookie's value, to be had here and never again. Raises ``AccountNotFound`` when the
    account was closed."""
    state = await unit.load(SESSIONS, account_id)
    session_id, secret = ids.new(), secrets.token_urlsafe(32)
    events = sessions.start(
        state,
        account_id=account_id,
        session_id=session_id,
        amr=amr,
        expires_at=unit.at + LIFETIME,
        address=visitor.address,
        agent=visitor.agent[:LONGEST_AGENT],
        country=visitor.country,
        at=unit.at,
    )
    unit.append(state, events)
    _forget_ended(unit, events)
    value = {
        "account_id": account_id,
        "secret_hash": _hash(secret),
        "auth_time": unit.at.isoformat(),
        "amr": list(amr),
        "created_at": unit.at.isoformat(),
        "expires_at": (unit.at + LIFETIME).isoformat(),
    }
    unit.write_vault(PREFIX + session_id, value, expected=0)
    return f"hcs_{session_id}_{secret}", SignedIn(account_id, session_id, unit.at, amr)


async def current_session(vault: Vault, cookie_value: str, *, now: datetime) -> SignedIn | None:
    """One read of the vault. None for whatever is no live session."""
    parts = COOKIE.fullmatch(cookie_value)
    if parts is None:
        return None
    held = await vault.get(PREFIX + parts[1])
    if held is None or datetime.fromisoformat(held["expires_at"]) <= now:
        return None
    if not hmac.compare_digest(str(held["secret_hash"]), _hash(parts[2])):
        return None
    return _signed_in(parts[1], held)


async def session_of(vault: Vault, session_id: str, *, now: datetime) -> SignedIn | None:
    """A session known by its id alone, as from a grant that came of it."""
    held = await vault.get(PREFIX + session_id)
    if held is None or datetime.fromisoformat(held["expires_at"]) <= now:
        return None
    return _signed_in(session_id, held)


async def renew(
    vault: Vault, signed_in: SignedIn, *, amr: tuple[str, ...], now: datetime
) -> SignedIn:
    """The person has just shown again who they are. Raises ``NotSignedIn``."""
    key = PREFIX + signed_in.session_id
    held = await vault.get(key)
    if held is None:
        raise NotSignedIn("the session was ended")
    value = {**held, "auth_time": now.isoformat(), "amr": list(amr), "mark": secrets.token_hex(8)}
    try:
        await vault.put(key, value, expected=held["version"])
    except VersionConflict as error:
        raise NotSignedIn("the session was ended or renewed meanwhile") from error
    return SignedIn(signed_in.account_id, signed_in.session_id, now, amr)


async def end_sessions(
    unit: Unit,
    account_id: str,
    session_ids: Collection[str] | None = None,
    reason: EndReason = "ended",
    *,
    but: str | None = None,
) -> tuple[str, ...]:
    """Those of ``session_ids`` that are live (None: all), and not ``but``; which ones they were."""
    state = await unit.load(SESSIONS, account_id)
    chosen = [
        one.session_id
        for one in state.live
        if one.session_id != but and (session_ids is None or one.session_id in session_ids)
    ]
    events = sessions.end(
        state, account_id=account_id, session_ids=chosen, reason=reason, at=unit.at
    )
    unit.append(state, events)
    _forget_ended(unit, events)
    return tuple(chosen)


async def sign_out(dispatcher: Dispatcher, context: Context, signed_in: SignedIn) -> None:
    async def decide(unit: Unit) -> None:
        await end_sessions(unit, signed_in.account_id, [signed_in.session_id], "signed_out")

    await dispatcher.execute(context, decide)


async def list_sessions(
    repository: Repository, account_id: str, *, now: datetime
) -> tuple[Listed, ...]:
    """Live ones, newest first; strongly consistent."""
    state = (await repository.load(SESSIONS, account_id)).state
    return tuple(Listed(one, state.place_of(one.session_id)) for one in reversed(state.at(now)))


def _forget_ended(unit: Unit, events: Collection[Any]) -> None:
    for event in events:
        if isinstance(event, sessions.SessionsEnded):
            for session_id in event.session_ids:
                unit.write_vault(PREFIX + session_id, None)


def _signed_in(session_id: str, held: dict[str, Any]) -> SignedIn:
    return SignedIn(
        held["account_id"],
        session_id,
        datetime.fromisoformat(held["auth_time"]),
        tuple(held["amr"]),
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
