"""What the bearer of a token may do, whichever of both kinds it is.

A personal access token (``hc_…``, ``tokens``) is a vault item of its own; the access tokens of a
grant (``hca_…``, ``token_family``) are in one together. ``Holding`` is what such an item says, to
be asked by the hash of a token, and without what makes refresh tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from commands.accounts import token_family, tokens
from commands.accounts.token_family import TokenFamily
from commands.accounts.token_states import TRUSTED_FOR, State, TokenStates
from commands.accounts.tokens import InvalidToken
from commands.kernel.ports import Vault
from domain.kernel.errors import ContractError, Unavailable

BLANK: Mapping[str, Any] = {"generation": None, "key_id": "", "nonce": "", "superseded": ()}
"""In place of what refreshes a family, which stays in the vault."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """``id``: of the personal access token, or of the grant: what its bearer is known by.

    ``account_id`` None: a client that acts for itself (client credentials). ``client_id`` None: a
    personal access token. ``expires_at`` None: until revoked. ``created_at``: of the grant.
    """

    kind: Literal["token", "grant"]
    id: str
    account_id: str | None
    client_id: str | None
    scopes: frozenset[str]
    expires_at: datetime | None
    created_at: datetime | None = None

    @property
    def principal(self) -> str:
        """A client that acts for itself is one, however many tokens it has."""
        if self.account_id is None and self.client_id is not None:
            return f"client:{self.client_id}"
        return f"{self.kind}:{self.id}"

    def require_unexpired(self, now: datetime) -> None:
        """Raises ``InvalidToken``."""
        if self.expires_at is not None and self.expires_at <= now:
            raise InvalidToken("the token has expired")


class PersonalToken(BaseModel):
    """The vault item of a personal access token, as far as it says what is allowed."""

    model_config = ConfigDict(frozen=True)

    token_id: str
    account_id: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holding:
    """``bearers``: by the hash of the token. ``version``: of the item; a personal access token is
    never changed, so it has none."""

    version: int
    item: PersonalToken | TokenFamily
    bearers: Mapping[str, Bearer]

    def text(self) -> bytes:
        """For ``read``."""
        return self.item.model_dump_json(exclude=set(BLANK)).encode()


def key_of(token: str) -> str:
    """The vault item that an access token of either kind is in. Raises ``InvalidToken``."""
    if found := token_family.ACCESS.fullmatch(token):
        return token_family.key_of(found[1])
    return tokens.key_of(token)


def hash_of(token: str) -> str:
    return tokens.hash_of(token)


def holding_of(key: str, value: Mapping[str, Any]) -> Holding:
    """Of a vault item. Raises ``ContractError``."""
    try:
        return _holding(key, _form(key).model_validate(value))
    except ValidationError as error:
        raise ContractError("a vault item of tokens is unreadable") from error


def read(key: str, text: bytes) -> Holding:
    """What ``Holding.text`` has written. Raises ``ContractError``."""
    try:
        return _holding(key, _form(key).model_validate_json(text))
    except ValidationError as error:
        raise ContractError("a remembered item of tokens is unreadable") from error


def _form(key: str) -> type[PersonalToken | TokenFamily]:
    return TokenFamily if key.startswith(token_family.PREFIX) else PersonalToken


def _holding(key: str, item: PersonalToken | TokenFamily) -> Holding:
    if isinstance(item, PersonalToken):
        scopes = frozenset(item.scopes)
        bearer = Bearer("token", item.token_id, item.account_id, None, scopes, item.expires_at)
        return Holding(0, item, {key.removeprefix(tokens.PREFIX): bearer})
    bearers = {
        one.hash: Bearer(
            "grant",
            item.grant_id,
            item.account_id,
            item.client_id,
            frozenset(one.scopes),
            one.expires_at,
            item.created_at,
        )
        for one in item.access
    }
    return Holding(item.version, item.model_copy(update=BLANK), bearers)


class VaultRevocations:
    """The port ``Revocations``, and what is less than that: one token of a grant, of several."""

    def __init__(self, vault: Vault, states: TokenStates) -> None:
        self._vault = vault
        self._states = states

    async def told(self, grant_ids: Collection[str]) -> None:
        await self._states.told(grant_ids)

    async def told_tokens(self, hashes: Collection[str]) -> None:
        await self._states.told_tokens(hashes)

    async def changed(self, grant_ids: Collection[str]) -> None:
        """Some access tokens of these grants are worthless, and others are not. What the vault says
        now takes the place of what is remembered, so that nothing older can come back. Never
        raises."""
        for grant_id in grant_ids:
            with suppress(Unavailable, ContractError):
                await self._replace(token_family.key_of(grant_id))

    async def _replace(self, key: str) -> None:
        value = await self._vault.get(key)
        if value is None:
            await self._states.bury([key])
        else:
            holding = holding_of(key, value)
            state = State(holding.version, holding.text(), TRUSTED_FOR)
            await self._states.replace(key, state)
