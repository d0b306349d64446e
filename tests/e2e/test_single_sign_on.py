"""One account for every app and service, in real processes: Authlib drives every grant."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from authlib.integrations.base_client.errors import OAuthError

from adapters.bootstrap.operators import operator
from commands.accounts.token_family import key_of
from tests.support.platform import LoopThread, Platform
from tests.support.single_sign_on import (
    ALEXA,
    APP,
    BYE,
    GOOGLE,
    PASSWORD,
    PROCESSES,
    SHOP,
    RealBrowser,
    Site,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

SCOPE = "openid profile email offline_access devices:read commands:write"
WITHIN = 20.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    platform = Platform(tmp_path_factory.mktemp("site"), processes=PROCESSES)
    with LoopThread() as thread:
        made = Site(platform, thread)
        thread.run(platform.__aenter__())
        try:
            thread.run(made.begin())
            yield made
        finally:
            thread.run(platform.__aexit__())


@pytest.fixture
async def ann(site: Site) -> AsyncIterator[RealBrowser]:
    async with site.person() as (browser, _):
        yield browser


def refused(error: pytest.ExceptionInfo[OAuthError]) -> str:
    return str(error.value.error)


async def test_an_own_app_signs_a_person_in_by_code_and_pkce(site: Site) -> None:
    verifier = secrets.token_urlsafe(48)
    redirect = APP.replace("127.0.0.1", "127.0.0.1:53127")
    async with site.person() as (browser, email):
        await browser.sign_out()
        async with site.client("app", scope=SCOPE, redirect_uri=redirect) as app:
            url, state = app.create_authorization_url(
                site.metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-1"
            )
            await browser.get(url)
            assert browser.path == "/signin"
            await browser.send("/signin", email=email, password=PASSWORD)
            await browser.send("/oauth2/consent", button="Allow")
            back = browser.onward()
            assert back is not None
            assert back.startswith(redirect + "?")
            assert httpx.URL(back).params["state"] == state
            assert httpx.URL(back).params["iss"] == site.issuer
            token = await app.fetch_token(
                authorization_response=back, state=state, code_verifier=verifier
            )
            assert (token["token_type"], set(token["scope"].split())) == (
                "Bearer",
                set(SCOPE.split()),
            )
            claims = await site.claims("app", {**token, "nonce": "n-1"})
            assert (claims["email"], claims["amr"]) == (email, ["pwd"])
            told = await app.get(site.metadata["userinfo_endpoint"])
            assert (told.json()["sub"], told.json()["email"]) == (claims["sub"], email)
            assert await site.devices(token["access_token"]) == 200


async def test_a_refresh_token_of_an_own_app_that_comes_again_ends_its_grant(
    site: Site, ann: RealBrowser
) -> None:
    async with site.client("app", scope=SCOPE, redirect_uri=APP) as app:
        first = await site.linked(app, ann, verifier=secrets.token_urlsafe(48))
        second = dict(await app.refresh_token(refresh_token=first["refresh_token"]))
        assert second["refresh_token"] != first["refresh_token"]
        claims = await site.claims("app", second)
        assert claims["sub"] == (await site.claims("app", first))["sub"]
        assert await site.devices(second["access_token"]) == 200
        with pytest.raises(OAuthError) as error:
            await app.refresh_token(refresh_token=first["refresh_token"])
        assert refused(error) == "invalid_grant"
        assert await site.devices(second["access_token"]) == 401
        with pytest.raises(OAuthError):
            await app.refresh_token(refresh_token=second["refresh_token"])


async def test_alexa_may_go_on_with_the_old_refresh_token_and_refresh_at_once(
    site: Site, ann: RealBrowser
) -> None:
    async with site.client("skill", scope=SCOPE, redirect_uri=ALEXA) as skill:
        assert skill.token_endpoint_auth_method == "client_secret_basic"
        first = await site.linked(skill, ann)
        old = first["refresh_token"]
        answers = await asyncio.gather(*(refreshed(site, "skill", old) for _ in range(8)))
        assert {one["refresh_token"] for one in answers} != {old}
        assert len({one["refresh_token"] for one in answers}) == 1
        assert len({one["access_token"] for one in answers}) == 8
        for one in (first, *answers):
            assert await site.devices(one["access_token"]) == 200
        newer = await refreshed(site, "skill", answers[0]["refresh_token"])
        again = await refreshed(site, "skill", old)
        assert again["refresh_token"] == newer["refresh_token"]


async def refreshed(site: Site, name: str, token: str, **more: Any) -> dict[str, Any]:
    async with site.client(name, **more) as client:
        return dict(await client.refresh_token(refresh_token=token))


async def test_google_links_with_its_secret_in_the_body_and_gets_opaque_tokens(
    site: Site, ann: RealBrowser
) -> None:
    body = {"token_endpoint_auth_method": "client_secret_post"}
    async with site.client("action", scope=SCOPE, redirect_uri=GOOGLE, **body) as action:
        token = await site.linked(action, ann)
        assert token["access_token"].count(".") < 2, "no JWT"
        assert token["refresh_token"], "access tokens expire"
        assert 0 < token["expires_in"] <= 3600
        newer = await action.refresh_token(refresh_token=token["refresh_token"])
        assert newer["access_token"] != token["access_token"]
        with pytest.raises(OAuthError) as error:
            await action.refresh_token(refresh_token="hcr_no_such_token")
        assert refused(error) == "invalid_grant"


async def test_a_service_gets_a_token_of_its_own_and_nothing_of_people(site: Site) -> None:
    async with site.client("looker") as looker:
        token = await looker.fetch_token(grant_type="client_credentials")
        assert "refresh_token" not in token
        assert "id_token" not in token
    assert await site.active(token["access_token"])
    assert await site.devices(token["access_token"]) == 403


async def test_a_television_is_connected_at_another_screen(site: Site, ann: RealBrowser) -> None:
    async with site.client("tv") as tv:
        answer = await tv.request(
            "POST",
            site.metadata["device_authorization_endpoint"],
            withhold_token=True,
            data={"client_id": "tv", "scope": SCOPE},
        )
        begun = answer.json()
        asked = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": begun["device_code"],
        }
        with pytest.raises(OAuthError) as error:
            await tv.fetch_token(**asked)
        assert refused(error) == "authorization_pending"
        await ann.get(begun["verification_uri_complete"].removeprefix(site.issuer))
        await ann.send("/device")
        await ann.send("/device/confirm", button="Connect")
        assert ann.path == "/device/done"
        token = await tv.fetch_token(**asked)
        assert await site.devices(token["access_token"]) == 200
        with pytest.raises(OAuthError) as error:
            await tv.fetch_token(**asked)
        assert refused(error) == "invalid_grant"


async def test_a_revoked_token_opens_nothing_from_that_moment_and_its_stream_is_cut(
    site: Site, ann: RealBrowser
) -> None:
    async with site.client("shop", scope=SCOPE, redirect_uri=SHOP) as shop:
        token = await site.linked(shop, ann)
        assert await site.active(token["access_token"])
        async with live(site, token["access_token"]) as stream:
            assert await site.devices(token["access_token"]) == 200
            answer = await shop.revoke_token(
                site.metadata["revocation_endpoint"], token=token["refresh_token"]
            )
            assert answer.status_code == 200
            assert await site.devices(token["access_token"]) == 401
            async with asyncio.timeout(5):
                await stream.wait()
        assert not await site.active(token["access_token"])
        assert not await site.active(token["refresh_token"])
        told = await shop.get(site.metadata["userinfo_endpoint"])
        assert told.status_code == 401


@asynccontextmanager
async def live(site: Site, token: str) -> AsyncIterator[asyncio.Event]:
    """An open stream that has had its snapshot; the event: it has ended."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{site.platform.api_url}/v1/live"
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("event: snapshot"):
                    begun.set()
        ended.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        async with asyncio.timeout(WITHIN):
            await begun.wait()
        yield ended
        task.cancel()


