"""The tokens of one grant: one vault item, so that a refresh or a revocation is one write.

An access token (``hca_<grant>_<256 random bits>``) is kept as its SHA-256. A refresh token
(``hcr_<grant>_<generation>_<MAC>``) is kept not at all: its MAC is made with a key of the platform
and a nonce of the family, so neither the vault nor the key alone makes one. The generation tells an
old token from an invented one, which is what reuse detection needs (RFC 9700 section 4.14.2), and
two refreshes at once come to the same successor, as does one that is repeated after a lost answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import NotPermitted

PREFIX = "grant#"
ACCESS_LIFETIME = timedelta(hours=1)
ACCESS_AT_ONCE = 16
"""Live access tokens of a grant; one more ends the oldest."""
GENERATIONS_KEPT = 32
"""Superseded refresh tokens whose time is remembered; older ones are outside every grace."""
ID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
RANDOM = r"[A-Za-z0-9_-]{43}"
ACCESS = re.compile(rf"hca_({ID})_{RANDOM}")
REFRESH = re.compile(rf"hcr_({ID})_([0-9]{{1,9}})_({RANDOM})")


class InvalidGrant(NotPermitted):
    """The code or refresh token is malformed, unknown, expired, revoked, used or of another client
    (RFC 6749 section 5.2)."""

    code = "invalid_grant"


class RefreshTokenReuse(Exception):
    """A superseded refresh token came back outside its grace: its grant is to be revoked, and the
    client told of an ``InvalidGrant``."""


class TokenKeys:
    """Keys of 32 bytes by id; the first makes new tokens, all verify."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.first = next(iter(self._keys))

    def mac(self, key_id: str, message: str) -> str:
        """43 characters. Raises ``InvalidGrant`` for a key that is no more."""
        key = self._keys.get(key_id)
        if key is None:
            raise InvalidGrant("the key that made this token was withdrawn")
        digest = hmac.new(key, message.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class Rotation:
    """Of a client's refresh tokens. ``grace``: how long a superseded one still does after its
    successor was used for the first time, and as long as that was not (zero: it never does); None:
    it is never superseded, the same token serves until the grant ends."""

    grace: timedelta | None = timedelta(0)


class Access(BaseModel):
    model_config = ConfigDict(frozen=True)

    hash: str
    expires_at: datetime
    scopes: tuple[str, ...]


class Superseded(BaseModel):
    model_config = ConfigDict(frozen=True)

    generation: int
    at: datetime


class TokenFamily(BaseModel):
    """The vault item of a grant. ``account_id`` None: a client's own (client credentials).

    ``expires_at``: when nothing of it can be used any more. ``generation`` None: it has no refresh
    token. ``auth_time``, ``amr``: of the sign-in that it came from (OpenID Connect Core 2).
    """

    model_config = ConfigDict(frozen=True)

    version: int = 0
    grant_id: str
    account_id: str | None
    client_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    session_id: str | None = None
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    access: tuple[Access, ...] = ()
    generation: int | None = None
    key_id: str = ""
    nonce: str = ""
    superseded: tuple[Superseded, ...] = ()

    def live(self, token: str, now: datetime) -> Access | None:
        """What the access token allows; None: unknown, or over."""
        mine = hash_of(token)
        for access in self.access:
            if access.hash == mine and access.expires_at > now:
                return access
        return None


@dataclass(frozen=True)
class Tokens:
    """What a client is given; to be had here and never again."""

    family: TokenFamily
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    access: Access


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def key_of(grant_id: str) -> str:
    return PREFIX + grant_id


def grant_of(token: str) -> str | None:
    """The grant that an access or refresh token names; None when it is neither."""
    found = ACCESS.fullmatch(token) or REFRESH.fullmatch(token)
    return found[1] if found else None


def begin(
    family: TokenFamily, keys: TokenKeys, *, now: datetime, refreshable: bool, lifetime: timedelta
) -> Tokens:
    """The first tokens of a grant. ``lifetime``: of the access token."""
    if refreshable:
        family = family.model_copy(
            update={"generation": 1, "key_id": keys.first, "nonce": secrets.token_urlsafe(16)}
        )
    return _with_access(family, keys, family.scopes, now=now, lifetime=lifetime)


def refresh(
    family: TokenFamily,
    keys: TokenKeys,
    token: str,
    *,
    now: datetime,
    rotation: Rotation,
    client_id: str,
    scopes: Collection[str] | None = None,
    expires_at: datetime | None = None,
    lifetime: timedelta = ACCESS_LIFETIME,
) -> Tokens:
    """``scopes``: fewer for this access token (RFC 6749 section 6). ``expires_at``: the grant's new
    end, where use prolongs it. Raises ``InvalidGrant`` or ``RefreshTokenReuse``."""
    generation = _authentic(family, keys, token)
    if family.client_id != client_id:
        raise InvalidGrant("the refresh token belongs to another client")
    if family.expires_at <= now:
        raise InvalidGrant("the grant has expired")
    wanted = tuple(sorted(scopes)) if scopes is not None else family.scopes
    if not set(wanted) <= set(family.scopes):
        raise InvalidGrant("more scopes than were granted")
    if expires_at is not None:
        family = family.model_copy(update={"expires_at": expires_at})
    if generation == family.generation:
        family = _succeeded(family, now, rotation)
    elif not _within_grace(family, generation, now, rotation):
        raise RefreshTokenReuse("the refresh token was used before")
    return _with_access(family, keys, wanted, now=now, lifetime=lifetime)


def is_refresh_token(family: TokenFamily, keys: TokenKeys, token: str) -> bool:
    """Whether it was really given, be it replaced or not."""
    try:
        _authentic(family, keys, token)
    except InvalidGrant:
        return False
    return True


def is_usable(
    family: TokenFamily, keys: TokenKeys, token: str, *, now: datetime, rotation: Rotation
) -> bool:
    """Whether a refresh with it would do."""
    if family.expires_at <= now or not is_refresh_token(family, keys, token):
        return False
    generation = _authentic(family, keys, token)
    return generation == family.generation or _within_grace(family, generation, now, rotation)


def _authentic(family: TokenFamily, keys: TokenKeys, token: str) -> int:
    """The generation of a refresh token that was really given. Raises ``InvalidGrant``."""
    parts = REFRESH.fullmatch(token)
    if parts is None or parts[1] != family.grant_id or family.generation is None:
        raise InvalidGrant("the refresh token is unknown")
    generation = int(parts[2])
    mac = keys.mac(family.key_id, _message(family, generation))
    if generation > family.generation or not hmac.compare_digest(mac, parts[3]):
        raise InvalidGrant("the refresh token is unknown")
    return generation


def _succeeded(family: TokenFamily, now: datetime, rotation: Rotation) -> TokenFamily:
    if rotation.grace is None:
        return family
    assert family.generation is not None
    old = Superseded(generation=family.generation, at=now)
    kept = (*family.superseded, old)[-GENERATIONS_KEPT:]
    return family.model_copy(update={"generation": family.generation + 1, "superseded": kept})


def _within_grace(family: TokenFamily, generation: int, now: datetime, rotation: Rotation) -> bool:
    """Whoever comes with the token before has not got the answer that replaced it, however long ago
    that was; the grace begins when its successor comes back, which shows that it arrived."""
    if not rotation.grace:
        return False
    successor = generation + 1
    return successor == family.generation or any(
        one.generation == successor and now < one.at + rotation.grace for one in family.superseded
    )


def _with_access(
    family: TokenFamily,
    keys: TokenKeys,
    scopes: tuple[str, ...],
    *,
    now: datetime,
    lifetime: timedelta,
) -> Tokens:
    token = f"hca_{family.grant_id}_{secrets.token_urlsafe(32)}"
    access = Access(hash=hash_of(token), expires_at=now + lifetime, scopes=scopes)
    live = [one for one in family.access if one.expires_at > now]
    kept = (*live, access)[-ACCESS_AT_ONCE:]
    family = family.model_copy(
        update={"access": kept, "expires_at": max(family.expires_at, access.expires_at)}
    )
    return Tokens(family, token, _refresh_token(family, keys), access)


def _refresh_token(family: TokenFamily, keys: TokenKeys) -> str | None:
    if family.generation is None:
        return None
    mac = keys.mac(family.key_id, _message(family, family.generation))
    return f"hcr_{family.grant_id}_{family.generation}_{mac}"


def _message(family: TokenFamily, generation: int) -> str:
    return f"refresh:{family.grant_id}:{family.nonce}:{generation}"
