"""What a page sends back: few fields, each once; and the token that says the page was ours.

The token is a time and a MAC over it, the form's address and whose browser it was made for. It is
not kept: the browser's cookie is the other half. ``Sec-Fetch-Site`` and ``Origin`` are looked at
beside it. Pages send no referrer, so that browsers write ``Origin: null`` even to us (Fetch, append
a request Origin header): it says nothing then, and the token decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from fastapi import Request

from adapters.inbound.http.errors import MalformedRequest
from commands.accounts.keys import AccountKeys
from domain.kernel.errors import NotPermitted

PURPOSE = "forms"
LIFETIME = timedelta(hours=4)
AHEAD = timedelta(minutes=1)
"""Clocks of two processes differ."""
FIELDS = 64
FIELD = "csrf"
TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")
FORM = "application/x-www-form-urlencoded"


class ForeignForm(NotPermitted):
    """The form was not sent by a page of ours, made for this browser."""

    code = "foreign_form"


class FormExpired(NotPermitted):
    """The page that the form stands on was open for too long, or is one of before a sign-in."""

    code = "form_expired"


class FormTokens:
    def __init__(self, keys: AccountKeys) -> None:
        self._keys = keys

    def make(self, binding: str, action: str, now: datetime) -> str:
        """``binding``: the session or the pre-session. ``action``: the path that the form names."""
        seconds = int(now.timestamp())
        return f"{seconds}.{self._keys.mac(PURPOSE, _message(binding, action, seconds))}"

    def require(self, token: str, binding: str, action: str, now: datetime) -> None:
        """Raises ``ForeignForm`` or ``FormExpired``."""
        parts = TOKEN.fullmatch(token)
        if parts is None or not binding:
            raise ForeignForm("the form has no token, or the browser has no cookie")
        seconds, message = int(parts[1]), _message(binding, action, int(parts[1]))
        age = now.timestamp() - seconds
        if age > LIFETIME.total_seconds() or age < -AHEAD.total_seconds():
            raise FormExpired("the page was open for too long")
        if not self._keys.verify(PURPOSE, message, parts[2]):
            raise FormExpired("the form was made for another session")


def _message(binding: str, action: str, seconds: int) -> str:
    return f"{binding}\n{action}\n{seconds}"


def require_own_page(request: Request, origin: str) -> None:
    """``origin``: of the pages. Raises ``ForeignForm`` for what another site has sent."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise ForeignForm("the form came from another site")
    said = request.headers.get("origin")
    if said not in (None, "null", origin):
        raise ForeignForm("the form came from another origin")


async def read_body(request: Request) -> str:
    """An encoded form as it came. Raises ``MalformedRequest``. How long it may be was looked at
    before (``Bodies``)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise MalformedRequest("a form is sent as application/x-www-form-urlencoded")
    try:
        return (await request.body()).decode("ascii")
    except ValueError as error:
        raise MalformedRequest("the form cannot be read") from error


async def read_form(request: Request) -> Mapping[str, str]:
    """Raises ``MalformedRequest``."""
    text = await read_body(request)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS, errors="strict")
    except ValueError as error:  # not UTF-8 once decoded, or too many
        raise MalformedRequest("the form cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("a field of the form came twice")
    return fields
