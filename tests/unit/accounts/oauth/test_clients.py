"""Clients out of profiles, their secrets, and how they are found."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import pytest

from commands.accounts.oauth import clients
from commands.accounts.oauth.clients import (
    CLI,
    DASHBOARD,
    ClientExists,
    RegisterClient,
    RetireClient,
    list_clients,
)
from commands.accounts.oauth.profiles import PROFILES, Wishes, configured
from commands.accounts.oauth.scopes import KNOWN, OF_SERVICES, WORDS
from commands.accounts.oauth.seeding import ensure_cli, ensure_dashboard
from commands.accounts.tokens import ALL_SCOPES
from domain.accounts.client import ClientConfig, ClientNotFound, ClientRetired, Profile
from domain.kernel.errors import InvalidInput, StoreUnavailable
from tests.support.oauth import APP, CONTEXT, USUAL, WEB, Server


@pytest.mark.parametrize("profile", Profile)
def test_every_profile_makes_a_client(profile: Profile) -> None:
    config = configured(Wishes(profile, "A client", **USUAL.get(profile, {})))
    assert config.profile == profile
    assert set(PROFILES) == set(Profile)


def test_alexa_is_as_amazon_wants_it() -> None:
    config = configured(Wishes(Profile.ALEXA, "Alexa", vendor="M2ABC"))
    assert config.redirect_uris == (
        "https://pitangui.amazon.com/api/skill/link/M2ABC",
        "https://layla.amazon.com/api/skill/link/M2ABC",
        "https://alexa.amazon.co.jp/api/skill/link/M2ABC",
    )
    assert {one.value for one in config.auth_methods} == {
        "client_secret_basic",
        "client_secret_post",
    }
    assert config.grace is not None
    assert config.grace.total_seconds() == 300
    assert 1 <= len(config.scopes) <= 15


def test_google_is_as_google_wants_it() -> None:
    config = configured(Wishes(Profile.GOOGLE, "Google", project="homecast-1"))
    assert config.redirect_uris == (
        "https://oauth-redirect.googleusercontent.com/r/homecast-1",
        "https://oauth-redirect-sandbox.googleusercontent.com/r/homecast-1",
    )
    assert "client_secret_post" in config.auth_methods
    assert "refresh_token" in config.grant_types


@pytest.mark.parametrize(
    "wishes",
    [
        {"profile": Profile.ALEXA},
        {"profile": Profile.ALEXA, "vendor": "../x"},
        {"profile": Profile.ALEXA, "vendor": "a/b"},
        {"profile": Profile.GOOGLE, "project": "a?b"},
        {"profile": Profile.ALEXA, "vendor": "M", "scopes": KNOWN},
        {"profile": Profile.WEB},
        {"profile": Profile.WEB, "redirect_uris": (WEB,), "scopes": ("nonsense",)},
        {"profile": Profile.WEB, "redirect_uris": (WEB,), "scopes": ("operate",)},
        {"profile": Profile.WEB, "redirect_uris": ("http://shop.example/cb",)},
        {
            "profile": Profile.WEB,
            "redirect_uris": (WEB,),
            "post_logout_redirect_uris": ("http://shop.example/bye",),
        },
        {"profile": Profile.OWN_APP, "redirect_uris": (APP,), "introspect": True},
    ],
    ids=str,
)
def test_wishes_that_cannot_be(wishes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        configured(Wishes(name="A client", **wishes))
    assert raised.value.detail
    assert "pydantic" not in raised.value.detail


def test_scopes_are_said_to_people_or_are_for_services() -> None:
    assert set(ALL_SCOPES) <= set(KNOWN)
    assert not set(WORDS) & set(OF_SERVICES)


async def test_a_client_is_registered_once(server: Server) -> None:
    await server.profile(Profile.WEB)
    config = configured(Wishes(Profile.WEB, "Other", redirect_uris=(WEB,)))
    message = RegisterClient(client_id="web", config=config)
    with pytest.raises(ClientExists):
        await server.run(lambda unit: clients.register(unit, server.vault, message))


async def test_only_hashes_of_secrets_are_kept(server: Server) -> None:
    secret = await server.profile(Profile.WEB)
    held = str(server.vault.items) + str(await server.events("client-web"))
    assert secret not in held
    assert hashlib.sha256(secret.encode()).hexdigest() in str(server.vault.items)


async def test_a_client_is_remembered_for_five_seconds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.profile(Profile.WEB)
    found = server.beside().oauth.clients
    assert await found.find("web") is not None
    await server.run(lambda unit: clients.retire(unit, RetireClient(client_id="web")))
    assert await found.find("web") is not None
    later = time.monotonic() + clients.REMEMBERED_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert await found.find("web") is None


async def test_many_who_look_for_a_client_at_once_ask_the_store_once(server: Server) -> None:
    await server.profile(Profile.WEB)
    fresh, reads = server.beside(), 0
    read = fresh.store.read

    async def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return await read(*arguments, **named)

    fresh.store.read = counted  # type: ignore[method-assign]
    found = await asyncio.gather(*(fresh.oauth.clients.find("web") for _ in range(10)))
    assert reads == 1
    assert len({id(one) for one in found}) == 1


async def test_a_retired_client_leaves_nothing_in_the_vault(server: Server) -> None:
    await server.profile(Profile.WEB)
    await server.run(lambda unit: clients.retire(unit, RetireClient(client_id="web")))
    assert await server.vault.list(clients.PREFIX) == []
    assert isinstance((await server.events("client-web"))[-1], ClientRetired)
    with pytest.raises(ClientNotFound):
        await server.run(lambda unit: clients.retire(unit, RetireClient(client_id="nobody")))


async def test_all_clients_are_listed_with_and_without_secrets(server: Server) -> None:
    await server.profile(Profile.WEB)
    await server.profile(Profile.OWN_APP)
    listed = await list_clients(server.repository, server.vault)
    assert [(one, len(ids)) for one, _, ids in listed] == [("own-app", 0), ("web", 1)]


async def test_the_command_line_is_a_client_unless_an_operator_has_retired_it(
    server: Server,
) -> None:
    for _ in range(2):
        await ensure_cli(server.dispatcher, server.vault, CONTEXT)
    assert len(await server.events(f"client-{CLI}")) == 1
    known = await server.oauth.clients.find(CLI)
    assert known is not None
    assert known.config.public
    await server.run(lambda unit: clients.retire(unit, RetireClient(client_id=CLI)))
    await ensure_cli(server.dispatcher, server.vault, CONTEXT)
    assert await server.beside().oauth.clients.find(CLI) is None


async def test_the_pages_are_a_client_at_the_issuer_that_serves_them(server: Server) -> None:
    async def start(issuer: str) -> ClientConfig:
        await ensure_dashboard(server.dispatcher, server.vault, CONTEXT, issuer)
        known = await server.beside().oauth.clients.find(DASHBOARD)
        assert known is not None
        return known.config

    first = await start("http://localhost:8080")
    assert first.public
    assert first.first_party
    assert first.redirect_uris == ("http://localhost:8080/", "http://localhost:8080/ads")
    assert first.post_logout_redirect_uris == first.redirect_uris
    assert await start("http://localhost:8080") == first
    assert len(await server.events(f"client-{DASHBOARD}")) == 1

    changed = first.model_copy(update={"idle_days": 3})
    message = RegisterClient(client_id=DASHBOARD, config=changed, replace=True)
    await server.run(lambda unit: clients.register(unit, server.vault, message))
    moved = await start("https://homecast.example")
    assert moved.redirect_uris == ("https://homecast.example/", "https://homecast.example/ads")
    assert moved.idle_days == 3, "what an operator changed stays"


async def test_there_are_no_pages_to_sign_in_at_where_anybody_could_listen_or_none_are_wanted(
    server: Server,
) -> None:
    await ensure_dashboard(server.dispatcher, server.vault, CONTEXT, "http://homecast.lan:8080")
    assert await server.events(f"client-{DASHBOARD}") == []
    await ensure_dashboard(server.dispatcher, server.vault, CONTEXT, "https://homecast.example")
    await server.run(lambda unit: clients.retire(unit, RetireClient(client_id=DASHBOARD)))
    await ensure_dashboard(server.dispatcher, server.vault, CONTEXT, "https://moved.example")
    assert await server.beside().oauth.clients.find(DASHBOARD) is None


async def test_invented_ids_take_no_place_of_known_clients(server: Server) -> None:
    await server.profile(Profile.WEB)
    known = server.oauth.clients
    assert await known.find("web") is not None
    for number in range(clients.REMEMBERED_UNKNOWN + 10):
        assert await known.find(f"nobody-{number}") is None
        assert await known.find("\U0001f600" * 100 + str(number)) is None
    assert list(known._held) == ["web"]
    assert len(known._unknown) == clients.REMEMBERED_UNKNOWN
    assert not any("\U0001f600" in one for one in known._unknown)


async def test_a_known_client_stays_so_for_a_while_where_nobody_can_look(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.profile(Profile.WEB)
    known = server.oauth.clients
    found = await known.find("web")
    assert found is not None

    async def away(_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(known, "_load", away)
    known._held["web"] = (time.monotonic() - 1, found)
    assert await known.find("web") is found
    known._held["web"] = (time.monotonic() - clients.STALE_SECONDS - 1, found)
    with pytest.raises(StoreUnavailable):
        await known.find("web")
