"""Redirect URIs, registered and asked for: RFC 9700 sections 2.1 and 4.1, RFC 8252 section 7."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.accounts.oauth.profiles import Wishes, configured
from commands.accounts.oauth.redirects import fits, origin_of, with_parameters
from domain.accounts.client import ClientConfig, Profile
from domain.kernel.errors import InvalidInput

REGISTERED = "https://app.example/signed-in"


def app(*uris: str) -> ClientConfig:
    return configured(Wishes(Profile.OWN_APP, "App", redirect_uris=uris))


def web(*uris: str) -> ClientConfig:
    return configured(Wishes(Profile.WEB, "Web", redirect_uris=uris))


HOSTILE = (
    "https://app.example/signed-in/",
    "https://app.example/signed-in/../evil",
    "https://app.example/signed-in/%2e%2e/evil",
    "https://app.example/signed-in?next=https://evil.example",
    "https://app.example/signed-in#token",
    "https://app.example/signed-in%00",
    "https://app.example/signed-in ",
    " https://app.example/signed-in",
    "https://app.example//signed-in",
    "https://app.example/Signed-In",
    "https://APP.example/signed-in",
    "HTTPS://app.example/signed-in",
    "http://app.example/signed-in",
    "https://app.example:443/signed-in",
    "https://app.example./signed-in",
    "https://app.example.evil.example/signed-in",
    "https://evil.example/https://app.example/signed-in",
    "https://app.example@evil.example/signed-in",
    "https://evil.example\\@app.example/signed-in",
    "https://app.example\\.evil.example/signed-in",
    "https://evil.example#@app.example/signed-in",
    "https://evil.example?app.example/signed-in",
    "//app.example/signed-in",
    "javascript:alert(1)//app.example/signed-in",
    "data:text/html,x",
    "https://app.example/signed-in\r\nSet-Cookie: a=b",
    "https://xn--app-example.evil/signed-in",
    "https://app。example/signed-in",
    "",
)


@pytest.mark.parametrize("uri", HOSTILE)
def test_nothing_but_what_is_registered_fits(uri: str) -> None:
    assert fits(app(REGISTERED), REGISTERED)
    assert not fits(app(REGISTERED), uri)
    assert not fits(web(REGISTERED), uri)


@pytest.mark.parametrize(
    ("uri", "does"),
    [
        ("http://127.0.0.1/cb", True),
        ("http://127.0.0.1:1/cb", True),
        ("http://127.0.0.1:65535/cb", True),
        ("http://127.0.0.1:0/cb", False),
        ("http://127.0.0.1:65536/cb", False),
        ("http://127.0.0.1:080808/cb", False),
        ("http://127.0.0.1:5000/cb/", False),
        ("http://127.0.0.1:5000/cb?x=1", False),
        ("http://127.0.0.1:5000/cb#x", False),
        ("http://127.0.0.1:5000", False),
        ("http://127.0.0.1:5000@evil.example/cb", False),
        ("http://127.0.0.1.evil.example:5000/cb", False),
        ("http://127.0.0.2:5000/cb", False),
        ("http://localhost:5000/cb", False),
        ("http://[::1]:5000/cb", False),
        ("https://127.0.0.1:5000/cb", False),
        ("http://127.1:5000/cb", False),
        ("http://2130706433:5000/cb", False),
    ],
)
def test_of_a_loopback_address_only_the_port_is_free(uri: str, does: bool) -> None:
    assert fits(app("http://127.0.0.1/cb"), uri) is does


def test_of_ipv6_too() -> None:
    config = app("http://[::1]:1234/cb")
    assert fits(config, "http://[::1]:5000/cb")
    assert not fits(config, "http://127.0.0.1:5000/cb")


def test_a_client_with_a_secret_has_its_one_port() -> None:
    config = web("http://127.0.0.1:9000/cb")
    assert fits(config, "http://127.0.0.1:9000/cb")
    assert not fits(config, "http://127.0.0.1:9001/cb")


def test_a_scheme_of_an_apps_own_fits_as_it_is() -> None:
    config = app("com.example.app:/signed-in")
    assert fits(config, "com.example.app:/signed-in")
    assert not fits(config, "com.example.app:/signed-in/more")
    assert not fits(config, "com.example.app.evil:/signed-in")


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://app.example/cb#fragment",
        "https://user:pass@app.example/cb",
        "https://app.example/a/../cb",
        "https:///cb",
        "https://app.example\\@evil.example/cb",
        "https://*.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://app.example/cb",
        "myapp:/cb",
        "com.example.app:cb",
        "app.example/cb",
        "https://app.example/c b",
    ],
)
@pytest.mark.parametrize("config", [app, web])
def test_what_is_not_fit_cannot_be_registered(
    uri: str, config: Callable[[str], ClientConfig]
) -> None:
    with pytest.raises(InvalidInput):
        config(uri)


def test_a_scheme_of_its_own_is_for_programs_without_a_secret() -> None:
    with pytest.raises(InvalidInput):
        web("com.example.app:/cb")


def test_parameters_follow_the_query_that_is_there() -> None:
    parameters = (("code", "a b"), ("state", None), ("iss", "https://id.example"))
    assert with_parameters("https://a.example/cb", parameters) == (
        "https://a.example/cb?code=a+b&iss=https%3A%2F%2Fid.example"
    )
    assert with_parameters("https://a.example/cb?x=1", (("code", "&"),)) == (
        "https://a.example/cb?x=1&code=%26"
    )


def test_the_origin_that_a_form_may_lead_to() -> None:
    assert origin_of("https://a.example:8443/cb?x") == "https://a.example:8443"
    assert origin_of("http://127.0.0.1:5000/cb") == "http://127.0.0.1:5000"
    assert origin_of("com.example.app:/cb") == "com.example.app:"
