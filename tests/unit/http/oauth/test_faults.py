"""The vault is away in the middle of an exchange: nothing is used up, trying again helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commands.accounts.oauth import signing_keys
from domain.accounts.client import Profile
from domain.accounts.grants import GrantGiven
from domain.kernel.errors import StoreUnavailable
from tests.support.oauth import ACCOUNT, ALEXA, APP, Server
from tests.unit.http.oauth.world import OAuthWorld, error_of

GRANTS = f"grants-{ACCOUNT}"


class Broken:
    """The vault, or the list of people, that says no when asked for some of it."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
        self.away = True
        self.asked = 0
        found, known = server.vault.get, server.people.find

        async def get(key: str) -> dict[str, Any] | None:
            if key.startswith(prefix):
                self._fail()
            return await found(key)

        async def find(account_id: str) -> Any:
            if prefix == "people":
                self._fail()
            return await known(account_id)

        monkeypatch.setattr(server.vault, "get", get)
        monkeypatch.setattr(server.people, "find", find)

    def _fail(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("throttled")


def age_signer(server: Server, seconds: float) -> None:
    keys = server.oauth.signing_keys
    signer = keys._signer
    assert signer is not None
    keys._signer = replace(signer, read_at=signer.read_at - seconds)


@pytest.mark.parametrize("prefix", ["signing-key#", "people"])
async def test_a_refresh_that_fails_on_the_way_uses_nothing_up(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    await world.server.profile(Profile.OWN_APP)
    first = await world.linked("own-app", APP, scope="openid email offline_access")
    age_signer(world.server, signing_keys.STALE_SECONDS + 1)
    broken = Broken(world.server, monkeypatch, prefix)
    failed = await world.refresh("own-app", first["refresh_token"])
    assert error_of(failed) == (503, "temporarily_unavailable")
    broken.away = False
    assert (await world.refresh("own-app", first["refresh_token"])).status_code == 200
    assert [type(one) for one in await world.server.events(GRANTS)] == [GrantGiven]


@pytest.mark.parametrize("prefix", ["signing-key#", "people"])
async def test_a_code_that_fails_on_the_way_stays_good(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    await world.server.profile(Profile.ALEXA)
    code = await world.code("alexa", ALEXA, scope="openid email")
    broken = Broken(world.server, monkeypatch, prefix)
    failed = await world.redeem("alexa", code, ALEXA)
    assert error_of(failed) == (503, "temporarily_unavailable")
    assert await world.server.events(GRANTS) == []
    broken.away = False
    assert (await world.redeem("alexa", code, ALEXA)).status_code == 200


async def test_the_key_goes_on_signing_for_minutes_while_the_vault_is_away(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server.profile(Profile.OWN_APP)
    token = (await world.linked("own-app", APP, scope="openid offline_access"))["refresh_token"]
    age_signer(world.server, signing_keys.REMEMBERED_SECONDS + 1)
    broken = Broken(world.server, monkeypatch, "signing-key#")
    for _ in range(3):
        answer = await world.refresh("own-app", token)
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]
    assert broken.asked == 1, "asked again for each one"
    age_signer(world.server, signing_keys.STALE_SECONDS)
    assert (await world.refresh("own-app", token)).status_code == 503
