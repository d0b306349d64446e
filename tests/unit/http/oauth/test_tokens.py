"""The token endpoint: every grant, and what each refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commands.accounts.oauth.grants import load, revoke_grants
from commands.accounts.oauth.scopes import to_be_told
from domain.accounts.client import Profile
from domain.accounts.grants import Because, GrantGiven, GrantsRevoked, RefreshTokenReused
from domain.kernel.recorded import Context
from tests.support.oauth import ACCOUNT, ALEXA, APP, GOOGLE, OTHER, WEB, challenge_of
from tests.unit.http.oauth.world import OAuthWorld, app_of, basic_header, error_of

GRANTS = f"grants-{ACCOUNT}"


# --- authorization code ---------------------------------------------------------------------------


async def test_a_code_gives_tokens_once(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    code = await world.code("own-app", APP, scope="openid devices:read", nonce="n-1")
    response = await world.redeem("own-app", code, APP)
    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == {
        "access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token",
    }  # fmt: skip
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert answer["scope"] == "devices:read openid"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    [given] = await world.server.events(GRANTS)
    assert isinstance(given, GrantGiven)
    assert (given.client_id, given.scopes) == ("own-app", ("devices:read", "openid"))


async def test_a_code_that_comes_again_takes_with_it_what_it_gave(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    code = await world.code("own-app", APP)
    first = (await world.redeem("own-app", code, APP)).json()
    assert error_of(await world.redeem("own-app", code, APP)) == (400, "invalid_grant")
    refused = await world.refresh("own-app", first["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    assert await world.oauth.introspection.introspect(first["access_token"]) is None
    given, revoked = await world.server.events(GRANTS)
    assert isinstance(given, GrantGiven)
    assert isinstance(revoked, GrantsRevoked)
    assert (revoked.grant_ids, revoked.reason) == ((given.grant_id,), Because.CODE_REUSE)
    assert world.server.revocations.ended == [given.grant_id]


async def test_of_two_who_redeem_a_code_at_once_one_wins_and_the_other_ends_it(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.OWN_APP)
    code = await world.code("own-app", APP)
    both = await asyncio.gather(*(world.redeem("own-app", code, APP) for _ in range(2)))
    assert sorted(one.status_code for one in both) == [200, 400]
    [won] = [one.json() for one in both if one.status_code == 200]
    assert error_of(await world.refresh("own-app", won["refresh_token"])) == (400, "invalid_grant")


async def test_two_processes_give_nothing_twice_for_one_code(world: OAuthWorld) -> None:
    from tests.unit.http.oauth.world import oauth_world

    await world.server.profile(Profile.OWN_APP)
    code = await world.code("own-app", APP)
    async with oauth_world(world.server.beside()) as second:
        both = await asyncio.gather(
            world.redeem("own-app", code, APP), second.redeem("own-app", code, APP)
        )
    assert sorted(one.status_code for one in both) == [200, 400]
    assert [key for key in world.server.vault.items if key.startswith("grant#")] == []


async def test_a_code_is_good_for_a_minute(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    early, late = await world.code("own-app", APP), await world.code("own-app", APP)
    world.server.clock.move(seconds=59)
    assert (await world.redeem("own-app", early, APP)).status_code == 200
    world.server.clock.move(seconds=1)
    assert error_of(await world.redeem("own-app", late, APP)) == (400, "invalid_grant")


async def test_a_code_of_a_sign_in_that_has_ended_gives_nothing(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    session = await world.server.sign_in()
    code = await world.code("own-app", APP, session)
    await world.server.sign_out(session)
    assert error_of(await world.redeem("own-app", code, APP)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "hcc_" + "A" * 43},
        {"code": "nothing"},
        {"redirect_uri": APP + "/"},
        {"redirect_uri": "http://127.0.0.1/cb"},
        {"code_verifier": None},
        {"code_verifier": "B" * 43},
        {"code_verifier": "short"},
        {"code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk="},
    ],
    ids=str,
)
async def test_a_code_in_other_hands_gives_nothing_and_stays_good(
    world: OAuthWorld, wrong: dict[str, str | None]
) -> None:
    """Code injection: RFC 9700 section 4.5."""
    await world.server.profile(Profile.OWN_APP)
    code = await world.code("own-app", APP)
    refused = await world.redeem("own-app", code, APP, **wrong)
    assert error_of(refused) == (400, "invalid_grant")
    assert (await world.redeem("own-app", code, APP)).status_code == 200


async def test_a_code_of_another_client_gives_nothing(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    await world.server.profile(Profile.OWN_APP, "second-app")
    code = await world.code("own-app", APP)
    assert error_of(await world.redeem("second-app", code, APP)) == (400, "invalid_grant")
    assert (await world.redeem("own-app", code, APP)).status_code == 200


async def test_a_verifier_without_a_challenge_is_refused(world: OAuthWorld) -> None:
    """PKCE downgrade: RFC 9700 section 4.8.2."""
    await world.server.profile(Profile.WEB)
    code = await world.code("web", WEB, challenge=None)
    assert error_of(await world.redeem("web", code, WEB)) == (400, "invalid_grant")
    assert (await world.redeem("web", code, WEB, code_verifier=None)).status_code == 200


async def test_the_redirect_uri_may_only_be_left_out_with_pkce(world: OAuthWorld) -> None:
    """OAuth 2.1 has it no more, RFC 6749 section 4.1.3 needs it."""
    await world.server.profile(Profile.WEB)
    code = await world.code("web", WEB, challenge=None)
    refused = await world.redeem("web", code, WEB, redirect_uri=None, code_verifier=None)
    assert error_of(refused) == (400, "invalid_grant")
    code = await world.code("web", WEB)
    assert (await world.redeem("web", code, WEB, redirect_uri=None)).status_code == 200


# --- refresh --------------------------------------------------------------------------------------


async def test_a_refresh_rotates_and_an_old_token_of_an_own_app_ends_the_grant(
    world: OAuthWorld,
) -> None:
    """Replay: RFC 9700 section 4.14.2."""
    await world.server.profile(Profile.OWN_APP)
    first = await world.linked("own-app", APP)
    second = (await world.refresh("own-app", first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    refused = await world.refresh("own-app", first["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    refused = await world.refresh("own-app", second["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    kinds = [type(one) for one in await world.server.events(GRANTS)]
    assert kinds == [GrantGiven, RefreshTokenReused, GrantsRevoked]
    assert await world.oauth.introspection.introspect(second["access_token"]) is None
    assert len(world.server.revocations.ended) == 1


async def test_an_assistants_old_token_does_until_its_successor_was_used(
    world: OAuthWorld,
) -> None:
    """Amazon: a refresh token must not be invalidated at once when it is replaced."""
    await world.server.profile(Profile.ALEXA)
    first = await world.linked("alexa", ALEXA)
    second = (await world.refresh("alexa", first["refresh_token"])).json()
    world.server.clock.move(days=7)  # the answer was lost, and Alexa asks again
    again = (await world.refresh("alexa", first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert (await world.refresh("alexa", second["refresh_token"])).status_code == 200
    world.server.clock.move(seconds=299)
    assert (await world.refresh("alexa", first["refresh_token"])).status_code == 200
    world.server.clock.move(seconds=1)
    refused = await world.refresh("alexa", first["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")


async def test_refreshes_at_once_all_succeed_with_grace(world: OAuthWorld) -> None:
    await world.server.profile(Profile.GOOGLE)
    first = await world.linked("google", GOOGLE)
    answers = await asyncio.gather(
        *(world.refresh("google", first["refresh_token"]) for _ in range(5))
    )
    assert {one.status_code for one in answers} == {200}
    assert len({one.json()["refresh_token"] for one in answers}) == 1
    tokens = {one.json()["access_token"] for one in answers}
    assert len(tokens) == 5
    for token in tokens:
        assert await world.oauth.introspection.introspect(token) is not None


async def test_a_crowd_of_refreshes_is_answered_though_the_vault_takes_its_time(
    world: OAuthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.server.profile(Profile.ALEXA)
    first = await world.linked("alexa", ALEXA)
    found = world.server.vault.get

    async def slowly(key: str) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        value = await found(key)
        await asyncio.sleep(0)
        return value

    monkeypatch.setattr(world.server.vault, "get", slowly)
    answers = await asyncio.gather(
        *(world.refresh("alexa", first["refresh_token"]) for _ in range(16))
    )
    assert {one.status_code for one in answers} == {200}
    assert len({one.json()["refresh_token"] for one in answers}) == 1


async def test_refreshes_at_once_of_an_own_app_end_it(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    first = await world.linked("own-app", APP)
    answers = await asyncio.gather(
        *(world.refresh("own-app", first["refresh_token"]) for _ in range(2))
    )
    assert sorted(one.status_code for one in answers) == [200, 400]


async def test_a_refresh_may_ask_for_less_and_not_for_more(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    first = await world.linked("own-app", APP, scope="devices:read commands:write")
    token = first["refresh_token"]
    refused = await world.refresh("own-app", token, scope="devices:read homes:write")
    assert error_of(refused) == (400, "invalid_scope")
    less = (await world.refresh("own-app", token, scope="devices:read")).json()
    assert less["scope"] == "devices:read"
    whole = (await world.refresh("own-app", less["refresh_token"])).json()
    assert whole["scope"] == "commands:write devices:read"


async def test_a_refresh_token_of_another_client_does_nothing(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    await world.server.profile(Profile.OWN_APP, "second-app")
    first = await world.linked("own-app", APP)
    refused = await world.refresh("second-app", first["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    assert (await world.refresh("own-app", first["refresh_token"])).status_code == 200


async def test_a_grant_that_is_not_refreshed_ends(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    first = await world.linked("web", WEB)
    world.server.clock.move(days=29)
    second = (await world.refresh("web", first["refresh_token"])).json()
    world.server.clock.move(days=30)
    refused = await world.refresh("web", second["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")


async def test_a_grant_ends_at_its_greatest_age_however_often_it_is_refreshed(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.WEB)
    token = (await world.linked("web", WEB))["refresh_token"]
    for _ in range(18):
        world.server.clock.move(days=20)
        token = (await world.refresh("web", token)).json()["refresh_token"]
    world.server.clock.move(days=5)
    assert error_of(await world.refresh("web", token)) == (400, "invalid_grant")


async def test_scopes_that_an_operator_took_back_are_refreshed_no_more(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    first = await world.linked("own-app", APP, scope="devices:read commands:write")
    await world.server.profile(Profile.OWN_APP, scopes=("devices:read",))
    second = (await world.refresh("own-app", first["refresh_token"])).json()
    assert second["scope"] == "devices:read"


@pytest.mark.parametrize("token", ["x", "hcr_" + "0" * 26 + "_1_" + "A" * 43, "hca_x", "é" * 40])
async def test_an_invented_refresh_token_does_nothing(world: OAuthWorld, token: str) -> None:
    await world.server.profile(Profile.GOOGLE)
    assert error_of(await world.refresh("google", token)) == (400, "invalid_grant")


async def test_an_invented_token_of_a_known_grant_ends_nothing(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    token = (await world.linked("own-app", APP))["refresh_token"]
    grant = token.split("_")[1]
    for generation in (0, 1, 2, 999_999_999):
        invented = f"hcr_{grant}_{generation}_{'A' * 43}"
        assert error_of(await world.refresh("own-app", invented)) == (400, "invalid_grant")
    assert (await world.refresh("own-app", token)).status_code == 200


# --- client credentials ---------------------------------------------------------------------------


async def test_a_service_gets_a_token_of_its_own(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    response = await world.token("service", grant_type="client_credentials", scope="ads:read")
    answer = response.json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    seen = await world.introspect("service", answer["access_token"])
    assert (seen["active"], seen["sub"], seen["scope"]) == (True, "service", "ads:read")


async def test_a_service_asks_for_no_more_than_it_may(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE)
    for scope in ("operate", "nonsense", "ads:read devices:read"):
        refused = await world.token("service", grant_type="client_credentials", scope=scope)
        assert error_of(refused) == (400, "invalid_scope")


async def test_openid_is_not_for_services(world: OAuthWorld) -> None:
    await world.server.profile(Profile.SERVICE, scopes=("ads:read", "openid"))
    refused = await world.token("service", grant_type="client_credentials", scope="openid")
    assert error_of(refused) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("profile", "grant"),
    [
        (Profile.OWN_APP, "client_credentials"),
        (Profile.SERVICE, "authorization_code"),
        (Profile.SERVICE, "refresh_token"),
        (Profile.WEB, "urn:ietf:params:oauth:grant-type:device_code"),
    ],
)
async def test_a_client_has_its_own_grant_types_only(
    world: OAuthWorld, profile: Profile, grant: str
) -> None:
    await world.server.profile(profile)
    refused = await world.token(profile.value, grant_type=grant, code="x", refresh_token="x")
    assert error_of(refused) == (400, "unauthorized_client")


# --- form and client ------------------------------------------------------------------------------


async def test_grant_types_that_are_none(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    for grant in ("password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange"):
        refused = await world.token("own-app", grant_type=grant)
        assert error_of(refused) == (400, "unsupported_grant_type")
    assert error_of(await world.token("own-app")) == (400, "invalid_request")
    for grant in ("authorization_code", "refresh_token"):
        assert error_of(await world.token("own-app", grant_type=grant)) == (400, "invalid_request")


async def test_basic_and_body_are_both_taken_from_assistants(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.ALEXA)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    basic = await world.post("/oauth2/token", form, basic=("alexa", secret))
    body = await world.post("/oauth2/token", form | {"client_id": "alexa", "client_secret": secret})
    named_twice = await world.post(
        "/oauth2/token", form | {"client_id": "alexa"}, basic=("alexa", secret)
    )
    for answer in (basic, body, named_twice):
        assert error_of(answer) == (400, "invalid_grant"), "the client itself was believed"


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic ???", "Basic YWJj", "Bearer abc", "Basic OmFiYw==", "Basic /w==", "Digest x"],
)
async def test_a_header_that_cannot_be_read_is_no_client(world: OAuthWorld, header: str) -> None:
    await world.server.profile(Profile.ALEXA)
    answer = await world.http.post(
        "/oauth2/token",
        data={"grant_type": "refresh_token", "refresh_token": "x"},
        headers={"Authorization": header},
    )
    assert error_of(answer) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_client_shows_who_it_is_in_one_way(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.ALEXA)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    for more in ({"client_secret": secret}, {"client_id": "google"}):
        answer = await world.post("/oauth2/token", form | more, basic=("alexa", secret))
        assert error_of(answer) == (400, "invalid_request")


async def test_a_confidential_client_is_not_believed_without_its_secret(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.WEB)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    tries = [
        await world.post("/oauth2/token", form | {"client_id": "web"}),
        await world.post("/oauth2/token", form | {"client_id": "web", "client_secret": "x"}),
        await world.post("/oauth2/token", form, basic=("web", secret + "x")),
        await world.post("/oauth2/token", form, basic=("nobody", secret)),
        await world.post("/oauth2/token", form),
    ]
    assert {error_of(one) for one in tries} == {(401, "invalid_client")}
    assert ["www-authenticate" in one.headers for one in tries] == [False, False, True, True, False]


async def test_a_public_client_has_no_secret_to_show(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "own-app"}
    answer = await world.post("/oauth2/token", form | {"client_secret": "guess"})
    assert error_of(answer) == (401, "invalid_client")
    assert error_of(await world.post("/oauth2/token", form)) == (400, "invalid_grant")
    empty = await world.post("/oauth2/token", form | {"client_secret": ""})
    assert error_of(empty) == (400, "invalid_grant"), "an empty parameter is none"


async def test_ids_and_secrets_in_basic_are_form_encoded(world: OAuthWorld) -> None:
    """RFC 6749 section 2.3.1."""
    from adapters.inbound.http.oauth.forms import _basic

    found = _basic(basic_header("a b+c%", "p:ä&/ +"))
    assert (found.client_id, found.secret) == ("a b+c%", "p:ä&/ +")


async def test_two_secrets_do_at_once_while_one_replaces_the_other(world: OAuthWorld) -> None:
    first = await world.server.profile(Profile.WEB)
    second = await world.server.new_secret("web")
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    for secret in (first, second):
        answer = await world.post("/oauth2/token", form, basic=("web", secret))
        assert error_of(answer) == (400, "invalid_grant")
    third = await world.server.new_secret("web")
    answers = {
        secret: (await world.post("/oauth2/token", form, basic=("web", secret))).status_code
        for secret in (first, second, third)
    }
    assert answers == {first: 401, second: 400, third: 400}


async def test_failed_secrets_are_counted_over_all_processes(world: OAuthWorld) -> None:
    from tests.unit.http.oauth.world import oauth_world

    secret = await world.server.profile(Profile.WEB)
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    async with oauth_world(world.server.beside()) as second:
        for number in range(20):
            one = (world, second)[number % 2]
            answer = await one.post("/oauth2/token", form, basic=("web", "wrong"))
            assert error_of(answer) == (401, "invalid_client")
        for one in (world, second):
            await one.post("/oauth2/token", form, basic=("web", "wrong"))
            answer = await one.post("/oauth2/token", form, basic=("web", secret))
            assert error_of(answer) == (429, "temporarily_unavailable")
            assert 0 < int(answer.headers["retry-after"]) <= 600


async def test_failures_are_counted_while_redis_is_away(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.WEB)
    world.server.counters.away = True
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    for _ in range(20):
        await world.post("/oauth2/token", form, basic=("web", "wrong"))
    answer = await world.post("/oauth2/token", form, basic=("web", secret))
    assert answer.status_code == 429


async def test_unknown_clients_read_the_store_only_so_often(world: OAuthWorld) -> None:
    answers = [await world.token(f"c{number}", grant_type="x") for number in range(25)]
    assert [one.status_code for one in answers] == [401] * 20 + [429] * 5


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"grant_type=refresh_token&grant_type=refresh_token&client_id=own-app", None),
        (b"client_id=own-app&client_id=own-app", None),
        (b"{}", "application/json"),
        (b"client_id=own-app", "multipart/form-data; boundary=x"),
        (b"client_id=own-app", ""),
        (b"client_id=own-app", "application/x-www-form-urlencoded; charset=latin-1"),
        (b"client_id=%ff", None),
        (b"client_id=\xff", None),
        (b"&".join(b"a%d=1" % number for number in range(51)), None),
        (b"client_id=" + b"a" * 16400, None),
    ],
    ids=range(10),
)
async def test_a_form_that_is_none_is_refused(
    world: OAuthWorld, body: bytes, media_type: str | None
) -> None:
    await world.server.profile(Profile.OWN_APP)
    usual = "application/x-www-form-urlencoded"
    headers = {"Content-Type": usual if media_type is None else media_type}
    answer = await world.http.post("/oauth2/token", content=body, headers=headers)
    assert error_of(answer) == (400, "invalid_request")


async def test_parameters_in_the_address_are_refused(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    answer = await world.http.post("/oauth2/token?client_id=own-app", data={"grant_type": "x"})
    assert error_of(answer) == (400, "invalid_request")


async def test_a_charset_of_utf_8_may_be_said(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    for charset in ("utf-8", "UTF-8", '"utf-8"'):
        answer = await world.http.post(
            "/oauth2/token",
            content=b"client_id=own-app&grant_type=password",
            headers={"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"},
        )
        assert error_of(answer) == (400, "unsupported_grant_type")


async def test_pages_of_any_origin_may_ask_for_tokens_without_cookies(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    asked = await world.http.options("/oauth2/token", headers={"Origin": "https://app.example"})
    assert asked.status_code == 204
    refused = await world.token("own-app", grant_type="x")
    for answer in (asked, refused):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    for path in ("/oauth2/introspect", "/oauth2/revoke", "/oauth2/device_authorization"):
        answer = await world.post(path, {"client_id": "own-app"})
        assert "access-control-allow-origin" not in answer.headers


async def test_only_post_gives_tokens(world: OAuthWorld) -> None:
    for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
        assert (await world.http.get(path)).status_code == 405


async def test_a_retired_client_does_nothing_any_more(world: OAuthWorld) -> None:
    from commands.accounts.oauth.clients import RetireClient, retire

    await world.server.profile(Profile.WEB)
    await world.server.profile(Profile.SERVICE, introspect=True)
    linked = await world.linked("web", WEB)
    await world.server.run(lambda unit: retire(unit, RetireClient(client_id="web")))
    world.oauth.clients.forget()
    refused = await world.refresh("web", linked["refresh_token"])
    assert error_of(refused) == (401, "invalid_client")
    for token in (linked["access_token"], linked["refresh_token"]):
        assert await world.introspect("service", token) == {"active": False}


# --- what assistants check ------------------------------------------------------------------------


async def test_googles_account_linking_checks(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.GOOGLE)
    code = await world.code("google", GOOGLE, challenge=None, scope="devices:read commands:write")
    form = {"client_id": "google", "client_secret": secret}
    exchanged = await world.post(
        "/oauth2/token",
        form | {"grant_type": "authorization_code", "code": code, "redirect_uri": GOOGLE},
    )
    answer = exchanged.json()
    assert answer["access_token"].count(".") == 0, "an access token is no JWT"
    assert answer["refresh_token"], "an access token that expires comes with a refresh token"
    refresh = form | {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    refreshed = await world.post("/oauth2/token", refresh)
    assert {"token_type", "access_token", "expires_in"} <= refreshed.json().keys()
    invented = await world.post("/oauth2/token", refresh | {"refresh_token": "invented"})
    assert error_of(invented) == (400, "invalid_grant")


async def test_amazons_account_linking_requirements(world: OAuthWorld) -> None:
    secret = await world.server.profile(Profile.ALEXA)
    for host in ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp"):
        redirect_uri = f"https://{host}/api/skill/link/M2AAAAAAAAAAAA"
        code = await world.code("alexa", redirect_uri, challenge=None, scope="devices:read")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        answer = await world.post("/oauth2/token", form, basic=("alexa", secret))
        assert answer.status_code == 200
        assert answer.json()["refresh_token"]


async def test_a_person_links_as_many_as_there_is_room_for(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    session = await world.server.sign_in(OTHER)
    linked = [await world.linked("own-app", APP, session=session) for _ in range(11)]
    refused = await world.refresh("own-app", linked[0]["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    assert (await world.refresh("own-app", linked[1]["refresh_token"])).status_code == 200
    assert len(world.server.revocations.ended) == 1


async def test_any_verifier_that_fits_is_taken(world: OAuthWorld) -> None:
    await world.server.profile(Profile.OWN_APP)
    for verifier in ("a" * 43, "Z-._~" * 25 + "abc"):
        code = await world.code("own-app", APP, challenge=challenge_of(verifier))
        answer = await world.redeem("own-app", code, APP, code_verifier=verifier)
        assert answer.status_code == 200


async def test_no_access_token_outlives_the_greatest_age_of_its_grant(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    token = (await world.linked("web", WEB))["refresh_token"]
    for _ in range(18):
        world.server.clock.move(days=20)
        token = (await world.refresh("web", token)).json()["refresh_token"]
    world.server.clock.move(days=4, hours=23, minutes=30)
    last = (await world.refresh("web", token)).json()
    assert last["expires_in"] == 30 * 60
    world.server.clock.move(minutes=30)
    assert await world.oauth.introspection.introspect(last["access_token"]) is None
    refused = await world.refresh("web", last["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")


async def test_what_a_client_had_before_it_was_retired_does_not_come_back_with_it(
    world: OAuthWorld,
) -> None:
    await world.server.profile(Profile.WEB)
    await world.server.profile(Profile.SERVICE, introspect=True)
    old = await world.linked("web", WEB)
    world.server.clock.move(minutes=1)
    await world.server.retire("web")
    await world.server.profile(Profile.WEB)
    refused = await world.refresh("web", old["refresh_token"])
    assert error_of(refused) == (400, "invalid_grant")
    for kind in ("access_token", "refresh_token"):
        assert await world.introspect("service", old[kind]) == {"active": False}
    new = await world.linked("web", WEB)
    assert (await world.refresh("web", new["refresh_token"])).status_code == 200


async def test_a_service_keeps_access_only_where_that_was_allowed(world: OAuthWorld) -> None:
    await world.server.profile(Profile.WEB)
    briefly = await world.linked("web", WEB, scope="openid devices:read")
    assert "refresh_token" not in briefly
    longer = await world.linked("web", WEB, scope="openid offline_access")
    assert (await world.refresh("web", longer["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("profile", "redirect_uri"),
    [(Profile.ALEXA, ALEXA), (Profile.GOOGLE, GOOGLE), (Profile.OWN_APP, APP)],
)
async def test_assistants_and_own_apps_always_do(
    world: OAuthWorld, profile: Profile, redirect_uri: str
) -> None:
    """They do not ask for ``offline_access``, and would be unlinked in an hour; people are told."""
    await world.server.profile(profile)
    answer = await world.linked(profile.value, redirect_uri, scope="devices:read")
    assert (answer["scope"], "refresh_token" in answer) == ("devices:read", True)
    client = await world.oauth.clients.find(profile.value)
    assert client is not None
    assert to_be_told(client.config, ("devices:read",)) == ("devices:read", "offline_access")


@pytest.mark.parametrize("by", ["client", "person"])
async def test_what_was_given_or_taken_back_is_asked_for_again(world: OAuthWorld, by: str) -> None:
    await world.server.profile(Profile.WEB)
    answer = await world.linked("web", WEB)
    assert (await load(world.oauth, ACCOUNT)).allowed("web", ("devices:read",))
    if by == "client":
        form = {"token": answer["refresh_token"]}
        secret = world.server.secrets["web"]
        assert (await world.post("/oauth2/revoke", form, basic=("web", secret))).is_success
    else:
        context = Context("c", "m", "test")
        await revoke_grants(world.oauth, context, ACCOUNT, client_id="web", reason=Because.USER)
    assert not (await load(world.oauth, ACCOUNT)).allowed("web", ("devices:read",))


async def test_the_guard_of_the_api_knows_of_clients(world: OAuthWorld) -> None:
    app = app_of(world.server)
    assert app.state.parts.tokens.clients is world.oauth.clients
