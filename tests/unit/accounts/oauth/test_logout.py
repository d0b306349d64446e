"""RP-initiated logout: who is asked, who is sent where."""

from __future__ import annotations

import pytest

from commands.accounts.oauth import logout
from commands.accounts.oauth.errors import UntrustedRequest
from domain.accounts.client import Profile
from tests.support.oauth import APP, BYE, OTHER, Server
from tests.unit.accounts.oauth.test_grants import linked


@pytest.fixture
async def ready(server: Server) -> Server:
    await server.profile(Profile.WEB)
    await server.profile(Profile.OWN_APP, post_logout_redirect_uris=("https://app.homecast.test/",))
    return server


async def test_who_shows_an_id_token_of_this_sign_in_signs_out_without_a_question(
    ready: Server,
) -> None:
    session = await ready.sign_in()
    token = (await linked(ready, "own-app", APP, session)).id_token
    ready.clock.move(days=3)  # an ID token that is over does here
    parameters = [
        ("id_token_hint", token or ""),
        ("post_logout_redirect_uri", "https://app.homecast.test/"),
        ("state", "a b"),
    ]
    request = await logout.validate(ready.oauth, parameters)
    assert request.redirect == "https://app.homecast.test/?state=a+b"
    assert not request.needs_question(session)
    assert request.needs_question(await ready.sign_in()), "another sign-in of the same person"
    assert request.needs_question(await ready.sign_in(OTHER))


async def test_without_an_id_token_the_person_is_asked(ready: Server) -> None:
    session = await ready.sign_in()
    bare = await logout.validate(ready.oauth, [])
    assert (bare.client, bare.redirect, bare.needs_question(session)) == (None, None, True)
    named = await logout.validate(
        ready.oauth, [("client_id", "web"), ("post_logout_redirect_uri", BYE)]
    )
    assert (named.redirect, named.needs_question(session)) == (BYE, True)


@pytest.mark.parametrize(
    "parameters",
    [
        [("post_logout_redirect_uri", BYE)],
        [("client_id", "web"), ("post_logout_redirect_uri", BYE + "/")],
        [("client_id", "web"), ("post_logout_redirect_uri", "https://evil.example")],
        [("client_id", "own-app"), ("post_logout_redirect_uri", BYE)],
        [("client_id", "own-app"), ("post_logout_redirect_uri", APP)],
        [("client_id", "nobody")],
        [("id_token_hint", "x.y.z")],
        [("client_id", "web"), ("client_id", "web")],
        [("client_id", "web"), ("post_logout_redirect_uri", BYE), ("state", "x" * 4001)],
    ],
)
async def test_nobody_is_sent_elsewhere_or_signed_out_by_what_cannot_be_believed(
    ready: Server, parameters: list[tuple[str, str]]
) -> None:
    with pytest.raises(UntrustedRequest):
        await logout.validate(ready.oauth, parameters)


async def test_an_id_token_of_another_client_does_not_speak_for_this_one(ready: Server) -> None:
    token = (await linked(ready, "own-app", APP, await ready.sign_in())).id_token
    with pytest.raises(UntrustedRequest):
        await logout.validate(ready.oauth, [("id_token_hint", token or ""), ("client_id", "web")])
