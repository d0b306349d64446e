"""Forms: read strictly, and taken only from a page of ours that was made for this browser."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Request

from adapters.inbound.http.accounts.forms import (
    FIELDS,
    LIFETIME,
    ForeignForm,
    FormExpired,
    FormTokens,
    read_form,
    require_own_page,
)
from adapters.inbound.http.errors import MalformedRequest
from commands.accounts.keys import AccountKeys

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ORIGIN = "https://home.example"
KIND = "application/x-www-form-urlencoded"


def request(
    body: bytes = b"", kind: str = KIND, headers: Mapping[str, str] | None = None
) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    given = {"content-type": kind, **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


@pytest.fixture
def tokens() -> FormTokens:
    return FormTokens(AccountKeys({"a": b"k" * 32}))


def test_a_token_serves_its_form_for_its_browser(tokens: FormTokens) -> None:
    token = tokens.make("session:1", "/account/email", NOW)
    tokens.require(token, "session:1", "/account/email", NOW + LIFETIME)


@pytest.mark.parametrize(
    ("binding", "action", "after"),
    [
        ("session:2", "/account/email", timedelta(0)),
        ("before:1", "/account/email", timedelta(0)),
        ("session:1", "/signout", timedelta(0)),
        ("session:1", "/account/email", LIFETIME + timedelta(seconds=1)),
        ("session:1", "/account/email", timedelta(minutes=-2)),
    ],
)
def test_a_token_serves_nothing_else(
    tokens: FormTokens, binding: str, action: str, after: timedelta
) -> None:
    token = tokens.make("session:1", "/account/email", NOW)
    with pytest.raises(FormExpired):
        tokens.require(token, binding, action, NOW + after)


@pytest.mark.parametrize("token", ["", "x", "1.", ".", "1." + "g" * 64, "-1." + "a" * 64])
def test_what_is_no_token_is_foreign(tokens: FormTokens, token: str) -> None:
    with pytest.raises(ForeignForm):
        tokens.require(token, "session:1", "/signout", NOW)


def test_a_token_of_another_key_is_refused_and_of_an_older_one_is_not(tokens: FormTokens) -> None:
    token = tokens.make("session:1", "/signout", NOW)
    FormTokens(AccountKeys({"b": b"n" * 32, "a": b"k" * 32})).require(
        token, "session:1", "/signout", NOW
    )
    with pytest.raises(FormExpired):
        FormTokens(AccountKeys({"b": b"n" * 32})).require(token, "session:1", "/signout", NOW)


def test_a_browser_without_a_cookie_has_no_form(tokens: FormTokens) -> None:
    with pytest.raises(ForeignForm):
        tokens.require(tokens.make("", "/signin", NOW), "", "/signin", NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "https://home.example.evil.example"},
        {"origin": "http://home.example"},
        {"origin": "https://home.example:8443"},
        {"sec-fetch-site": "cross-site", "origin": ORIGIN},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignForm):
        require_own_page(request(headers=headers), ORIGIN)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ORIGIN},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
    ],
)
def test_a_form_of_ours_is_taken(headers: dict[str, str]) -> None:
    require_own_page(request(headers=headers), ORIGIN)


async def test_a_form_is_read_as_it_was_written() -> None:
    read = await read_form(request(b"email=a%40b.example&name=J%C3%BCrgen+K&empty="))
    assert read == {"email": "a@b.example", "name": "Jürgen K", "empty": ""}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=1&a=2", KIND),
        (b"a=%ff", KIND),
        (b"a=\xc3\xa9", KIND),
        (b"&".join(b"f%d=1" % number for number in range(FIELDS + 1)), KIND),
        (b"a=1", "text/plain"),
        (b'{"a":1}', "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"a=1", ""),
    ],
)
async def test_what_is_no_plain_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(MalformedRequest):
        await read_form(request(body, kind))
