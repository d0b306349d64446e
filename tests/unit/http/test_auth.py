from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from adapters.inbound.http.auth import (
    ANY_SCOPE,
    PUBLIC,
    Caller,
    require_guarded,
    scope_needed,
)
from adapters.inbound.http.errors import AccountNeeded
from adapters.inbound.http.introspection import REFUSED_FOR, Introspection
from adapters.inbound.http.limits import FAILURES
from commands.accounts import tokens
from domain.kernel.errors import InvalidInput
from tests.support import grants
from tests.support.waiting import eventually
from tests.unit.http.test_devices import code_of
from tests.unit.http.world import ACCOUNT, OTHER, START, Client, DeviceKey, World


def address_of(path: str) -> str:
    """Of a route, with something in each place."""
    filled = path.replace("{device_id}", "a" * 26).replace("{number}", "1")
    return filled.replace("{home_id}", OTHER).replace("{account_id}", OTHER)


async def test_every_route_refuses_without_a_token_unless_it_is_listed(app: FastAPI) -> None:
    nobody = Client(app, None).http
    walked = 0
    for route in app.routes:
        path: str = getattr(route, "path", "")
        if path in PUBLIC:
            continue
        assert isinstance(route, APIRoute)
        for method in route.methods or ():
            address = address_of(path)
            response = await nobody.request(method, address)
            assert response.status_code == 401, f"{method} {path}"
            assert response.headers["www-authenticate"] == 'Bearer realm="homecast"'
            assert code_of(response) == "unauthenticated"
            walked += 1
    assert walked == 31


async def test_every_route_refuses_a_token_without_its_scope(world: World, app: FastAPI) -> None:
    for route in app.routes:
        if not isinstance(route, APIRoute) or route.path in PUBLIC:
            continue
        needed = scope_needed(route)
        if needed == ANY_SCOPE:
            continue
        others = [scope for scope in tokens.SCOPES if scope != needed]
        caller = Client(app, await world.token(scopes=others)).http
        address = address_of(route.path)
        for method in route.methods or ():
            response = await caller.request(method, address)
            assert (response.status_code, code_of(response)) == (403, "insufficient_scope")
            challenge = response.headers["www-authenticate"]
            assert challenge == (
                f'Bearer realm="homecast", error="insufficient_scope", scope="{needed}"'
            )


async def test_an_open_route_keeps_the_api_from_starting(app: FastAPI) -> None:
    async def open_to_all() -> None: ...

    app.add_api_route("/v1/open", open_to_all)
    with pytest.raises(RuntimeError, match="/v1/open"):
        require_guarded(app)


@pytest.mark.parametrize(
    "header",
    ["", "Basic abc", "Bearer", "Bearer ", "hc_abc"],
)
async def test_what_is_no_bearer_token_is_no_authentication(app: FastAPI, header: str) -> None:
    response = await Client(app, None).http.get("/v1/devices", headers={"Authorization": header})
    assert (response.status_code, code_of(response)) == (401, "unauthenticated")


@pytest.mark.parametrize("token", ["x", "hc_" + "a" * 43, "hc_" + "a" * 42, "hc_" + "ü" * 43])
async def test_an_unknown_token_is_invalid(app: FastAPI, token: str) -> None:
    header = {b"authorization": f"Bearer {token}".encode()}
    response = await Client(app, None).http.get("/v1/devices", headers=header)
    assert (response.status_code, code_of(response)) == (401, "invalid_token")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_a_token_in_the_address_is_not_looked_at(world: World, app: FastAPI) -> None:
    token = await world.token()
    response = await Client(app, None).http.get("/v1/devices", params={"access_token": token})
    assert response.status_code == 401


async def test_an_expired_token_is_refused_though_it_was_just_used(
    world: World, app: FastAPI
) -> None:
    client = Client(app, await world.token(expires_at=START + timedelta(seconds=10)))
    assert (await client.get("/v1/devices")).status_code == 200
    world.clock.advance(10)
    assert code_of(await client.get("/v1/devices")) == "invalid_token"


async def test_the_cache_of_tokens_is_bounded(world: World, app: FastAPI) -> None:
    cache = app.state.parts.tokens
    cache._size = 3
    for _ in range(5):
        await Client(app, await world.token()).get("/v1/devices")
    assert len(cache._held) == 3


async def test_no_token_is_stored_only_its_hash(world: World) -> None:
    token = await world.token(label="phone")
    [(key, value)] = await world.vault.list(tokens.PREFIX)
    assert token not in key + str(value)
    assert key == f"token#{tokens.hash_of(token)}"
    grant = await tokens.verify(world.vault, token, now=START)
    assert (grant.account_id, grant.label, grant.scopes) == (
        ACCOUNT,
        "phone",
        frozenset(tokens.SCOPES),
    )


