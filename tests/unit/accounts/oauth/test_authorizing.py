"""Authorization requests: what is believed, what is shown, what the client gets to hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from commands.accounts.oauth import authorizing, tokens
from commands.accounts.oauth.authorizing import AuthorizationRequest, Step
from commands.accounts.oauth.errors import AuthorizationRefused, InvalidScope, UntrustedRequest
from commands.accounts.oauth.grants import list_services, revoke_grants
from commands.accounts.oauth.seeding import dashboard_at
from domain.accounts.client import Profile
from domain.accounts.grants import Because
from tests.support.oauth import (
    ACCOUNT,
    ALEXA,
    APP,
    CHALLENGE,
    CONTEXT,
    ISSUER,
    OTHER,
    VERIFIER,
    WEB,
    Server,
    Session,
    asking,
    pkce,
)


async def request_of(
    server: Server, client_id: str, redirect_uri: str, **parameters: str | None
) -> AuthorizationRequest:
    return await authorizing.validate(server.oauth, asking(client_id, redirect_uri, **parameters))


async def refused(
    server: Server, client_id: str, redirect_uri: str, **parameters: str | None
) -> dict[str, str]:
    """What the client gets to hear."""
    with pytest.raises(AuthorizationRefused) as raised:
        await request_of(server, client_id, redirect_uri, **parameters)
    return heard(raised.value, redirect_uri)


def heard(error: AuthorizationRefused, redirect_uri: str) -> dict[str, str]:
    assert error.location.startswith(redirect_uri)
    answer = dict(parse_qsl(urlsplit(error.location).query))
    assert answer["error"] == error.error
    assert answer["iss"] == ISSUER
    return answer


async def allow(server: Server, request: AuthorizationRequest, session: Session) -> str:
    """The code."""
    location = await authorizing.approve(server.oauth, request, session)
    return parse_qs(urlsplit(location).query)["code"][0]


async def link(server: Server, session: Session, **parameters: str | None) -> None:
    """Alexa, with what it was allowed."""
    request = await request_of(server, "alexa", ALEXA, **parameters)
    form = {"grant_type": "authorization_code", "redirect_uri": ALEXA}
    form |= {"code": await allow(server, request, session)}
    client = await server.oauth.clients.find("alexa")
    assert client is not None
    await tokens.exchange(server.oauth, CONTEXT, client, form)


# --- what is shown and never redirected -----------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [("client_id", "own-app")],
        [("redirect_uri", APP)],
        [("client_id", "nobody"), ("redirect_uri", APP)],
        [("client_id", "Own-App"), ("redirect_uri", APP)],
        [("client_id", "own-app'--"), ("redirect_uri", APP)],
        [("client_id", ""), ("redirect_uri", APP)],
        [("client_id", "own-app"), ("redirect_uri", "https://evil.example")],
        [("client_id", "own-app"), ("client_id", "own-app"), ("redirect_uri", APP)],
        [("client_id", "own-app"), ("redirect_uri", APP), ("redirect_uri", APP)],
        [
            ("client_id", "own-app"),
            ("redirect_uri", "https://evil.example"),
            ("redirect_uri", APP),
        ],
        [("client_id", "own-app"), ("redirect_uri", APP), ("state", "x" * 12_000)],
    ],
)
async def test_nobody_is_sent_where_the_request_cannot_be_believed(
    server: Server, parameters: list[tuple[str, str]]
) -> None:
    """Open redirection: RFC 9700 section 4.11."""
    await server.profile(Profile.OWN_APP)
    with pytest.raises(UntrustedRequest):
        await authorizing.validate(server.oauth, parameters)


async def test_a_client_without_codes_has_nowhere_to_send_to(server: Server) -> None:
    await server.profile(Profile.SERVICE)
    await server.profile(Profile.DEVICE)
    for client_id in ("service", "device"):
        with pytest.raises(UntrustedRequest):
            await request_of(server, client_id, APP)


# --- what the client gets to hear -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"scope": "devices:read operate"}, "invalid_scope"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"nonce": "n" * 4001}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_wrong_with_a_request_is_told_to_its_client(
    server: Server, parameters: dict[str, Any], error: str
) -> None:
    await server.profile(Profile.OWN_APP)
    answer = await refused(server, "own-app", APP, **{**pkce(), **parameters})
    assert (answer["error"], answer["state"]) == (error, "xyz")


@pytest.mark.parametrize("name", ["scope", "response_type", "code_challenge", "nonce", "other"])
async def test_a_parameter_that_is_there_twice_is_refused(server: Server, name: str) -> None:
    await server.profile(Profile.OWN_APP)
    asked = asking("own-app", APP, **pkce())
    with pytest.raises(AuthorizationRefused) as raised:
        await authorizing.validate(server.oauth, [*asked, (name, "x"), (name, "x")])
    assert heard(raised.value, APP)["error"] == "invalid_request"


async def test_a_state_that_is_there_twice_is_not_sent_back(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    asked = [*asking("own-app", APP, **pkce()), ("state", "other")]
    with pytest.raises(AuthorizationRefused) as raised:
        await authorizing.validate(server.oauth, asked)
    assert "state" not in heard(raised.value, APP)


async def test_pkce_is_left_to_a_client_with_a_secret_but_never_half_done(server: Server) -> None:
    await server.profile(Profile.WEB)
    assert (await request_of(server, "web", WEB)).code_challenge is None
    for half in ({"code_challenge": CHALLENGE}, {"code_challenge_method": "S256"}):
        assert (await refused(server, "web", WEB, **half))["error"] == "invalid_request"


async def test_without_a_wish_all_scopes_of_the_client_are_meant(server: Server) -> None:
    await server.profile(Profile.ALEXA, scopes=("devices:read", "commands:write"))
    request = await request_of(server, "alexa", ALEXA)
    assert request.scopes == ("commands:write", "devices:read")


# --- answers --------------------------------------------------------------------------------------


async def test_the_answer_has_code_state_and_issuer(server: Server) -> None:
    """Mix-up: RFC 9207, RFC 9700 section 4.4."""
    await server.profile(Profile.WEB)
    request = await request_of(server, "web", WEB, state="a b&c=d#é")
    location = await authorizing.approve(server.oauth, request, await server.sign_in())
    answer = dict(parse_qsl(urlsplit(location).query))
    assert location.startswith(WEB + "?")
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("a b&c=d#é", ISSUER)


async def test_a_no_is_told_to_the_client(server: Server) -> None:
    await server.profile(Profile.WEB)
    request = await request_of(server, "web", WEB, state=None)
    answer = dict(parse_qsl(urlsplit(authorizing.deny(server.oauth, request)).query))
    assert (answer["error"], answer["iss"]) == ("access_denied", ISSUER)
    assert "state" not in answer


async def test_a_person_may_allow_less_and_never_more(server: Server) -> None:
    await server.profile(Profile.WEB)
    asked = "openid devices:read commands:write"
    request, session = await request_of(server, "web", WEB, scope=asked), await server.sign_in()
    with pytest.raises(InvalidScope):
        await authorizing.approve(server.oauth, request, session, ["homes:read"])
    location = await authorizing.approve(server.oauth, request, session, ["devices:read"])
    [held] = [value for _, value in await server.vault.list("code#")]
    assert held["scopes"] == ["devices:read", "openid"]
    assert parse_qs(urlsplit(location).query)["code"][0] not in str(server.vault.items)


async def test_nothing_allowed_is_a_no(server: Server) -> None:
    await server.profile(Profile.ALEXA)
    request = await request_of(server, "alexa", ALEXA, scope="devices:read")
    with pytest.raises(AuthorizationRefused) as raised:
        await authorizing.approve(server.oauth, request, await server.sign_in(), [])
    assert raised.value.error == "access_denied"


# --- steps ----------------------------------------------------------------------------------------


async def step(server: Server, session: Session | None, **parameters: str | None) -> Step:
    request = await request_of(server, "alexa", ALEXA, **parameters)
    return await authorizing.next_step(server.oauth, request, session)


async def test_a_stranger_signs_in_then_is_asked_and_later_is_not(server: Server) -> None:
    await server.profile(Profile.ALEXA)
    session = await server.sign_in()
    assert await step(server, None) == Step.SIGN_IN
    assert await step(server, session) == Step.CONSENT
    await link(server, session, scope="devices:read")
    assert await step(server, session, scope="devices:read") == Step.ISSUE
    assert await step(server, session, scope="devices:read commands:write") == Step.CONSENT
    assert await step(server, await server.sign_in(OTHER), scope="devices:read") == Step.CONSENT
    assert await step(server, session, scope="devices:read", prompt="consent") == Step.CONSENT


async def test_who_has_unlinked_is_asked_again(server: Server) -> None:
    await server.profile(Profile.ALEXA)
    session = await server.sign_in()
    await link(server, session)
    await link(server, session)
    [service] = await list_services(server.oauth, ACCOUNT)
    assert (service.client_id, len(service.grant_ids)) == ("alexa", 2)
    await revoke_grants(server.oauth, CONTEXT, ACCOUNT, client_id="alexa", reason=Because.USER)
    assert await list_services(server.oauth, ACCOUNT) == []
    assert await step(server, session) == Step.CONSENT


async def test_nobody_is_asked_about_our_own_apps(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    request = await request_of(server, "own-app", APP, **pkce())
    assert await authorizing.next_step(server.oauth, request, await server.sign_in()) == Step.ISSUE


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000/cb", "com.example.app:/cb"])
async def test_a_program_that_another_could_pose_as_is_looked_at_each_time(
    server: Server, uri: str
) -> None:
    """RFC 8252 section 8.6."""
    await server.profile(Profile.OWN_APP)
    request, session = await request_of(server, "own-app", uri, **pkce()), await server.sign_in()
    for _ in range(2):
        assert await authorizing.next_step(server.oauth, request, session) == Step.CONSENT
        await allow(server, request, session)


async def test_nobody_is_asked_whether_the_issuers_own_pages_may(server: Server) -> None:
    """On one machine too, where they come by plain HTTP: nobody else answers there."""
    local = "http://localhost:8080"
    here = replace(server.oauth, issuer=local)
    await server.add("pages", dashboard_at(local))
    session = await server.sign_in()
    for page in ("/", "/ads"):
        request = await request_of(server, "pages", local + page, **pkce())
        assert await authorizing.next_step(here, request, session) == Step.ISSUE
        assert await authorizing.next_step(server.oauth, request, session) == Step.CONSENT


async def test_a_client_that_wants_no_page_gets_an_error_instead(server: Server) -> None:
    await server.profile(Profile.ALEXA)
    session = await server.sign_in()

    async def told(session: Session | None, **parameters: str) -> str:
        with pytest.raises(AuthorizationRefused) as raised:
            await step(server, session, prompt="none", **parameters)
        return heard(raised.value, ALEXA)["error"]

    assert await told(None) == "login_required"
    assert await told(session) == "consent_required"
    await link(server, session)
    assert await step(server, session, prompt="none") == Step.ISSUE
    server.clock.move(seconds=61)
    assert await told(session, max_age="60") == "login_required"


async def back(server: Server, request: AuthorizationRequest) -> AuthorizationRequest:
    """As the person comes back from the page that was shown."""
    query = urlsplit(authorizing.return_to(server.oauth, request)).query
    return await authorizing.validate(server.oauth, parse_qsl(query, keep_blank_values=True))


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "30"}])
async def test_a_sign_in_anew_is_asked_for_once(server: Server, wish: dict[str, str]) -> None:
    await server.profile(Profile.OWN_APP)
    old = await server.sign_in()
    server.clock.move(minutes=1)
    request = await request_of(server, "own-app", APP, **pkce(), **wish)
    assert await authorizing.next_step(server.oauth, request, old) == Step.SIGN_IN
    again = await back(server, request)
    assert await authorizing.next_step(server.oauth, again, old) == Step.SIGN_IN
    with pytest.raises(AuthorizationRefused):
        await authorizing.approve(server.oauth, again, old)
    server.clock.move(seconds=40)
    new = await server.sign_in()
    assert await authorizing.next_step(server.oauth, again, new) == Step.ISSUE
    assert await allow(server, again, new)


async def test_an_account_is_chosen_once(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    session = await server.sign_in()
    request = await request_of(server, "own-app", APP, **pkce(), prompt="select_account")
    assert await authorizing.next_step(server.oauth, request, session) == Step.SELECT_ACCOUNT
    again = await back(server, request)
    assert await authorizing.next_step(server.oauth, again, session) == Step.ISSUE


async def test_what_says_since_when_cannot_be_made_by_others(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    request = await request_of(server, "own-app", APP, **pkce(), prompt="login")
    path = authorizing.return_to(server.oauth, request)
    pairs = parse_qsl(urlsplit(path).query)
    [seen] = [value for name, value in pairs if name == "seen"]
    moment, mac = seen.split(".")
    for forged in (f"{int(moment) - 100}.{mac}", f"{moment}.{'0' * 64}", "x", "", ".", "9" * 30):
        others = [(name, forged if name == "seen" else value) for name, value in pairs]
        assert (await authorizing.validate(server.oauth, others)).seen_at is None
    moved = [(name, "other" if name == "state" else value) for name, value in pairs]
    assert (await authorizing.validate(server.oauth, moved)).seen_at is None
    twice = [*pairs, ("seen", seen)]
    assert (await authorizing.validate(server.oauth, twice)).seen_at is None
    assert (await authorizing.validate(server.oauth, pairs)).seen_at is not None
    server.clock.move(hours=1)
    assert (await authorizing.validate(server.oauth, pairs)).seen_at is None


async def test_the_way_back_is_a_local_path_and_the_request_as_it_was(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    state = "https://evil.example/?a=b&c=d"
    request = await request_of(server, "own-app", APP, **pkce(), state=state, prompt="login")
    path = authorizing.return_to(server.oauth, request)
    assert path.startswith("/oauth2/authorize?")
    again = await back(server, request)
    assert replace(again, seen_at=None) == request


async def test_another_person_than_the_client_means_signs_in(server: Server) -> None:
    await server.profile(Profile.OWN_APP)
    session = await server.sign_in()
    request = await request_of(server, "own-app", APP, **pkce(), scope="openid")
    code = await allow(server, request, session)
    client = request.client
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    answer = await tokens.exchange(server.oauth, CONTEXT, client, form)
    hinted = await request_of(server, "own-app", APP, **pkce(), id_token_hint=answer.id_token)
    assert await authorizing.next_step(server.oauth, hinted, session) == Step.ISSUE
    other = await server.sign_in(OTHER)
    assert await authorizing.next_step(server.oauth, hinted, other) == Step.SIGN_IN
    with pytest.raises(AuthorizationRefused):
        await authorizing.approve(server.oauth, hinted, other)
