"""Which client is calling (RFC 6749 section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import InvalidClient, UnauthorizedClient
from commands.accounts.oauth.parts import OAuth
from domain.accounts.client import AuthMethod, GrantType


@dataclass(frozen=True)
class Credentials:
    """As they came; ``method`` NONE: nothing but an id."""

    client_id: str
    method: AuthMethod
    secret: str = field(default="", repr=False)


async def authenticate(oauth: OAuth, given: Credentials, *, network: str) -> KnownClient:
    """``network``: what one caller has (``limits.network_of``), whose failures are counted.

    Raises ``InvalidClient`` or ``TooManyAttempts``.
    """
    client = await _found(oauth, given.client_id, network)
    if given.method not in client.config.auth_methods:
        raise InvalidClient("the client does not show who it is in this way")
    if given.method != AuthMethod.NONE:
        await _require_secret(oauth, client, given.secret, network)
    return client


async def _found(oauth: OAuth, client_id: str, network: str) -> KnownClient:
    """Looking for one that was there before counts for nothing."""
    clients, failures, who = oauth.clients, oauth.limits.clients, f"unknown:{network}"
    if not clients.knows(client_id):
        failures.require(who)
        async with failures.turns.of(who):
            if not clients.knows(client_id):
                async with failures.attempt(who, failure=InvalidClient):
                    return _there(await clients.find(client_id))
    return _there(await clients.find(client_id))


def _there(client: KnownClient | None) -> KnownClient:
    if client is None:
        raise InvalidClient("no such client")
    return client


async def _require_secret(oauth: OAuth, client: KnownClient, secret: str, network: str) -> None:
    """One that was right before and still is costs nothing."""
    failures, who = oauth.limits.clients, f"{client.client_id}:{network}"
    failures.require(who)
    if oauth.clients.was_right(client, secret):
        return
    async with failures.turns.of(who):
        if oauth.clients.was_right(client, secret):
            return
        async with failures.attempt(who, failure=InvalidClient):
            if not client.has_secret(secret):
                raise InvalidClient("the secret is wrong")
            oauth.clients.take_as_right(client, secret)


def require_grant_type(client: KnownClient, grant_type: GrantType) -> None:
    """Raises ``UnauthorizedClient``."""
    if grant_type not in client.config.grant_types:
        raise UnauthorizedClient("the client is not registered for this grant type")
