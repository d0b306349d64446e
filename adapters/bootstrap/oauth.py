"""The authorization server in the API's process, beside what that has."""

from __future__ import annotations

from adapters.bootstrap.accounts import account_keys
from adapters.bootstrap.core import Core
from adapters.bootstrap.http import Api
from adapters.inbound.http.oauth.parts import OAuthParts
from adapters.outbound.keys.ports import KeyWrapper
from adapters.settings import Settings
from commands.accounts.keys import AccountKeys
from commands.accounts.oauth.clients import Clients
from commands.accounts.oauth.parts import OAuth, limits
from commands.accounts.oauth.ports import Introspection, People, Revocations
from commands.accounts.oauth.seeding import ensure_cli, ensure_dashboard
from commands.accounts.oauth.signing_keys import SigningKeys
from domain.kernel.recorded import Context


async def oauth(
    settings: Settings,
    api: Api,
    *,
    wrapper: KeyWrapper,
    people: People,
    introspection: Introspection,
    revocations: Revocations,
    keys: AccountKeys | None = None,
) -> OAuthParts:
    """``wrapper``: as ``core.key_wrapper`` gives it; ``keys``: where they are made already. Raises
    ``ValueError`` without keys of accounts."""
    keys = keys or account_keys(settings)
    parts = OAuth(
        issuer=settings.issuer,
        clock=api.clock,
        ids=api.ids,
        vault=api.vault,
        dispatcher=api.accounts.dispatcher,
        keys=keys,
        clients=Clients(api.accounts.repository, api.vault),
        signing_keys=signing_keys(api, wrapper),
        people=people,
        introspection=introspection,
        revocations=revocations,
        limits=limits(api.counters, keys, api.clock),
    )
    started = api.ids.new()
    context = Context(started, started, "platform")
    await ensure_cli(parts.dispatcher, parts.vault, context)
    await ensure_dashboard(parts.dispatcher, parts.vault, context, parts.issuer)
    return OAuthParts(parts, api.tracer)


def signing_keys(core: Core, wrapper: KeyWrapper) -> SigningKeys:
    return SigningKeys(core.vault, wrapper, core.clock)
