"""What clients send: a form, who they are, and a token (RFC 6749 section 2.3, RFC 6750)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request

from adapters.inbound.http.limits import network_of
from commands.accounts.oauth.authentication import Credentials
from commands.accounts.oauth.errors import InvalidClient, InvalidRequest
from domain.accounts.client import AuthMethod

MEDIA_TYPE = "application/x-www-form-urlencoded"
LARGEST = 16 * 1024
MOST_FIELDS = 50
LONGEST_ID = 64


async def form_of(request: Request) -> Mapping[str, str]:
    """Parameters without a value are as if they were not there (RFC 6749 section 3.2).

    Raises ``InvalidRequest``.
    """
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != MEDIA_TYPE or charset not in ("", "utf-8"):
        raise InvalidRequest(f"the body has to be {MEDIA_TYPE}, in UTF-8")
    body = await request.body()
    if len(body) > LARGEST:
        raise InvalidRequest(f"a form may have {LARGEST} bytes")
    return parsed(body)


def parsed(body: bytes) -> dict[str, str]:
    """Raises ``InvalidRequest``."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise InvalidRequest("the form cannot be read") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise InvalidRequest("a parameter is there twice")
    return {name: value for name, value in form.items() if value}


def credentials_of(request: Request, form: Mapping[str, str]) -> Credentials:
    """In the header or in the form, and never in both. Raises ``InvalidRequest``,
    ``InvalidClient``."""
    header = request.headers.get("authorization")
    if header is None:
        return _in_form(form)
    found = _basic(header)
    if "client_secret" in form or form.get("client_id", found.client_id) != found.client_id:
        raise InvalidRequest("the client shows who it is in two ways")
    return found


def _in_form(form: Mapping[str, str]) -> Credentials:
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if client_id is None:
        raise InvalidClient("the client does not say who it is")
    if secret is None:
        return Credentials(client_id, AuthMethod.NONE)
    return Credentials(client_id, AuthMethod.POST, secret)


def _basic(header: str) -> Credentials:
    """Both halves are form-encoded before they are put together (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("clients show who they are by Basic, or in the form")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        client_id = unquote_plus(client_id, errors="strict")
        secret = unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise InvalidClient("the Authorization header cannot be read") from error
    if not colon or not client_id:
        raise InvalidClient("the Authorization header cannot be read")
    return Credentials(client_id, AuthMethod.BASIC, secret)


def network(request: Request) -> str:
    return network_of(request.client.host if request.client else "")


async def bearer_of(request: Request) -> str | None:
    """In the header, or in the form of a POST, and never in both (RFC 6750 section 2); a token in
    the address is no token. Raises ``InvalidRequest``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    in_header = token.strip() if scheme.lower() == "bearer" else None
    in_form = None
    if request.method == "POST" and await request.body():
        in_form = (await form_of(request)).get("access_token")
    if in_header and in_form:
        raise InvalidRequest("the token is there twice")
    return in_header or in_form
