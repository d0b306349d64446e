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
    failures, unknown = oauth.client_failures, f"unknown:{network}"
    client = oauth.clients.held(given.client_id)
    if client is None:
        failures.require(unknown)
        client = await oauth.clients.find(given.client_id)
    if client is None:
        await failures.failed(unknown)
        raise InvalidClient("no such client")
    if given.method not in client.config.auth_methods:
        raise InvalidClient("the client does not show who it is in this way")
    if given.method == AuthMethod.NONE:
        return client
    mine = f"{given.client_id}:{network}"
    failures.require(mine)
    if not client.has_secret(given.secret):
        await failures.failed(mine)
        raise InvalidClient("the secret is wrong")
    return client


def require_grant_type(client: KnownClient, grant_type: GrantType) -> None:
    """Raises ``UnauthorizedClient``."""
    if grant_type not in client.config.grant_types:
        raise UnauthorizedClient("the client is not registered for this grant type")
