"""``/oauth2/logout``: a client asks for the sign-out (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from fastapi import Response

from adapters.inbound.http.accounts.consenting import MOST_PARAMETERS
from adapters.inbound.http.accounts.cookies import BEFORE, SESSION
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.oauth import logout
from commands.accounts.oauth.logout import LogoutRequest


async def show(visit: Visit) -> Response:
    """Who shows an ID token of this very sign-in is believed; for all others the person is asked,
    since anybody can send a browser here."""
    given = visit.request.query_params.multi_items()
    request = await logout.validate(visit.pages.oauth, given)
    if visit.signed_in is None:
        return _leave(visit, request)
    if not request.needs_question(visit.me):
        return await _end(visit, request)
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "logout.html",
        client=request.client.config.name if request.client else None,
        email=account.email,
        request_query=urlencode(given),
    )


async def confirm(visit: Visit) -> Response:
    given = parse_qsl(
        visit.field("request"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS
    )
    request = await logout.validate(visit.pages.oauth, given)
    if visit.field("decision") != "yes":
        return visit.see_other("/account")
    return await _end(visit, request)


async def _end(visit: Visit, request: LogoutRequest) -> Response:
    if visit.signed_in is not None:
        await visit.sign_out()
    visit.drop(SESSION)
    visit.drop(BEFORE)
    return _leave(visit, request)


def _leave(visit: Visit, request: LogoutRequest) -> Response:
    visit.signed_in = None
    if request.redirect is None:
        return visit.see_other("/signin", done="signed-out")
    return visit.onward(request.redirect, "You are signed out", "You are being taken back.")
