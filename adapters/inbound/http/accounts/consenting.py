"""``/oauth2/authorize`` and ``/oauth2/consent``: sign in if need be, ask what the client may do,
and send it the answer.

What goes wrong before the client is known for sure is shown here and sent nowhere.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi import Response

from adapters.inbound.http.accounts import words
from adapters.inbound.http.accounts.visit import Visit
from commands.accounts.oauth import authorizing
from commands.accounts.oauth.authorizing import AuthorizationRequest, Step
from commands.accounts.oauth.errors import AuthorizationRefused
from commands.accounts.oauth.scopes import to_be_told

MOST_PARAMETERS = 64


async def show(visit: Visit) -> Response:
    """By a redirect, where there is nothing to ask: no form has led here directly."""
    oauth, signed_in = visit.pages.oauth, visit.signed_in
    try:
        request = await authorizing.validate(oauth, visit.request.query_params.multi_items())
        step = await authorizing.next_step(oauth, request, signed_in)
        if step in (Step.SIGN_IN, Step.SELECT_ACCOUNT):
            here = authorizing.return_to(oauth, request)
            hint = {"login_hint": request.login_hint} if request.login_hint else {}
            return visit.see_other("/signin", return_to=here, **hint)
        if step == Step.CONSENT:
            return await ask(visit, request)
        return visit.finish(
            visit.pages.redirect(await authorizing.approve(oauth, request, visit.me), status=302)
        )
    except AuthorizationRefused as refused:
        return visit.finish(visit.pages.redirect(refused.location, status=302))


async def ask(visit: Visit, request: AuthorizationRequest) -> Response:
    here = authorizing.return_to(visit.pages.oauth, request)
    account = await visit.pages.accounts.account(visit.me.account_id)
    return visit.page(
        "consent.html",
        client=request.client.config.name,
        scopes=words.scopes_in_words(to_be_told(request.client.config, request.scopes)),
        email=account.email,
        request_query=urlsplit(here).query,
        here=here,
        destination=destination(request.redirect_uri),
    )


async def submit(visit: Visit) -> Response:
    """The request comes back in the form and is looked at like a new one."""
    oauth = visit.pages.oauth
    parameters = parse_qsl(
        visit.field("request"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS
    )
    try:
        request = await authorizing.validate(oauth, parameters)
        if visit.signed_in is None:
            return visit.see_other("/signin", return_to=authorizing.return_to(oauth, request))
        if visit.field("decision") == "approve":
            location = await authorizing.approve(oauth, request, visit.me)
        else:
            location = authorizing.deny(oauth, request)
    except AuthorizationRefused as refused:
        location = refused.location
        return visit.onward(location, "One moment", "You are being taken back.")
    client = request.client.config.name
    return visit.onward(location, f"Back to {client}", "You are being taken there.")


def destination(redirect_uri: str) -> str:
    """Whom the answer goes to, for a person to recognise."""
    parts = urlsplit(redirect_uri)
    return parts.hostname or f"{parts.scheme}:"
