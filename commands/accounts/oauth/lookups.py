"""Tokens looked at, and given back: introspection (RFC 7662), revocation (RFC 7009), userinfo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commands.accounts import token_family, tokens
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import UnauthorizedClient
from commands.accounts.oauth.grants import revoke_grants
from commands.accounts.oauth.id_tokens import seconds, told
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.ports import Bearer
from commands.accounts.oauth.retired import is_of_a_client
from commands.accounts.oauth.scopes import INTROSPECT, OPENID
from commands.accounts.token_family import InvalidGrant, Rotation, TokenFamily
from commands.accounts.tokens import InvalidToken
from commands.kernel.dispatch import too_contended
from commands.kernel.ports import Clock, Vault
from domain.accounts.grants import Because
from domain.kernel.errors import NotPermitted, VersionConflict
from domain.kernel.recorded import Context

TRIES = 8
INACTIVE: dict[str, Any] = {"active": False}


class NoIdentity(NotPermitted):
    """The token is not one of a person who signed in with the scope ``openid``."""

    code = "no_identity"


@dataclass(frozen=True)
class Held:
    """A ``ports.Bearer``."""

    account_id: str | None
    client_id: str | None
    scopes: frozenset[str]
    expires_at: datetime | None
    created_at: datetime | None = None


class VaultIntrospection:
    """The port ``Introspection`` that remembers nothing."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def introspect(self, token: str) -> Held | None:
        shape, now = token_family.ACCESS.fullmatch(token), self._clock.now()
        if shape is None:
            return await self._personal(token, now)
        held = await self._vault.get(token_family.key_of(shape[1]))
        family = TokenFamily.model_validate(held) if held is not None else None
        access = family.live(token, now) if family is not None else None
        if family is None or access is None:
            return None
        scopes = frozenset(access.scopes)
        return Held(
            family.account_id, family.client_id, scopes, access.expires_at, family.created_at
        )

    async def _personal(self, token: str, now: datetime) -> Held | None:
        try:
            grant = await tokens.verify(self._vault, token, now=now)
        except InvalidToken:
            return None
        return Held(grant.account_id, None, grant.scopes, grant.expires_at)


# --- introspection --------------------------------------------------------------------------------


async def introspect(oauth: OAuth, client: KnownClient, token: str) -> dict[str, Any]:
    """A client sees its own tokens; one that may look at all of them sees those of all.

    Raises ``UnauthorizedClient`` for a public client: anybody could be that.
    """
    if client.config.public:
        raise UnauthorizedClient("only clients that show who they are look at tokens")
    if token_family.REFRESH.fullmatch(token):
        return await _refresh_token(oauth, client, token)
    bearer = await oauth.introspection.introspect(token)
    if bearer is None or not _may_see(client, bearer.client_id):
        return INACTIVE
    if not await is_of_a_client(oauth.clients, bearer):
        return INACTIVE
    return _active(oauth, bearer)


def _may_see(client: KnownClient, owner: str | None) -> bool:
    sees_all = client.config.introspect or INTROSPECT in client.config.scopes
    return sees_all or owner == client.client_id


def _active(oauth: OAuth, bearer: Bearer) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "active": True,
        "iss": oauth.issuer,
        "scope": " ".join(sorted(bearer.scopes)),
        "token_type": "Bearer",
        "sub": bearer.account_id or bearer.client_id,
    }
    if bearer.client_id is not None:
        answer["client_id"] = bearer.client_id
    if bearer.expires_at is not None:
        answer["exp"] = seconds(bearer.expires_at)
    return answer


async def _refresh_token(oauth: OAuth, client: KnownClient, token: str) -> dict[str, Any]:
    family = await _family_of(oauth, token)
    if family is None or not _may_see(client, family.client_id):
        return INACTIVE
    owner = await oauth.clients.find(family.client_id)
    if (
        owner is None
        or not owner.has_given(family.created_at)
        or not token_family.is_usable(
            family,
            oauth.keys.refresh_tokens,
            token,
            now=oauth.clock.now(),
            rotation=Rotation(owner.config.grace),
        )
    ):
        return INACTIVE
    held = Held(family.account_id, family.client_id, frozenset(family.scopes), family.expires_at)
    answer = _active(oauth, held) | {"iat": seconds(family.created_at)}
    del answer["token_type"]
    return answer


async def _family_of(oauth: OAuth, token: str) -> TokenFamily | None:
    grant_id = token_family.grant_of(token)
    held = await oauth.vault.get(token_family.key_of(grant_id)) if grant_id else None
    return TokenFamily.model_validate(held) if held is not None else None


# --- revocation -----------------------------------------------------------------------------------


async def revoke(oauth: OAuth, context: Context, client: KnownClient, token: str) -> bool:
    """A refresh token takes its whole grant with it, an access token only itself. What is no token
    needs no end: whether it was one. Raises ``InvalidGrant`` for one of another client."""
    for _ in range(TRIES):
        family = await _family_of(oauth, token)
        if family is None or not _is_of(oauth, family, token):
            return False
        if family.client_id != client.client_id:
            raise InvalidGrant("the token belongs to another client")
        try:
            await _end(oauth, context, family, token)
        except VersionConflict:
            continue
        return True
    raise too_contended()


def _is_of(oauth: OAuth, family: TokenFamily, token: str) -> bool:
    if token_family.ACCESS.fullmatch(token):
        return family.live(token, oauth.clock.now()) is not None
    return token_family.is_refresh_token(family, oauth.keys.refresh_tokens, token)


async def _end(oauth: OAuth, context: Context, family: TokenFamily, token: str) -> None:
    """Raises ``VersionConflict``."""
    if family.account_id is not None and token_family.REFRESH.fullmatch(token):
        await revoke_grants(
            oauth,
            context,
            family.account_id,
            grant_ids=(family.grant_id,),
            reason=Because.CLIENT,
        )
        return
    key, mine = token_family.key_of(family.grant_id), token_family.hash_of(token)
    left = tuple(one for one in family.access if one.hash != mine)
    if left or family.generation is not None:
        value = family.model_copy(update={"access": left}).model_dump(mode="json")
        await oauth.vault.put(key, value, expected=family.version)
        await oauth.revocations.changed((family.grant_id,))
    else:
        await oauth.vault.delete(key, expected=family.version)
        await oauth.revocations.told((family.grant_id,))


# --- userinfo -------------------------------------------------------------------------------------


async def userinfo(oauth: OAuth, token: str) -> dict[str, Any]:
    """Raises ``InvalidToken`` or ``NoIdentity``."""
    bearer = await oauth.introspection.introspect(token)
    if bearer is None:
        raise InvalidToken("the token is unknown, over or was revoked")
    if bearer.account_id is None or bearer.client_id is None or OPENID not in bearer.scopes:
        raise NoIdentity("the token lacks openid", scope=OPENID)
    person = await oauth.people.find(bearer.account_id)
    if person is None or not await is_of_a_client(oauth.clients, bearer):
        raise InvalidToken("the account or the client is no more")
    return {"sub": bearer.account_id, **told(person, bearer.scopes)}
