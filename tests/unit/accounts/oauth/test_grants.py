"""Grants taken back: by the person, after a password reset, with the session."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from commands.accounts.oauth import tokens
from commands.accounts.oauth.authorizing import approve
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.grants import (
    Approval,
    give,
    list_services,
    revoke_grants,
    revoke_own_apps,
    revoke_with_sessions,
)
from commands.accounts.oauth.requests import validate
from commands.accounts.oauth.tokens import TokenResponse
from commands.kernel.dispatch import Unit
from domain.accounts.client import Profile
from domain.accounts.grants import Because
from tests.support.oauth import (
    ACCOUNT,
    ALEXA,
    APP,
    CONTEXT,
    OTHER,
    VERIFIER,
    WEB,
    Server,
    Session,
    asking,
    pkce,
)


async def linked(
    server: Server, client_id: str, redirect_uri: str, session: Session, **asked: str
) -> TokenResponse:
    request = await validate(server.oauth, asking(client_id, redirect_uri, **pkce(**asked)))
    location = await approve(server.oauth, request, session)
    code = location.split("code=")[1].split("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    return await tokens.exchange(server.oauth, CONTEXT, request.client, form)


async def holds(server: Server, answer: TokenResponse) -> bool:
    return await server.oauth.introspection.introspect(answer.access_token) is not None


async def test_a_password_reset_ends_own_apps_and_leaves_linked_services(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    await server.profile(Profile.ALEXA)
    session, other = await server.sign_in(), await server.sign_in(OTHER)
    mine = await linked(server, "own-app", APP, session)
    service = await linked(server, "alexa", ALEXA, session)
    theirs = await linked(server, "own-app", APP, other)
    gone = await revoke_own_apps(server.oauth, CONTEXT, ACCOUNT)
    assert server.revocations.ended == list(gone)
    assert [await holds(server, one) for one in (mine, service, theirs)] == [False, True, True]
    assert await revoke_own_apps(server.oauth, CONTEXT, ACCOUNT) == ()


async def test_a_new_password_ends_public_clients_too(server: Server) -> None:
    """Whoever had the old one could have signed in there by itself: the command line is such."""
    await server.profile(Profile.OWN_APP, "theirs", first_party=False)
    await server.profile(Profile.WEB)
    session = await server.sign_in()
    app = await linked(server, "theirs", APP, session)
    service = await linked(server, "web", WEB, session)
    assert len(await revoke_own_apps(server.oauth, CONTEXT, ACCOUNT)) == 1
    assert [await holds(server, one) for one in (app, service)] == [False, True]


async def test_what_may_not_go_on_while_away_ends_with_its_sign_in(server: Server) -> None:
    await server.profile(Profile.WEB)
    await server.profile(Profile.ALEXA)
    first, second = await server.sign_in(), await server.sign_in()
    briefly = {"scope": "openid devices:read"}
    made = [
        await linked(server, "web", WEB, first, **briefly),
        await linked(server, "web", WEB, second, **briefly),
        await linked(server, "web", WEB, first, scope="openid offline_access"),
        await linked(server, "alexa", ALEXA, first, **briefly),
    ]

    async def left() -> list[bool]:
        return [await holds(server, one) for one in made]

    await revoke_with_sessions(server.oauth, CONTEXT, ACCOUNT, [first.session_id])
    assert await left() == [False, True, True, True]
    await revoke_with_sessions(server.oauth, CONTEXT, ACCOUNT, but=second.session_id)
    assert await left() == [False, True, True, True]
    await revoke_with_sessions(server.oauth, CONTEXT, ACCOUNT)
    assert await left() == [False, False, True, True]


async def test_grants_end_by_client_by_session_by_id_or_all(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    await server.profile(Profile.ALEXA)
    first, second = await server.sign_in(), await server.sign_in()
    made = [
        await linked(server, "own-app", APP, first),
        await linked(server, "own-app", APP, second),
        await linked(server, "alexa", ALEXA, first),
        await linked(server, "alexa", ALEXA, second),
    ]

    async def left() -> list[bool]:
        return [await holds(server, one) for one in made]

    revoke = {"reason": Because.SESSION, "session_id": first.session_id, "client_id": "own-app"}
    await revoke_grants(server.oauth, CONTEXT, ACCOUNT, **revoke)  # type: ignore[arg-type]
    assert await left() == [False, True, True, True]
    await revoke_grants(server.oauth, CONTEXT, ACCOUNT, client_id="alexa", reason=Because.USER)
    assert await left() == [False, True, False, False]
    assert (
        await revoke_grants(server.oauth, CONTEXT, ACCOUNT, grant_ids=[], reason=Because.USER)
    ) == ()
    assert await left() == [False, True, False, False]
    await revoke_grants(server.oauth, CONTEXT, ACCOUNT, reason=Because.FORGOTTEN)
    assert await left() == [False, False, False, False]
    assert [key for key in server.vault.items if key.startswith("grant#")] == []


async def test_services_are_listed_with_what_they_may(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    await server.profile(Profile.ALEXA)
    session = await server.sign_in()
    await linked(server, "own-app", APP, session)
    server.clock.move(hours=1)
    answer = await linked(server, "alexa", ALEXA, session)
    since = server.clock.now()
    server.clock.move(hours=1)
    client = await server.oauth.clients.find("alexa")
    assert client is not None
    form = {"grant_type": "refresh_token", "refresh_token": answer.refresh_token or ""}
    await tokens.exchange(server.oauth, CONTEXT, client, form)
    services = await list_services(server.oauth, ACCOUNT)
    assert [(one.client_id, one.first_party) for one in services] == [
        ("alexa", False),
        ("own-app", True),
    ]
    assert (services[0].since, services[0].last_used_at) == (since, server.clock.now())
    assert services[0].scopes == answer.scopes
    server.clock.move(days=91)
    assert [one.client_id for one in await list_services(server.oauth, ACCOUNT)] == ["alexa"]
    assert await list_services(server.oauth, OTHER) == []


async def test_grants_end_in_parts_that_a_commit_holds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store takes 100 events and vault items at once, and an account has up to 100 grants."""
    session = await server.sign_in()
    for number in range(10):
        await server.profile(Profile.WEB, f"web-{number}")
        client = await server.oauth.clients.find(f"web-{number}")
        assert client is not None
        approval = Approval(
            ACCOUNT, client.client_id, ("devices:read",), None, session.auth_time, ()
        )
        for _ in range(10):
            grant_id = server.ids.new()
            await server.run(partial(_given, server, client, grant_id, approval))
    sizes: list[int] = []
    commit = server.store.commit

    async def counted(appends: Any, **more: Any) -> Any:
        sizes.append(sum(len(one.events) for one in appends) + len(more["vault"]))
        return await commit(appends, **more)

    monkeypatch.setattr(server.store, "commit", counted)
    gone = await revoke_grants(server.oauth, CONTEXT, ACCOUNT, reason=Because.FORGOTTEN)
    assert len(gone) == len(set(gone)) == len(server.revocations.ended) == 100
    assert [key for key in server.vault.items if key.startswith("grant#")] == []
    assert max(sizes) <= 100
    assert len(sizes) == 2


async def _given(
    server: Server, client: KnownClient, grant_id: str, approval: Approval, unit: Unit
) -> None:
    await give(unit, server.oauth, client, grant_id, approval)
