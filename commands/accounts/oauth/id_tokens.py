"""ID tokens (OpenID Connect Core 2), and what is told of people."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.ports import Person
from commands.accounts.oauth.scopes import EMAIL, PROFILE
from commands.accounts.oauth.signing_keys import ALGORITHM
from commands.accounts.token_family import TokenFamily
from domain.kernel.errors import Refused

LIFETIME = timedelta(hours=1)
LARGEST_HINT = 4096
"""Characters. Ours have less than 1,500."""


class InvalidHint(Refused):
    """``id_token_hint`` was not signed here."""

    code = "invalid_id_token_hint"


@dataclass(frozen=True)
class Hint:
    """Whom an ID token of ours was about, whether it is over or not."""

    account_id: str
    client_id: str
    session_id: str | None


async def id_token(
    oauth: OAuth,
    family: TokenFamily,
    access_token: str,
    *,
    scopes: Collection[str],
    nonce: str | None = None,
) -> str:
    assert family.account_id is not None, "of a person"
    signer = await oauth.signing_keys.signer()
    now = oauth.clock.now()
    claims: dict[str, Any] = {
        "iss": oauth.issuer,
        "sub": family.account_id,
        "aud": family.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "at_hash": at_hash(access_token),
    }
    if family.auth_time is not None:
        claims["auth_time"] = seconds(family.auth_time)
    if family.amr:
        claims["amr"] = list(family.amr)
    if family.session_id is not None:
        claims["sid"] = family.session_id
    if nonce is not None:
        claims["nonce"] = nonce
    if EMAIL in scopes or PROFILE in scopes:
        claims |= told(await oauth.people.find(family.account_id), scopes)
    header = {"alg": ALGORITHM, "kid": signer.kid}
    return jwt.encode(header, claims, signer.key, [ALGORITHM])


def told(person: Person | None, scopes: Collection[str]) -> dict[str, Any]:
    """Claims by scope (OpenID Connect Core 5.4), without those that there is nothing to say of."""
    if person is None:
        return {}
    claims: dict[str, Any] = {}
    if EMAIL in scopes and person.email is not None:
        claims |= {"email": person.email, "email_verified": person.email_verified}
    if PROFILE in scopes and person.name is not None:
        claims["name"] = person.name
    if PROFILE in scopes and person.updated_at is not None:
        claims["updated_at"] = seconds(person.updated_at)
    return claims


def at_hash(access_token: str) -> str:
    """The left half of its SHA-256 (OpenID Connect Core 3.1.3.6)."""
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).decode().rstrip("=")


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


async def read_hint(oauth: OAuth, token: str) -> Hint:
    """Signature, algorithm and issuer have to hold, times need not. Raises ``InvalidHint``."""
    if len(token) > LARGEST_HINT:
        raise InvalidHint("the ID token is too large")
    keys = KeySet.import_key_set({"keys": await oauth.signing_keys.believed()})
    try:
        claims = jwt.decode(token, keys, [ALGORITHM]).claims
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidHint("the ID token was not signed here") from error
    account_id, client_id, session_id = claims.get("sub"), claims.get("aud"), claims.get("sid")
    if claims.get("iss") != oauth.issuer or not isinstance(account_id, str):
        raise InvalidHint("the ID token is of another issuer")
    if not isinstance(client_id, str) or not isinstance(session_id, str | None):
        raise InvalidHint("the ID token is none of ours")
    return Hint(account_id, client_id, session_id)
