"""Introspection, revocation, userinfo, keys and metadata."""

from __future__ import annotations

import pytest

from adapters.inbound.http.oauth.routes import PATHS
from commands.accounts.oauth.clients import RetireClient, retire
from commands.accounts.oauth.ports import Person
from commands.accounts.tokens import issue_token
from domain.accounts.client import Profile
from domain.accounts.grants import Because, GrantsRevoked
from tests.support.oauth import ACCOUNT, ALEXA, APP, ISSUER, WEB
from tests.unit.http.oauth.world import OAuthWorld, error_of

# --- introspection --------------------------------------------------------------------------------


async def test_a_client_sees_its_own_tokens(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    linked = await world.linked("web", WEB, scope="devices:read offline_access")
    seen = await world.introspect("web", linked["access_token"])
    assert seen == {
        "active": True,
        "iss": ISSUER,
        "scope": "devices:read offline_access",
        "client_id": "web",
        "sub": ACCOUNT,
        "token_type": "Bearer",
        "exp": int(world.server.clock.now().timestamp()) + 3600,
    }
    refresh = await world.introspect("web", linked["refresh_token"])
    assert (refresh["active"], refresh["client_id"]) == (True, "web")
    assert "token_type" not in refresh


async def test_tokens_of_others_are_as_if_there_were_none(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    await world.server.profile(Profile.ALEXA)
    linked = await world.linked("alexa", ALEXA)
    for token in (linked["access_token"], linked["refresh_token"], "x", "hca_x", "é", "a" * 9000):
        assert await world.introspect("web", token) == {"active": False}


async def test_one_who_may_look_at_all_of_them_does(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE, "watcher", introspect=True)
    await world.server.profile(Profile.SERVICE, "scoped", scopes=("introspect",))
    await world.server.profile(Profile.ALEXA)
    linked = await world.linked("alexa", ALEXA)
    personal, _ = await issue_token(
        world.server.vault, clock=world.server.clock, ids=world.server.ids, account_id=ACCOUNT
    )
    for watcher in ("watcher", "scoped"):
        for token in (linked["access_token"], linked["refresh_token"], personal):
            seen = await world.introspect(watcher, token)
            assert (seen["active"], seen["sub"]) == (True, ACCOUNT)


async def test_what_is_over_is_inactive(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    linked = await world.linked("web", WEB)
    rotated = (await world.refresh("web", linked["refresh_token"])).json()
    assert await world.introspect("web", linked["refresh_token"]) == {"active": False}
    world.server.clock.move(hours=1)
    assert await world.introspect("web", rotated["access_token"]) == {"active": False}
    assert (await world.introspect("web", rotated["refresh_token"]))["active"]
    world.server.clock.move(days=30)
    assert await world.introspect("web", rotated["refresh_token"]) == {"active": False}


async def test_a_replaced_token_is_active_while_it_still_does(world: OAuthWorld) -> None:
    await world.server.profile(Profile.ALEXA)
    linked = await world.linked("alexa", ALEXA)
    second = (await world.refresh("alexa", linked["refresh_token"])).json()
    await world.refresh("alexa", second["refresh_token"])
    assert (await world.introspect("alexa", linked["refresh_token"]))["active"]
    world.server.clock.move(minutes=5)
    assert await world.introspect("alexa", linked["refresh_token"]) == {"active": False}


async def test_public_clients_and_strangers_look_at_nothing(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    linked = await world.linked("own-app", APP)
    form = {"token": linked["access_token"]}
    mine = await world.post("/oauth2/introspect", form | {"client_id": "own-app"})
    assert error_of(mine) == (400, "unauthorized_client")
    assert error_of(await world.post("/oauth2/introspect", form)) == (401, "invalid_client")


async def test_a_token_has_to_be_named(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.WEB)
    for path in ("/oauth2/introspect", "/oauth2/revoke"):
        answer = await world.post(path, {"token_type_hint": "x"}, basic=("web", secret))
        assert error_of(answer) == (400, "invalid_request")


# --- revocation -----------------------------------------------------------------------------------


async def revoke(world: OAuthWorld, client_id: str, token: str, **more: str) -> int:
    secret = world.server.secrets.get(client_id)
    form = {"token": token, "client_id": client_id, **more}
    form |= {"client_secret": secret} if secret else {}
    return (await world.post("/oauth2/revoke", form)).status_code


async def test_a_refresh_token_takes_its_grant_with_it(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    linked = await world.linked("own-app", APP)
    assert await revoke(world, "own-app", linked["refresh_token"]) == 200
    assert await world.oauth.introspection.introspect(linked["access_token"]) is None
    refused = await world.refresh("own-app", linked["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    last = (await world.server.events(f"grants-{ACCOUNT}"))[-1]
    assert isinstance(last, GrantsRevoked)
    assert last.reason == Because.CLIENT
    assert world.server.revocations.ended == list(last.grant_ids)
    assert await revoke(world, "own-app", linked["refresh_token"]) == 200, "again"


async def test_an_access_token_takes_only_itself(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    linked = await world.linked("own-app", APP)
    hint = "refresh_token"  # a wrong hint changes nothing (RFC 7009 section 2.1)
    assert await revoke(world, "own-app", linked["access_token"], token_type_hint=hint) == 200
    assert await world.oauth.introspection.introspect(linked["access_token"]) is None
    assert (world.server.revocations.ended, len(world.server.revocations.again)) == ([], 1)
    assert (await world.refresh("own-app", linked["refresh_token"])).status_code == 200


async def test_a_services_token_is_gone_with_its_grant(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    token = (await world.token("service", grant_type="client_credentials")).json()["access_token"]
    assert await revoke(world, "service", token) == 200
    assert await world.introspect("service", token) == {"active": False}
    assert [key for key in world.server.vault.items if key.startswith("grant#")] == []
    assert len(world.server.revocations.ended) == 1


async def test_nobody_revokes_what_is_anothers(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    await world.server.profile(Profile.WEB)
    linked = await world.linked("own-app", APP)
    for token in (linked["access_token"], linked["refresh_token"]):
        assert await revoke(world, "web", token) == 400
    assert await world.oauth.introspection.introspect(linked["access_token"]) is not None
    assert (await world.refresh("own-app", linked["refresh_token"])).status_code == 200


async def test_what_is_no_token_needs_no_end(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    linked = await world.linked("own-app", APP)
    grant = linked["access_token"].split("_")[1]
    for token in ("x", f"hca_{grant}_{'A' * 43}", f"hcr_{grant}_1_{'A' * 43}"):
        assert await revoke(world, "own-app", token) == 200
    assert (await world.refresh("own-app", linked["refresh_token"])).status_code == 200


# --- userinfo -------------------------------------------------------------------------------------


async def userinfo(world: OAuthWorld, token: str, **more: str) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}", **more}
    answer = await world.http.get("/oauth2/userinfo", headers=headers)
    return answer.status_code, answer.json()


async def test_userinfo_tells_what_was_allowed(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    told = {}
    for scope in ("openid", "openid email", "openid profile", "openid email profile"):
        linked = await world.linked("own-app", APP, scope=scope)
        told[scope] = await userinfo(world, linked["access_token"])
    moment = int(world.server.clock.now().timestamp())
    email = {"email": "ann@example.com", "email_verified": True}
    profile = {"name": "Ann", "updated_at": moment}
    assert told == {
        "openid": (200, {"sub": ACCOUNT}),
        "openid email": (200, {"sub": ACCOUNT, **email}),
        "openid profile": (200, {"sub": ACCOUNT, **profile}),
        "openid email profile": (200, {"sub": ACCOUNT, **email, **profile}),
    }


async def test_userinfo_takes_the_token_in_a_form_too_and_never_in_the_address(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.OWN_APP)
    token = (await world.linked("own-app", APP, scope="openid"))["access_token"]
    posted = await world.http.post("/oauth2/userinfo", data={"access_token": token})
    bare = await world.http.post("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert (posted.json(), bare.json()) == ({"sub": ACCOUNT}, {"sub": ACCOUNT})
    in_address = await world.http.get("/oauth2/userinfo", params={"access_token": token})
    assert in_address.status_code == 401
    assert in_address.headers["www-authenticate"] == 'Bearer realm="homecast"'
    both = await world.http.post(
        "/oauth2/userinfo",
        data={"access_token": token},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert error_of(both) == (400, "invalid_request")


async def test_userinfo_refuses_in_the_words_of_bearer_tokens(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    await world.server.profile(Profile.SERVICE)
    plain = (await world.linked("own-app", APP, scope="devices:read"))["access_token"]
    own = (await world.token("service", grant_type="client_credentials")).json()["access_token"]
    personal, _ = await issue_token(
        world.server.vault, clock=world.server.clock, ids=world.server.ids, account_id=ACCOUNT
    )
    for token in (plain, own, personal):
        status, answer = await userinfo(world, token)
        assert (status, answer["error"]) == (403, "insufficient_scope")
    refused = await world.http.get("/oauth2/userinfo", headers={"Authorization": "Bearer nothing"})
    assert error_of(refused) == (401, "invalid_token")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    world.server.people.people = {}
    gone = (await world.linked("own-app", APP, scope="openid"))["access_token"]
    assert (await userinfo(world, gone))[0] == 401, "the account is no more"


async def test_a_retired_client_hears_nothing_of_people(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    token = (await world.linked("own-app", APP, scope="openid"))["access_token"]
    await world.server.run(lambda unit: retire(unit, RetireClient(client_id="own-app")))
    world.oauth.clients.forget()
    assert (await userinfo(world, token))[0] == 401


async def test_who_has_no_name_has_no_claim(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    world.server.people.people[ACCOUNT] = Person()
    linked = await world.linked("own-app", APP, scope="openid email profile")
    assert await userinfo(world, linked["access_token"]) == (200, {"sub": ACCOUNT})


# --- documents ------------------------------------------------------------------------------------


async def test_keys_are_public_and_nothing_else(world: OAuthWorld) -> None:
    answer = await world.http.get("/oauth2/jwks")
    keys = answer.json()["keys"]
    assert len(keys) == 2, "the current one and the next one"
    for key in keys:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
)
async def test_the_metadata_name_what_is_there(world: OAuthWorld, path: str) -> None:
    answer = await world.http.get(path)
    told = answer.json()
    assert told["issuer"] == ISSUER
    pages = {"/oauth2/authorize", "/oauth2/logout"}  # of people
    addresses = {value for value in told.values() if str(value).startswith(f"{ISSUER}/")}
    assert {one.removeprefix(ISSUER) for one in addresses} == (
        {one for one in PATHS if one.startswith("/oauth2/")} | pages
    )
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert told["response_types_supported"] == ["code"]
    assert told["request_uri_parameter_supported"] is False
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=3600"


async def test_every_announced_grant_type_is_known_to_the_token_endpoint(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.OWN_APP)
    told = (await world.http.get("/.well-known/openid-configuration")).json()
    for grant_type in told["grant_types_supported"]:
        answer = await world.token("own-app", grant_type=grant_type)
        assert answer.json()["error"] != "unsupported_grant_type"
