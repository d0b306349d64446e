"""Grants in a vault, as the authorization server keeps them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from commands.accounts import token_family
from commands.accounts.token_family import ACCESS_LIFETIME, TokenFamily, TokenKeys, Tokens
from commands.accounts.token_states import Revocations
from commands.kernel.ports import Vault

KEYS = TokenKeys({"k": os.urandom(32)})


class Heard:
    """A ``Listener`` that keeps what it is told."""

    def __init__(self) -> None:
        self.revocations: list[str] = []
        self.changes: list[str] = []
        self.breaks = 0

    def revoked(self, keys: Collection[str]) -> None:
        self.revocations += keys

    def changed(self, keys: Collection[str]) -> None:
        self.changes += keys

    def forget(self) -> None:
        self.breaks += 1


class Grant:
    """One grant of a client, from its first token on."""

    def __init__(self, vault: Vault, tokens: Tokens) -> None:
        self._vault = vault
        self.id = tokens.family.grant_id
        self.token = tokens.access_token
        self.refresh_token = tokens.refresh_token
        self.key = token_family.key_of(self.id)

    async def another(self, now: datetime) -> str:
        """One more access token, as a refresh gives it; those before stay good."""
        held = await self._vault.get(self.key)
        assert held is not None
        tokens = token_family.refresh(
            TokenFamily.model_validate(held),
            KEYS,
            self.refresh_token or "",
            now=now,
            rotation=token_family.Rotation(grace=None),
            client_id=held["client_id"],
        )
        content = tokens.family.model_dump(mode="json")
        await self._vault.put(self.key, content, expected=held["version"])
        return tokens.access_token

    async def revoke(self, revocations: Revocations) -> None:
        """The vault first, then all others."""
        await self._vault.delete(self.key)
        await revocations.told([self.id])


async def give(
    vault: Vault,
    grant_id: str,
    *,
    account_id: str | None,
    scopes: Sequence[str],
    now: datetime,
    client_id: str = "alexa",
    lifetime: timedelta = ACCESS_LIFETIME,
    **more: Any,
) -> Grant:
    family = TokenFamily(
        grant_id=grant_id,
        account_id=account_id,
        client_id=client_id,
        scopes=tuple(sorted(scopes)),
        created_at=now,
        expires_at=now + timedelta(days=90),
        **more,
    )
    tokens = token_family.begin(family, KEYS, now=now, refreshable=True, lifetime=lifetime)
    key = token_family.key_of(grant_id)
    await vault.put(key, tokens.family.model_dump(mode="json"), expected=0)
    return Grant(vault, tokens)


async def take_back(vault: Vault, grant: Grant, token: str) -> None:
    """One access token of several: the grant goes on (RFC 7009)."""
    held = await vault.get(grant.key)
    assert held is not None
    family = TokenFamily.model_validate(held)
    left = tuple(one for one in family.access if one.hash != token_family.hash_of(token))
    changed = family.model_copy(update={"access": left})
    await vault.put(grant.key, changed.model_dump(mode="json"), expected=family.version)