async def test_a_client_signs_its_person_out(site: Site, ann: RealBrowser) -> None:
    async with site.client("shop", scope=SCOPE, redirect_uri=SHOP) as shop:
        token = await site.linked(shop, ann)
    asked = {
        "id_token_hint": token["id_token"],
        "post_logout_redirect_uri": BYE,
        "state": "s 1",
    }
    end = site.metadata["end_session_endpoint"].removeprefix(site.issuer)
    await ann.get(f"{end}?{urlencode(asked)}")
    assert ann.onward() == f"{BYE}?state=s+1"
    await ann.get("/account")
    assert ann.path == "/signin"


async def test_an_unlinked_service_is_out_at_once(site: Site, ann: RealBrowser) -> None:
    async with site.client("skill", scope=SCOPE, redirect_uri=ALEXA) as skill:
        token = await site.linked(skill, ann)
    assert await site.devices(token["access_token"]) == 200
    await ann.get("/account/services")
    assert "Alexa" in ann.words
    await ann.send("/account/services/unlink")
    assert await site.devices(token["access_token"]) == 401
    with pytest.raises(OAuthError) as error:
        await refreshed(site, "skill", token["refresh_token"])
    assert refused(error) == "invalid_grant"


# --- what breaks ----------------------------------------------------------------------------------


async def test_a_refresh_that_is_killed_in_the_middle_is_repeated_and_nothing_is_doubled(
    site: Site, ann: RealBrowser
) -> None:
    async with site.client("skill", scope=SCOPE, redirect_uri=ALEXA) as skill:
        token = await site.linked(skill, ann)
    old = token["refresh_token"]
    answered: list[dict[str, Any]] = []

    async def again_and_again() -> None:
        with suppress(httpx.TransportError):
            while True:
                answered.append(await refreshed(site, "skill", old))

    under_way = [asyncio.create_task(again_and_again()) for _ in range(4)]

    async def begun() -> bool:
        return bool(answered)

    await eventually(begun, within=WITHIN, every=0.001)
    await site.kill("api")
    await asyncio.gather(*under_way)
    await site.restart("api")
    answered += await asyncio.gather(*(refreshed(site, "skill", old) for _ in range(4)))
    assert len({one["refresh_token"] for one in answered}) == 1
    assert await generation(site, old.split("_")[1]) == 2
    assert await site.devices(answered[-1]["access_token"]) == 200
    await ann.get("/account/services")
    assert len(ann.tree.xpath("//form[@action='/account/services/unlink']")) == 1


async def generation(site: Site, grant_id: str) -> int:
    """How often the refresh token of the grant was replaced, from 1."""
    async with operator(site.platform.settings) as parts:
        held = await parts.vault.get(key_of(grant_id))
    assert held is not None
    return int(held["generation"])


async def test_without_redis_tokens_go_on_and_are_revoked(site: Site, ann: RealBrowser) -> None:
    async with site.client("shop", scope=SCOPE, redirect_uri=SHOP) as shop:
        token = await site.linked(shop, ann)
        await site.kill("redis")
        try:
            assert await site.devices(token["access_token"]) == 200
            assert await site.active(token["access_token"])
            newer = await shop.refresh_token(refresh_token=token["refresh_token"])
            assert await site.devices(newer["access_token"]) == 200
            await shop.revoke_token(
                site.metadata["revocation_endpoint"], token=newer["refresh_token"]
            )
            assert await site.devices(newer["access_token"]) == 401, "the process that was told"
        finally:
            await site.restart("redis")
