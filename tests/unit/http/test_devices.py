from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey

from adapters.inbound.http.views import DevicePage, DeviceView
from tests.unit.http.world import OTHER, START, Client, DeviceKey, FakeTwin, World


def code_of(response: httpx.Response) -> Any:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.json()["code"]


async def test_a_claimed_device_is_answered_with_its_place_and_its_tag(client: Client) -> None:
    key = DeviceKey()
    response = await client.claim(key, name="Küche")
    device = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/devices/{key.id}"
    assert response.headers["etag"] == '"1"'
    assert (device["id"], device["name"], device["status"]) == (key.id, "Küche", "CLAIMED")
    assert device["commands"][0]["name"] == "OnOff.On"
    DeviceView.model_validate(device)


async def test_claiming_ones_own_device_again_changes_nothing(
    client: Client, lamp: DeviceKey
) -> None:
    response = await client.claim(lamp, name="Another name")
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["version"]) == ("Lamp", 1)


async def test_a_device_of_somebody_else_cannot_be_claimed(
    world: World, app: FastAPI, lamp: DeviceKey
) -> None:
    stranger = Client(app, await world.token(OTHER))
    response = await stranger.claim(lamp)
    assert (response.status_code, code_of(response)) == (409, "device_already_claimed")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "homecast:connect"},
        {"iss": "a" * 26},
        {"iat": int(START.timestamp()), "exp": int(START.timestamp()) + 601},
        {"exp": int(START.timestamp()) - 61, "iat": int(START.timestamp()) - 300},
        {"iat": int(START.timestamp()) + 120, "exp": int(START.timestamp()) + 300},
        {"exp": float("inf"), "iat": float("inf")},
        {"exp": None},
        {"jti": None},
        {"pub": "AAAA"},
        {"pub": 7},
        {"pub": "ü"},
        {"pub": base64.urlsafe_b64encode(DeviceKey().public).rstrip(b"=").decode()},
    ],
)
async def test_a_proof_that_does_not_hold_is_refused(
    client: Client, changes: dict[str, Any]
) -> None:
    key = DeviceKey()
    response = await client.claim(key, proof=key.proof(**changes))
    assert (response.status_code, code_of(response)) == (422, "invalid_proof")


async def test_a_proof_with_another_algorithm_is_refused(client: Client) -> None:
    key = DeviceKey()
    claims = {"iss": key.id, "pub": base64.urlsafe_b64encode(key.public).decode().rstrip("=")}
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key.public))
    unsigned = ".".join([*key.proof().split(".")[:2], ""])
    for proof in (forged, unsigned, "a.b.c", "." * 3, "x"):
        assert code_of(await client.claim(key, proof=proof)) == "invalid_proof"


async def test_a_clock_that_is_a_minute_off_is_forgiven(client: Client) -> None:
    key = DeviceKey()
    ahead = await client.claim(key, proof=key.proof(START + timedelta(seconds=59)))
    assert ahead.status_code == 201


async def test_a_device_can_be_read_before_the_read_model_has_it(
    world: World, client: Client
) -> None:
    world.projecting = False
    key = DeviceKey()
    claimed = await client.claim(key)
    read = await client.get(f"/v1/devices/{key.id}")
    assert read.status_code == 200
    assert read.json() == claimed.json()


