"""Nobody has the vault read or written without end, and bursts pass no limit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from adapters.inbound.http.limits import FAILURES
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.oauth import devices, parts
from commands.accounts.oauth.errors import UserCodeNotFound
from domain.accounts.client import Profile
from tests.support.oauth import ACCOUNT, APP, Server
from tests.unit.http.oauth.world import OAuthWorld, error_of

RANDOM = "A" * 43


class Reads:
    """How often the vault was asked for tokens; it takes its time."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokens = 0
        found = server.vault.get

        async def get(key: str) -> dict[str, Any] | None:
            self.tokens += key.startswith("grant#")
            await asyncio.sleep(0)
            return await found(key)

        monkeypatch.setattr(server.vault, "get", get)


async def test_devices_that_nobody_waits_for_are_few(world: OAuthWorld) -> None:
    await world.server.profile(Profile.DEVICE)
    asked = [
        (await world.post("/oauth2/device_authorization", {"client_id": "device"})).status_code
        for _ in range(parts.DEVICES_OF_NETWORK.most + 3)
    ]
    assert asked.count(200) == parts.DEVICES_OF_NETWORK.most
    assert asked[-1] == 429
    client = await world.oauth.clients.find("device")
    assert client is not None
    await devices.begin(world.oauth, client, None, network="another")
    key = parts.DEVICES_OF_CLIENT
    for _ in range(key.most - parts.DEVICES_OF_NETWORK.most - 1):
        await world.oauth.limits.rates.take(key, "device")
    with pytest.raises(TooManyAttempts):
        await devices.begin(world.oauth, client, None, network="a third")


async def test_invented_tokens_are_looked_for_only_so_often(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server.profile(Profile.OWN_APP)
    good = await world.linked("own-app", APP)
    reads = Reads(world.server, monkeypatch)
    for _ in range(parts.TOKEN_FAILURES // 2):
        token = f"hcr_{world.server.ids.new()}_1_{RANDOM}"
        assert error_of(await world.refresh("own-app", token)) == (400, "invalid_grant")
        form = {"client_id": "own-app", "token": token}
        assert (await world.post("/oauth2/revoke", form)).status_code == 200
    before = reads.tokens
    assert (await world.refresh("own-app", good["refresh_token"])).status_code == 429
    form = {"client_id": "own-app", "token": good["refresh_token"]}
    assert (await world.post("/oauth2/revoke", form)).status_code == 429
    assert reads.tokens == before


async def test_clients_that_show_who_they_are_may_have_many_people_who_left(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.GOOGLE)
    for _ in range(parts.TOKEN_FAILURES + 1):
        token = f"hcr_{world.server.ids.new()}_1_{RANDOM}"
        assert error_of(await world.refresh("google", token)) == (400, "invalid_grant")


async def test_userinfo_is_asked_by_invented_tokens_only_so_often(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(world.server, monkeypatch)
    answers = []
    for _ in range(FAILURES + 5):
        bearer = f"Bearer hca_{world.server.ids.new()}_{RANDOM}"
        headers = {"Authorization": bearer}
        answers.append((await world.http.get("/oauth2/userinfo", headers=headers)).status_code)
    assert answers[-1] == 429
    assert reads.tokens <= FAILURES + 1


async def test_a_clients_own_tokens_are_bounded(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    most = parts.OWN_TOKENS.most
    answers = [
        (await world.token("service", grant_type="client_credentials")).status_code
        for _ in range(most + 1)
    ]
    assert answers == [200] * most + [429]


async def test_a_burst_of_guesses_passes_no_limit(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    Reads(world.server, monkeypatch)
    beside = world.server.beside()

    async def guess(number: int) -> object:
        oauth = (world.server, beside)[number % 2].oauth
        return await devices.look_up(oauth, "BCDFGHJK", account_id=ACCOUNT, network=f"{number}")

    found = await asyncio.gather(*(guess(one) for one in range(200)), return_exceptions=True)
    looked = [one for one in found if isinstance(one, UserCodeNotFound)]
    assert len(looked) <= parts.USER_CODE_FAILURES


async def test_a_burst_of_wrong_secrets_passes_no_limit(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "wrong"}
    answers = await asyncio.gather(*(world.post("/oauth2/token", form) for _ in range(60)))
    codes = [one.status_code for one in answers]
    assert codes.count(401) == parts.CLIENT_FAILURES
    assert codes.count(429) == 60 - parts.CLIENT_FAILURES


async def test_a_client_that_was_right_before_asks_no_counter(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server.profile(Profile.SERVICE)
    all_at_once = await asyncio.gather(*(world.introspect("service", "x") for _ in range(50)))
    assert all_at_once == [{"active": False}] * 50, "a crowd of the good is in nobody's way"
    calls = 0
    add = world.server.counters.add

    async def counted(key: str, amount: int, *, keep_seconds: int) -> int:
        nonlocal calls
        calls += 1
        return await add(key, amount, keep_seconds=keep_seconds)

    monkeypatch.setattr(world.server.counters, "add", counted)
    for _ in range(3):
        assert await world.introspect("service", "x") == {"active": False}
    assert calls == 0


async def test_success_gives_back_what_was_counted(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    for _ in range(parts.CLIENT_FAILURES * 2):
        world.oauth.clients._right.clear()
        assert await world.introspect("service", "x") == {"active": False}
    key = "oauth-client:service:127.0.0.1"
    assert world.server.counters.values[key] == 0
