"""What all of the authorization server shares, made once per process."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    client_failures: Failures
    user_code_failures: Failures
    refreshes: Turns = field(default_factory=Turns)


def failures(counters: Counters) -> tuple[Failures, Failures]:
    """Of clients, and of user codes."""
    return (
        Failures(counters, name="oauth-client", limit=CLIENT_FAILURES, seconds=CLIENT_SECONDS),
        Failures(counters, name="user-code", limit=USER_CODE_FAILURES, seconds=USER_CODE_SECONDS),
    )