async def test_a_device_is_read_as_of_now_though_its_row_lags(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.projecting = False
    address = f"/v1/devices/{lamp.id}"
    await client.http.patch(address, json={"name": "New"}, headers={"If-Match": '"1"'})
    read = await client.get(address)
    assert (read.json()["name"], read.headers["etag"]) == ("New", '"2"')


async def test_a_device_shows_presence_and_reported_state(
    world: World, client: Client, lamp: DeviceKey
) -> None:
    world.presence.here.add(lamp.id)
    world.twins.held[lamp.id] = FakeTwin({"OnOff": {"on_off": True}}, START)
    device = (await client.get(f"/v1/devices/{lamp.id}")).json()
    assert device["online"] is True
    assert device["state"] == {"OnOff": {"on_off": True}}
    assert device["reported_at"] == "2026-11-23T12:00:00Z"
    world.presence.away = True
    assert (await client.get(f"/v1/devices/{lamp.id}")).json()["online"] is None


async def test_devices_are_listed_page_by_page(client: Client) -> None:
    keys = [DeviceKey() for _ in range(5)]
    for key in keys:
        await client.claim(key)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/devices", **query)).json()
        DevicePage.model_validate(page)
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(key.id for key in keys)


async def test_renaming_needs_the_current_tag(client: Client, lamp: DeviceKey) -> None:
    address = f"/v1/devices/{lamp.id}"
    bare = await client.http.patch(address, json={"name": "A"})
    assert (bare.status_code, code_of(bare)) == (428, "precondition_required")
    for stale in ('"7"', 'W/"1"', '"abc"', "1"):
        late = await client.http.patch(address, json={"name": "A"}, headers={"If-Match": stale})
        assert (late.status_code, code_of(late)) == (412, "precondition_failed")
        assert late.headers["etag"] == '"1"'
    right = await client.http.patch(address, json={"name": "A"}, headers={"If-Match": '"1"'})
    assert (right.status_code, right.json()["name"], right.headers["etag"]) == (200, "A", '"2"')
    forced = await client.http.patch(address, json={"name": "B"}, headers={"If-Match": "*"})
    assert forced.json()["name"] == "B"


async def test_a_released_device_is_gone_and_free(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    stale = await client.http.delete(f"/v1/devices/{lamp.id}", headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    released = await client.http.delete(f"/v1/devices/{lamp.id}")
    assert (released.status_code, released.content) == (204, b"")
    assert code_of(await client.get(f"/v1/devices/{lamp.id}")) == "device_not_found"
    next_owner = Client(app, await world.token(OTHER))
    assert (await next_owner.claim(lamp)).status_code == 201


async def test_the_next_owner_sees_no_commands_of_the_last(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    command = (await client.submit(lamp.id)).json()
    await client.http.delete(f"/v1/devices/{lamp.id}")
    next_owner = Client(app, await world.token(OTHER))
    await next_owner.claim(lamp)
    listed = await next_owner.get(f"/v1/devices/{lamp.id}/commands")
    assert listed.json() == {"items": [], "next_cursor": None}
    one = await next_owner.get(f"/v1/devices/{lamp.id}/commands/{command['number']}")
    assert (one.status_code, code_of(one)) == (404, "command_not_found")


async def test_a_lost_device_stays_owned_and_takes_no_commands(
    client: Client, lamp: DeviceKey
) -> None:
    lost = await client.http.post(f"/v1/devices/{lamp.id}/lost")
    assert (lost.status_code, lost.json()["status"]) == (200, "LOST")
    refused = await client.submit(lamp.id)
    assert (refused.status_code, code_of(refused)) == (409, "device_lost")


async def test_another_accounts_device_does_not_exist(
    world: World, app: FastAPI, lamp: DeviceKey
) -> None:
    stranger = Client(app, await world.token(OTHER)).http
    address = f"/v1/devices/{lamp.id}"
    answers = [
        await stranger.get(address),
        await stranger.patch(address, json={"name": "X"}, headers={"If-Match": "*"}),
        await stranger.delete(address),
        await stranger.post(f"{address}/lost"),
        await stranger.get(f"{address}/commands"),
        await stranger.post(f"{address}/commands", json={"command": "OnOff.On"}),
    ]
    assert {(one.status_code, code_of(one)) for one in answers} == {(404, "device_not_found")}


async def test_what_a_device_reported_for_its_last_owner_is_not_shown(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    world.twins.held[lamp.id] = FakeTwin({"OnOff": {"on_off": True}}, START)
    await client.http.delete(f"/v1/devices/{lamp.id}")
    world.clock.advance(1)
    next_owner = Client(app, await world.token(OTHER))
    claimed = (await next_owner.claim(lamp, proof=lamp.proof(world.clock.now()))).json()
    read = (await next_owner.get(f"/v1/devices/{lamp.id}")).json()
    [listed] = (await next_owner.get("/v1/devices")).json()["items"]
    for device in (claimed, read, listed):
        assert (device["state"], device["reported_at"]) == ({}, None)
    world.twins.held[lamp.id] = FakeTwin({"OnOff": {"on_off": False}}, world.clock.now())
    reported = (await next_owner.get(f"/v1/devices/{lamp.id}")).json()
    assert reported["state"] == {"OnOff": {"on_off": False}}


async def test_an_account_may_own_only_so_many_devices() -> None:
    world = World(devices=2)
    async with world.app() as app:
        client, other = Client(app, await world.token()), Client(app, await world.token(OTHER))
        keys = [DeviceKey() for _ in range(3)]
        assert [(await client.claim(key)).status_code for key in keys] == [201, 201, 409]
        refused = await client.claim(keys[2])
        assert (code_of(refused), refused.json()["limit"]) == ("too_many_devices", 2)
        assert (await client.claim(keys[0])).status_code == 201, "it has that one"
        assert (await other.claim(keys[2])).status_code == 201
        await client.http.delete(f"/v1/devices/{keys[0].id}")
        assert (await client.claim(DeviceKey())).status_code == 201
