"""Bearer tokens of an account: issue, verify, list, revoke.

A token is opaque and shown once; the vault keeps its SHA-256 (a token has 256 random bits, so a
slow hash would add nothing, and looking up by hash leaves no comparison to time). Revoking deletes
the item.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commands.accounts.token_states import Revocations
from commands.kernel.ports import Clock, Ids, Vault
from domain.kernel.errors import InvalidInput, NotFound, NotPermitted

DEVICES_READ, DEVICES_WRITE, COMMANDS_WRITE = "devices:read", "devices:write", "commands:write"
SCOPES = (DEVICES_READ, DEVICES_WRITE, COMMANDS_WRITE)
"""What an account may ask for; a token without a wish gets all of them."""
OPERATE = "operate"
"""The platform itself: read models, parked streams, dead letters. Only when asked for by name."""
ADS_REQUEST, ADS_READ, ADS_MANAGE = "ads:request", "ads:read", "ads:manage"
"""Ad breaks for a service; creatives, brokers and reports; changing them. Asked for by name too."""
HOMES_READ, HOMES_WRITE = "homes:read", "homes:write"
"""Who is in a home; letting others in and out. By name too: it gives away more than itself."""
OF_SERVICES = (OPERATE, ADS_REQUEST, ADS_READ, ADS_MANAGE)
"""What belongs to no account: a client may have it for itself."""
ALL_SCOPES = (*SCOPES, HOMES_READ, HOMES_WRITE, *OF_SERVICES)
PREFIX = "token#"
SHAPE = re.compile(r"hc_[A-Za-z0-9_-]{43}")
ACCOUNT = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class InvalidToken(NotPermitted):
    """The token is malformed, unknown, revoked or expired."""

    code = "invalid_token"


class TokenNotFound(NotFound):
    """No token has this id."""

    code = "token_not_found"


@dataclass(frozen=True)
class Grant:
    """What a token allows; never the token itself. ``expires_at`` None: until revoked."""

    token_id: str
    account_id: str
    scopes: frozenset[str]
    label: str
    created_at: datetime
    expires_at: datetime | None

    def require_unexpired(self, now: datetime) -> None:
        if self.expires_at is not None and self.expires_at <= now:
            raise InvalidToken("the token has expired")


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def key_of(token: str) -> str:
    """Raises ``InvalidToken`` when it cannot be one of ours."""
    if SHAPE.fullmatch(token) is None:
        raise InvalidToken("the token is malformed")
    return PREFIX + hash_of(token)


async def issue_token(
    vault: Vault,
    *,
    clock: Clock,
    ids: Ids,
    account_id: str,
    scopes: Collection[str] = SCOPES,
    label: str = "",
    expires_at: datetime | None = None,
) -> tuple[str, Grant]:
    """A new token and what it allows; the token is to be had here and never again."""
    unknown = sorted(set(scopes) - set(ALL_SCOPES))
    if unknown or not scopes:
        raise InvalidInput(f"unknown or no scopes: {', '.join(unknown)}", scopes=list(ALL_SCOPES))
    if ACCOUNT.fullmatch(account_id) is None:
        raise InvalidInput("an account id is a ULID", field="account_id")
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("the expiry lies in the past", field="expires_at")
    token = "hc_" + secrets.token_urlsafe(32)
    grant = Grant(ids.new(), account_id, frozenset(scopes), label, now, expires_at)
    await vault.put(key_of(token), _dump(grant))
    return token, grant


async def verify(vault: Vault, token: str, *, now: datetime) -> Grant:
    """Raises ``InvalidToken``."""
    held = await vault.get(key_of(token))
    if held is None:
        raise InvalidToken("the token is unknown or was revoked")
    grant = _load(held)
    grant.require_unexpired(now)
    return grant


async def list_tokens(vault: Vault, *, account_id: str | None = None) -> list[Grant]:
    """Oldest first. Reads the whole kind, as ``Vault.list`` does: for the CLI."""
    grants = [_load(value) for _, value in await vault.list(PREFIX)]
    wanted = [one for one in grants if account_id is None or one.account_id == account_id]
    return sorted(wanted, key=lambda one: one.token_id)


async def revoke_token(vault: Vault, token_id: str, *, revocations: Revocations) -> Grant:
    """Requests are refused at once, or within 30 s where Redis is away.

    Raises ``TokenNotFound``.
    """
    for key, value in await vault.list(PREFIX):
        if value["token_id"] == token_id:
            await vault.delete(key)
            await revocations.told_tokens([key.removeprefix(PREFIX)])
            return _load(value)
    raise TokenNotFound("no token has this id")


async def revoke_tokens_of(vault: Vault, account_id: str, *, revocations: Revocations) -> None:
    """All of an account's. Reads the whole kind, as ``list_tokens`` does."""
    found = await vault.list(PREFIX)
    keys = [key for key, value in found if value["account_id"] == account_id]
    for key in keys:
        await vault.delete(key)
    await revocations.told_tokens([key.removeprefix(PREFIX) for key in keys])


def _dump(grant: Grant) -> dict[str, Any]:
    return {
        "token_id": grant.token_id,
        "account_id": grant.account_id,
        "scopes": sorted(grant.scopes),
        "label": grant.label,
        "created_at": grant.created_at.isoformat(),
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
    }


def _load(value: dict[str, Any]) -> Grant:
    expires_at = value["expires_at"]
    return Grant(
        token_id=value["token_id"],
        account_id=value["account_id"],
        scopes=frozenset(value["scopes"]),
        label=value["label"],
        created_at=datetime.fromisoformat(value["created_at"]),
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
    )
