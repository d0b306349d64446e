"""Grants of an account: given with their first tokens, listed, taken back with all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.accounts.grant_endings import end_grants, without_tokens
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.parts import OAuth
from commands.accounts.oauth.scopes import OFFLINE
from commands.accounts.token_family import TokenFamily, Tokens, begin, key_of
from commands.kernel.dispatch import Unit
from domain.accounts import grants as rules
from domain.accounts.client import GrantType
from domain.accounts.grants import GRANTS, Because, Given, Grants
from domain.kernel.recorded import Context


@dataclass(frozen=True)
class Approval:
    """Who said yes to what, and how that person had signed in."""

    account_id: str
    client_id: str
    scopes: tuple[str, ...]
    session_id: str | None
    auth_time: datetime
    amr: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """A client that has access to an account, by all its grants."""

    client_id: str
    name: str
    first_party: bool
    scopes: tuple[str, ...]
    since: datetime
    last_used_at: datetime
    grant_ids: tuple[str, ...]


async def give(
    unit: Unit, oauth: OAuth, client: KnownClient, grant_id: str, approval: Approval
) -> tuple[Tokens, tuple[str, ...]]:
    """The first tokens, and the grants that had to make place. To be committed by the caller."""
    state = await unit.load(GRANTS, approval.account_id)
    tokens = first_tokens(oauth, client, grant_id, approval, at=unit.at)
    events = rules.give(
        state,
        account_id=approval.account_id,
        grant_id=grant_id,
        client_id=client.client_id,
        scopes=approval.scopes,
        session_id=approval.session_id,
        refreshable=tokens.refresh_token is not None,
        ends_at=tokens.family.expires_at,
        at=unit.at,
    )
    unit.append(state, events)
    unit.write_vault(key_of(grant_id), tokens.family.model_dump(mode="json"), expected=0)
    return tokens, without_tokens(unit, events)


def first_tokens(
    oauth: OAuth, client: KnownClient, grant_id: str, approval: Approval, *, at: datetime
) -> Tokens:
    config = client.config
    offline = OFFLINE in approval.scopes and GrantType.REFRESH_TOKEN in config.grant_types
    refreshable = offline or config.keeps_access
    ends_at = client.config.ends_at(at, at) if refreshable else at + client.config.access_lifetime
    family = TokenFamily(
        grant_id=grant_id,
        account_id=approval.account_id,
        client_id=client.client_id,
        scopes=tuple(sorted(approval.scopes)),
        created_at=at,
        expires_at=ends_at,
        session_id=approval.session_id,
        auth_time=approval.auth_time,
        amr=approval.amr,
    )
    return begin(
        family,
        oauth.keys.refresh_tokens,
        now=at,
        refreshable=refreshable,
        lifetime=client.config.access_lifetime,
    )


async def find_reuse(oauth: OAuth, context: Context, family: TokenFamily) -> None:
    """A replaced refresh token came back: the grant ends (RFC 9700 section 4.14.2)."""
    account_id, grant_id = family.account_id, family.grant_id
    assert account_id is not None, "a client's own tokens are not refreshed"

    async def decide(unit: Unit) -> None:
        state = await unit.load(GRANTS, account_id)
        events = rules.find_reuse(state, account_id=account_id, grant_id=grant_id, at=unit.at)
        unit.append(state, events)
        unit.write_vault(key_of(grant_id), None)

    await oauth.dispatcher.execute(context, decide)
    await oauth.revocations.told((grant_id,))


async def revoke_grants(
    oauth: OAuth,
    context: Context,
    account_id: str,
    *,
    reason: Because,
    grant_ids: Collection[str] | None = None,
    client_id: str | None = None,
    session_id: str | None = None,
    clients: Collection[str] | None = None,
) -> tuple[str, ...]:
    """Those that fit all that is given; all of the account's if nothing is. Their tokens are worth
    nothing at once: the items of the vault go in the same commit. The ids of what was revoked."""

    def fits(one: Given) -> bool:
        return (
            (grant_ids is None or one.grant_id in grant_ids)
            and (client_id is None or one.client_id == client_id)
            and (session_id is None or one.session_id == session_id)
            and (clients is None or one.client_id in clients)
        )

    return await end_grants(
        oauth.dispatcher, oauth.revocations, context, account_id, which=fits, reason=reason
    )


async def revoke_own_apps(oauth: OAuth, context: Context, account_id: str) -> tuple[str, ...]:
    """With a new password: all that anybody with the old one could have signed in by itself does so
    anew. Services stay that are others' and show who they are."""
    known = await _clients_of(oauth, (await load(oauth, account_id)).live)
    ours = [one for one, client in known.items() if client is None or not _is_service(client)]
    return await revoke_grants(
        oauth, context, account_id, clients=ours, reason=Because.PASSWORD_RESET
    )


