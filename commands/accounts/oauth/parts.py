"""What all of the authorization server shares, made once per process."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.accounts.attempts import Attempts, Limit
from commands.accounts.keys import AccountKeys
from commands.accounts.oauth.clients import Clients
from commands.accounts.oauth.failures import Failures
from commands.accounts.oauth.ports import Counters, Introspection, People, Revocations
from commands.accounts.oauth.signing_keys import SigningKeys
from commands.accounts.oauth.turns import Turns
from commands.kernel.dispatch import Dispatcher
from commands.kernel.ports import Clock, Ids, Vault

CLIENT_FAILURES, CLIENT_SECONDS = 20, 600
"""Of one client from one network."""
USER_CODE_FAILURES, USER_CODE_SECONDS = 10, 600
"""Of one person, and of one network. There are 20^8 codes and few are waited with at a time."""
TOKEN_FAILURES, TOKEN_SECONDS = 100, 600
"""Codes and tokens that are none, from one network and by clients that anybody can be."""
DEVICES_OF_NETWORK = Limit("device-network", 60, 600)
DEVICES_OF_CLIENT = Limit("device-client", 3000, 600)
"""Requests of devices that wait for a person: each is two items of the vault for ten minutes."""
OWN_TOKENS = Limit("own-tokens", 200, 600)
"""Of a client for itself: each is an item of the vault for an hour."""


@dataclass(frozen=True)
class Limits:
    """Who may do how much, over all processes. ``rates``: of what is no failure."""

    clients: Failures
    user_codes: Failures
    tokens: Failures
    rates: Attempts


@dataclass(frozen=True)
class OAuth:
    """``issuer``: without a slash at its end. ``dispatcher``: of the accounts context.
    ``refreshes``: by grant."""

    issuer: str
    clock: Clock
    ids: Ids
    vault: Vault
    dispatcher: Dispatcher
    keys: AccountKeys
    clients: Clients
    signing_keys: SigningKeys
    people: People
    introspection: Introspection
    revocations: Revocations
    limits: Limits
    refreshes: Turns = field(default_factory=Turns)


def limits(counters: Counters, keys: AccountKeys, clock: Clock) -> Limits:
    def failures(name: str, limit: int, seconds: int) -> Failures:
        return Failures(counters, name=name, limit=limit, seconds=seconds)

    return Limits(
        clients=failures("oauth-client", CLIENT_FAILURES, CLIENT_SECONDS),
        user_codes=failures("user-code", USER_CODE_FAILURES, USER_CODE_SECONDS),
        tokens=failures("oauth-token", TOKEN_FAILURES, TOKEN_SECONDS),
        rates=Attempts(counters, keys, clock),
    )
