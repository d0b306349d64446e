"""The device authorization grant (RFC 8628), from the device and from the person."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from commands.accounts.attempts import TooManyAttempts
from commands.accounts.oauth import devices
from commands.accounts.oauth.devices import LETTERS, normalised
from commands.accounts.oauth.errors import UserCodeNotFound
from domain.accounts.client import Profile
from domain.accounts.grants import GrantGiven
from tests.support.oauth import ACCOUNT, APP, ISSUER, OTHER
from tests.unit.http.oauth.world import OAuthWorld, error_of

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
NETWORK = "192.0.2.1"


async def begun(world: OAuthWorld, client_id: str = "device", **form: str) -> dict[str, Any]:
    answer = await world.post("/oauth2/device_authorization", {"client_id": client_id, **form})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def poll(world: OAuthWorld, device_code: str, client_id: str = "device") -> httpx.Response:
    return await world.token(client_id, grant_type=GRANT, device_code=device_code)


async def look_up(
    world: OAuthWorld, user_code: str, account_id: str = ACCOUNT
) -> devices.DeviceRequest:
    return await devices.look_up(world.oauth, user_code, account_id=account_id, network=NETWORK)


@pytest.fixture
async def device(world: OAuthWorld) -> OAuthWorld:
    await world.server.profile(Profile.DEVICE)
    return world


async def test_a_device_shows_a_code_and_gets_tokens_once_a_person_said_yes(
    device: OAuthWorld,
) -> None:
    shown = await begun(device, scope="openid devices:read")
    assert re.fullmatch(f"[{LETTERS}]{{4}}-[{LETTERS}]{{4}}", shown["user_code"])
    assert (shown["expires_in"], shown["interval"]) == (600, 5)
    assert shown["verification_uri"] == f"{ISSUER}/device"
    complete = f"{ISSUER}/device?user_code={shown['user_code']}"
    assert shown["verification_uri_complete"] == complete
    pending = await poll(device, shown["device_code"])
    assert error_of(pending) == (400, "authorization_pending")
    request = await look_up(device, shown["user_code"])
    assert (request.client.client_id, request.scopes) == ("device", ("devices:read", "openid"))
    await devices.approve(device.oauth, request, await device.server.sign_in())
    answer = await poll(device, shown["device_code"])
    assert answer.status_code == 200
    assert {"access_token", "refresh_token", "id_token"} <= answer.json().keys()
    [given] = await device.server.events(f"grants-{ACCOUNT}")
    assert isinstance(given, GrantGiven)
    refreshed = await device.refresh("device", answer.json()["refresh_token"])
    assert refreshed.status_code == 200


async def test_a_device_code_gives_tokens_once(device: OAuthWorld) -> None:
    shown = await begun(device)
    request = await look_up(device, shown["user_code"])
    await devices.approve(device.oauth, request, await device.server.sign_in())
    both = await asyncio.gather(*(poll(device, shown["device_code"]) for _ in range(2)))
    assert sorted(one.status_code for one in both) == [200, 400]
    assert error_of(await poll(device, shown["device_code"])) == (400, "invalid_grant")


async def test_who_asks_too_often_is_slowed_down(device: OAuthWorld) -> None:
    code = (await begun(device))["device_code"]
    told = []
    for pause in (0, 5, 1, 5, 10):
        device.server.clock.move(seconds=pause)
        told.append((await poll(device, code)).json()["error"])
    wait, slow = "authorization_pending", "slow_down"
    assert told == [wait, wait, slow, slow, slow]
    device.server.clock.move(seconds=20)
    assert (await poll(device, code)).json()["error"] == wait


async def test_a_no_is_told_to_the_device(device: OAuthWorld) -> None:
    shown = await begun(device)
    await devices.deny(device.oauth, await look_up(device, shown["user_code"]))
    assert error_of(await poll(device, shown["device_code"])) == (400, "access_denied")
    with pytest.raises(UserCodeNotFound):
        await look_up(device, shown["user_code"])


async def test_codes_are_over_after_ten_minutes(device: OAuthWorld) -> None:
    shown = await begun(device)
    request = await look_up(device, shown["user_code"])
    device.server.clock.move(minutes=10)
    assert error_of(await poll(device, shown["device_code"])) == (400, "expired_token")
    with pytest.raises(UserCodeNotFound):
        await look_up(device, shown["user_code"])
    with pytest.raises(UserCodeNotFound):
        await devices.approve(device.oauth, request, await device.server.sign_in())


async def test_only_the_client_that_has_begun_asks(device: OAuthWorld) -> None:
    await device.server.profile(Profile.DEVICE, "second-device")
    code = (await begun(device))["device_code"]
    for client_id, given in (("second-device", code), ("device", code + "x"), ("device", "x")):
        assert error_of(await poll(device, given, client_id)) == (400, "invalid_grant")
    missing = await device.token("device", grant_type=GRANT)
    assert error_of(missing) == (400, "invalid_request")


async def test_only_clients_for_it_begin(device: OAuthWorld) -> None:
    await device.server.profile(Profile.OWN_APP)
    answer = await device.post("/oauth2/device_authorization", {"client_id": "own-app"})
    assert error_of(answer) == (400, "unauthorized_client")
    answer = await device.post(
        "/oauth2/device_authorization", {"client_id": "device", "scope": "operate"}
    )
    assert error_of(answer) == (400, "invalid_scope")


async def test_a_person_is_asked_once(device: OAuthWorld) -> None:
    shown = await begun(device)
    request = await look_up(device, shown["user_code"])
    await devices.approve(device.oauth, request, await device.server.sign_in())
    for act in (
        devices.approve(device.oauth, request, await device.server.sign_in(OTHER)),
        devices.deny(device.oauth, request),
    ):
        with pytest.raises(UserCodeNotFound):
            await act


async def test_a_yes_comes_through_while_the_device_asks(device: OAuthWorld) -> None:
    shown = await begun(device)
    request, session = await look_up(device, shown["user_code"]), await device.server.sign_in()
    await asyncio.gather(
        poll(device, shown["device_code"]), devices.approve(device.oauth, request, session)
    )
    last = await poll(device, shown["device_code"])
    assert last.status_code == 200 or last.json()["error"] == "invalid_grant"
    assert len(await device.server.events(f"grants-{ACCOUNT}")) == 1


async def test_a_yes_of_a_sign_in_that_has_ended_gives_nothing(device: OAuthWorld) -> None:
    shown = await begun(device)
    session = await device.server.sign_in()
    await devices.approve(device.oauth, await look_up(device, shown["user_code"]), session)
    await device.server.sign_out(session)
    assert error_of(await poll(device, shown["device_code"])) == (400, "invalid_grant")


async def test_user_codes_cannot_be_guessed(device: OAuthWorld) -> None:
    shown = await begun(device)
    second = device.server.beside()
    for number in range(10):
        oauth = (device.oauth, second.oauth)[number % 2]
        with pytest.raises(UserCodeNotFound):
            await devices.look_up(oauth, "BBBB-BBBB", account_id=ACCOUNT, network=NETWORK)
    for oauth in (device.oauth, second.oauth):
        for who in (
            {"account_id": OTHER, "network": NETWORK},
            {"account_id": ACCOUNT, "network": "b"},
        ):
            with pytest.raises((UserCodeNotFound, TooManyAttempts)):
                await devices.look_up(oauth, "BBBB-BBBB", **who)
        with pytest.raises(TooManyAttempts):
            await devices.look_up(oauth, shown["user_code"], account_id=OTHER, network=NETWORK)
        with pytest.raises(TooManyAttempts):
            await devices.look_up(oauth, shown["user_code"], account_id=ACCOUNT, network="other")
    found = await devices.look_up(
        device.oauth, shown["user_code"], account_id=OTHER, network="other"
    )
    assert found.user_code == shown["user_code"]


@pytest.mark.parametrize("text", ["wdjb-mjht", "WDJB MJHT", "wdjbmjht", " w-d-j-b-m-j-h-t. "])
def test_a_user_code_may_be_typed_as_one_likes(text: str) -> None:
    assert normalised(text) == "WDJBMJHT"


async def test_codes_do_not_stand_in_the_vault(device: OAuthWorld) -> None:
    shown = await begun(device)
    assert shown["device_code"] not in str(device.server.vault.items)


async def test_an_app_with_redirects_can_still_link(device: OAuthWorld) -> None:
    await device.server.profile(Profile.OWN_APP)
    assert (await device.linked("own-app", APP))["access_token"]