async def revoke_with_sessions(
    oauth: OAuth,
    context: Context,
    account_id: str,
    session_ids: Collection[str] | None = None,
    *,
    but: str | None = None,
) -> tuple[str, ...]:
    """After these sign-ins have ended (None: all, and not ``but``): what came of them and was not
    allowed to go on while the person is away (``offline_access``). What runs elsewhere than in a
    browser, as an assistant does, never hangs on one."""
    tied = [
        one
        for one in (await load(oauth, account_id)).live
        if one.session_id not in (None, but)
        and (session_ids is None or one.session_id in session_ids)
        and OFFLINE not in one.scopes
    ]
    known = await _clients_of(oauth, tied)
    ends = {one for one, client in known.items() if not client or not client.config.elsewhere}
    gone = [one.grant_id for one in tied if one.client_id in ends]
    return await revoke_grants(oauth, context, account_id, grant_ids=gone, reason=Because.SESSION)


async def _clients_of(oauth: OAuth, grants: Sequence[Given]) -> dict[str, KnownClient | None]:
    client_ids = sorted({one.client_id for one in grants})
    found = await asyncio.gather(*(oauth.clients.find(one) for one in client_ids))
    return dict(zip(client_ids, found, strict=True))


def _is_service(client: KnownClient) -> bool:
    return not (client.config.first_party or client.config.public)


async def load(oauth: OAuth, account_id: str) -> Grants:
    return (await oauth.dispatcher.repository.load(GRANTS, account_id)).state


async def list_services(oauth: OAuth, account_id: str) -> list[Service]:
    """What has access now, newest first."""
    state = await load(oauth, account_id)
    by_client: dict[str, list[tuple[Given, TokenFamily]]] = {}
    for given, family in await _with_families(oauth, state.live):
        by_client.setdefault(given.client_id, []).append((given, family))
    found = [await _service(oauth, one, grants) for one, grants in by_client.items()]
    return sorted(found, key=lambda one: one.since, reverse=True)


async def _with_families(oauth: OAuth, live: Sequence[Given]) -> list[tuple[Given, TokenFamily]]:
    held = await asyncio.gather(*(oauth.vault.get(key_of(one.grant_id)) for one in live))
    now = oauth.clock.now()
    pairs = [
        (given, TokenFamily.model_validate(value))
        for given, value in zip(live, held, strict=True)
        if value is not None
    ]
    return [(given, family) for given, family in pairs if family.expires_at > now]


async def _service(
    oauth: OAuth, client_id: str, grants: Sequence[tuple[Given, TokenFamily]]
) -> Service:
    client = await oauth.clients.find(client_id)
    return Service(
        client_id=client_id,
        name=client.config.name if client else client_id,
        first_party=client.config.first_party if client else False,
        scopes=tuple(sorted({scope for given, _ in grants for scope in given.scopes})),
        since=min(given.given_at for given, _ in grants),
        last_used_at=max(_used_at(family) for _, family in grants),
        grant_ids=tuple(given.grant_id for given, _ in grants),
    )


def _used_at(family: TokenFamily) -> datetime:
    """When it last got a token, as far as its refresh tokens tell."""
    return max((family.created_at, *(one.at for one in family.superseded)))