async def test_tokens_are_listed_by_account_and_revoked_by_id(world: World) -> None:
    await world.token()
    await world.token(OTHER)
    assert len(await tokens.list_tokens(world.vault)) == 2
    [mine] = await tokens.list_tokens(world.vault, account_id=ACCOUNT)
    await tokens.revoke_token(world.vault, mine.token_id, revocations=world.token_states)
    assert not await tokens.list_tokens(world.vault, account_id=ACCOUNT)
    with pytest.raises(tokens.TokenNotFound):
        await tokens.revoke_token(world.vault, mine.token_id, revocations=world.token_states)


async def test_a_token_needs_an_account_known_scopes_and_a_future(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.token("somebody")
    with pytest.raises(InvalidInput):
        await world.token(scopes=["admin"])
    with pytest.raises(InvalidInput):
        await world.token(scopes=[])
    with pytest.raises(InvalidInput):
        await world.token(expires_at=START)


async def test_reading_needs_no_writing(world: World, app: FastAPI, lamp: DeviceKey) -> None:
    reader = Client(app, await world.token(scopes=["devices:read"]))
    assert (await reader.get(f"/v1/devices/{lamp.id}/commands")).status_code == 200
    assert code_of(await reader.submit(lamp.id)) == "insufficient_scope"


@pytest.fixture
def looked_up(world: World, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that the vault is asked for."""
    keys: list[str] = []
    get = world.vault.get

    async def watched(key: str) -> dict[str, Any] | None:
        keys.append(key)
        await asyncio.sleep(0)
        return await get(key)

    monkeypatch.setattr(world.vault, "get", watched)
    return keys


def unknown(number: int) -> str:
    return f"hc_{number:043}"


async def test_a_refused_token_is_not_looked_up_again_at_once(
    app: FastAPI, looked_up: list[str]
) -> None:
    assert REFUSED_FOR <= 5
    nobody = Client(app, unknown(1))
    for _ in range(FAILURES * 2):
        assert code_of(await nobody.get("/v1/devices")) == "invalid_token"
    assert len(looked_up) == 1
    refused = app.state.parts.tokens._refused
    for key in refused:
        refused[key] -= REFUSED_FOR
    await nobody.get("/v1/devices")
    assert len(looked_up) == 2


async def test_an_address_may_try_only_so_many_unknown_tokens(
    world: World, app: FastAPI, client: Client, looked_up: list[str]
) -> None:
    assert (await client.get("/v1/devices")).status_code == 200
    looked_up.clear()
    attempts = [Client(app, unknown(n)).get("/v1/devices") for n in range(FAILURES * 3)]
    codes = [code_of(one) for one in await asyncio.gather(*attempts)]
    assert codes.count("rate_limited") >= FAILURES * 3 - len(looked_up)
    assert FAILURES <= len(looked_up) <= FAILURES + 8
    late = await Client(app, unknown(999)).get("/v1/devices")
    assert late.status_code == 429
    assert 2 <= int(late.headers["retry-after"]) <= 2 * 8
    assert (await client.get("/v1/devices")).status_code == 200, "its token is known"


async def test_what_cannot_be_a_token_is_neither_looked_up_nor_counted(
    app: FastAPI, looked_up: list[str]
) -> None:
    for _ in range(FAILURES * 2):
        assert code_of(await Client(app, "hc_abc").get("/v1/devices")) == "invalid_token"
    assert not looked_up


async def test_refused_tokens_are_remembered_within_bounds(app: FastAPI) -> None:
    cache = app.state.parts.tokens
    cache._size = 3
    for number in range(5):
        await Client(app, unknown(number)).get("/v1/devices")
    assert len(cache._refused) == 3


# --- tokens of grants -----------------------------------------------------------------------------


async def granted(world: World, **more: Any) -> grants.Grant:
    wishes: dict[str, Any] = {"account_id": ACCOUNT, "scopes": tokens.SCOPES, "now": START, **more}
    return await grants.give(world.vault, world.ids.new(), **wishes)


async def test_a_client_may_do_what_it_was_granted_and_no_more(
    world: World, app: FastAPI, lamp: DeviceKey
) -> None:
    grant = await granted(world, scopes=["devices:read"])
    alexa = Client(app, grant.token)
    found = (await alexa.get("/v1/devices")).json()["items"]
    assert [one["id"] for one in found] == [lamp.id]
    assert code_of(await alexa.submit(lamp.id)) == "insufficient_scope"
    other = Client(app, (await granted(world, account_id=OTHER)).token)
    assert (await other.get("/v1/devices")).json()["items"] == []


async def test_what_a_client_does_is_recorded_under_its_grant(
    world: World, app: FastAPI, lamp: DeviceKey
) -> None:
    grant = await granted(world)
    accepted = await Client(app, grant.token).submit(lamp.id)
    assert accepted.status_code == 202
    [*_, last] = await world.store.read(f"lane-{lamp.id}")
    assert last.context.principal == f"grant:{grant.id}"


async def test_a_submit_is_the_same_after_a_refresh(
    world: World, app: FastAPI, lamp: DeviceKey
) -> None:
    grant = await granted(world)
    first = await Client(app, grant.token).submit(lamp.id, key="breakfast")
    renewed = await grant.another(START)
    again = await Client(app, renewed).submit(lamp.id, key="breakfast")
    assert first.json()["number"] == again.json()["number"]


async def test_all_tokens_of_a_grant_share_one_limit() -> None:
    world = World(rate=3)
    async with world.app() as app:
        grant = await granted(world)
        renewed = await grant.another(START)
        clients = [Client(app, one) for one in (grant.token, renewed)] * 2
        answers = [await client.get("/v1/devices") for client in clients]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        other = Client(app, (await granted(world)).token)
        assert (await other.get("/v1/devices")).status_code == 200


async def test_a_client_that_acts_for_itself_gets_nothing_that_is_an_account_s(
    world: World, app: FastAPI
) -> None:
    grant = await granted(world, account_id=None, scopes=tokens.ALL_SCOPES)
    service, refused = Client(app, grant.token).http, 0
    for route in app.routes:
        if not isinstance(route, APIRoute) or route.path in PUBLIC:
            continue
        address = address_of(route.path)
        for method in route.methods or ():
            answer = await service.request(method, address)
            if scope_needed(route) not in (*tokens.OF_SERVICES, ANY_SCOPE):
                refused += 1
                assert (answer.status_code, code_of(answer)) == (403, "account_needed")
                assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            else:
                assert answer.status_code not in (401, 403, 500), f"{method} {route.path}"
    assert refused >= 10


async def test_an_account_is_asked_for_by_whatever_needs_one(world: World) -> None:
    grant = await granted(world, account_id=None, scopes=["operate"])
    async with world.app() as app:
        held: Introspection = app.state.parts.tokens
        caller = Caller(await held.bearer(grant.token, ""), grant.token, held)
    with pytest.raises(AccountNeeded):
        _ = caller.account_id


@pytest.mark.parametrize("kind", ["refresh token", "another's random part", "half a token"])
async def test_what_is_no_access_token_of_a_grant_is_invalid(
    world: World, app: FastAPI, kind: str
) -> None:
    grant, other = await granted(world), await granted(world)
    wrong = {
        "refresh token": grant.refresh_token,
        "another's random part": grant.token[:-43] + other.token[-43:],
        "half a token": grant.token[:-1],
    }
    answer = await Client(app, wrong[kind]).get("/v1/devices")
    assert (answer.status_code, code_of(answer)) == (401, "invalid_token")


async def test_a_token_says_what_it_may_do_and_never_more(world: World, app: FastAPI) -> None:
    grant = await granted(world, account_id=None, scopes=["ads:read"])
    said = (await Client(app, grant.token).get("/v1/token")).json()
    assert said == {
        "kind": "grant",
        "id": grant.id,
        "account_id": None,
        "client_id": "alexa",
        "scopes": ["ads:read"],
        "expires_at": "2026-11-23T13:00:00+00:00",
    }
    mine = (await Client(app, await world.token()).get("/v1/token")).json()
    assert (mine["kind"], mine["account_id"], mine["expires_at"]) == ("token", ACCOUNT, None)


async def test_a_token_is_in_no_representation_of_its_caller(world: World, app: FastAPI) -> None:
    grant = await granted(world)
    held: Introspection = app.state.parts.tokens
    caller = Caller(await held.bearer(grant.token, ""), grant.token, held)
    assert grant.token[-43:] not in repr(caller)


async def test_a_wait_ends_when_its_token_expires(world: World, app: FastAPI) -> None:
    grant = await granted(world, lifetime=timedelta(seconds=30))
    held: Introspection = app.state.parts.tokens
    caller = Caller(await held.bearer(grant.token, ""), grant.token, held)
    world.clock.advance(29.99)
    with pytest.raises(tokens.InvalidToken):
        async with asyncio.timeout(5), caller.while_valid():
            await asyncio.Event().wait()


async def test_a_time_out_of_something_else_stays_one(world: World, app: FastAPI) -> None:
    token = await world.token()
    held: Introspection = app.state.parts.tokens
    caller = Caller(await held.bearer(token, ""), token, held)
    with pytest.raises(TimeoutError):
        async with caller.while_valid():
            raise TimeoutError


async def test_a_read_that_waits_for_a_read_model_ends_with_its_token(
    world: World, app: FastAPI, client: Client, lamp: DeviceKey
) -> None:
    grant = await granted(world)
    world.projecting = False
    submitted = await client.submit(lamp.id)
    mark = submitted.headers["consistency-token"]
    path = submitted.headers["location"]
    waiting = asyncio.create_task(Client(app, grant.token).read(path, mark, wait=10))

    async def waits() -> bool:
        return bool(app.state.parts.tokens._watchers)

    await eventually(waits, within=5)
    await grant.revoke(world.token_states)
    async with asyncio.timeout(5):
        answer = await waiting
    assert (answer.status_code, code_of(answer)) == (401, "invalid_token")
