"""Where a form may lead: nowhere but to paths of this platform."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.http.accounts.local_paths import LONGEST, is_local, local_path

HOSTILE = [
    "//evil.example",
    "///evil.example",
    "////evil.example/%2f..",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "javascript:alert(1)",
    "data:text/html,evil",
    "evil.example",
    "account",
    "",
    " ",
    " /account",
    "/account ",
    "/%2f%2fevil.example",
    "/%2F/evil.example",
    "%2f%2fevil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%252f%252fevil.example",
    "/%255cevil.example",
    "/\tevil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "/%0d%0aSet-Cookie:a=b",
    "/%09/evil.example",
    "/\x00/evil.example",
    "/%00",
    "/./evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/account/../..//evil.example",
    "/%2e%2e//evil.example",
    "/\u2215evil.example",
    "/\uff0fevil.example",
    "/é",
    "@evil.example",
    "/account?x=<script>",
    '/account"onclick=',
    "?return_to=x",
    "#x",
    "/" + "a" * LONGEST,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_lead_elsewhere_leads_home(text: str) -> None:
    assert not is_local(text)
    assert local_path(text) == "/account"


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/account",
        "/account/security?done=totp-on",
        "/device?user_code=BCDF-GHJK",
        "/oauth2/authorize?client_id=a&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=x%20y",
    ],
)
def test_a_path_of_ours_is_kept(text: str) -> None:
    assert local_path(text) == text


@given(st.text(max_size=40) | st.text(alphabet="/\\.%25fFcC:@?#\t\n evil", max_size=20))
def test_whatever_is_taken_stays_at_this_origin(text: str) -> None:
    if is_local(text):
        there = urlsplit(urljoin("https://home.example/signin", text))
        assert (there.scheme, there.netloc) == ("https", "home.example")
        assert text.startswith("/")
        assert not text.startswith(("//", "/\\"))
