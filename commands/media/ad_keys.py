"""Publishable keys for ad requests: issue, verify, list, revoke.

Players carry them, so a key is no secret: it is good for the ad requests of one broker and for
nothing else, and can be revoked. The vault keeps its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commands.kernel.ports import Clock, Ids, Vault
from domain.kernel.errors import NotFound, NotPermitted

PREFIX = "ad-key#"
SHAPE = re.compile(r"hcp_[A-Za-z0-9_-]{43}")


class InvalidAdKey(NotPermitted):
    """The key is malformed, unknown, revoked, or another broker's."""

    code = "invalid_ad_key"


class AdKeyNotFound(NotFound):
    """The broker has no key of this id."""

    code = "ad_key_not_found"


@dataclass(frozen=True)
class AdKey:
    """What a key allows; never the key itself."""

    key_id: str
    broker: str
    label: str
    created_at: datetime


def key_of(key: str) -> str:
    """Raises ``InvalidAdKey`` when it cannot be one of ours."""
    if SHAPE.fullmatch(key) is None:
        raise InvalidAdKey("the key is malformed")
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()


async def issue_ad_key(
    vault: Vault, *, clock: Clock, ids: Ids, broker: str, label: str
) -> tuple[str, AdKey]:
    """A new key, which is to be had here and never again, and what it allows."""
    key = "hcp_" + secrets.token_urlsafe(32)
    granted = AdKey(ids.new(), broker, label, clock.now())
    await vault.put(key_of(key), _dump(granted))
    return key, granted


async def verify_ad_key(vault: Vault, key: str) -> AdKey:
    """Raises ``InvalidAdKey``."""
    held = await vault.get(key_of(key))
    if held is None:
        raise InvalidAdKey("the key is unknown or was revoked")
    return _load(held)


async def list_ad_keys(vault: Vault, broker: str) -> list[AdKey]:
    """Oldest first. Reads the whole kind: for operators."""
    found = [_load(value) for _, value in await vault.list(PREFIX)]
    return sorted((one for one in found if one.broker == broker), key=lambda one: one.key_id)


async def revoke_ad_key(vault: Vault, broker: str, key_id: str) -> None:
    """Ad requests are refused within 30 s. Raises ``AdKeyNotFound``."""
    for key, value in await vault.list(PREFIX):
        if (value["key_id"], value["broker"]) == (key_id, broker):
            await vault.delete(key)
            return
    raise AdKeyNotFound("the broker has no such key")


def _dump(granted: AdKey) -> dict[str, Any]:
    return {
        "key_id": granted.key_id,
        "broker": granted.broker,
        "label": granted.label,
        "created_at": granted.created_at.isoformat(),
    }


def _load(value: dict[str, Any]) -> AdKey:
    at = datetime.fromisoformat(value["created_at"])
    return AdKey(value["key_id"], value["broker"], value["label"], at)
