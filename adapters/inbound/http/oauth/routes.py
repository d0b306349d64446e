"""``/oauth2/…`` and ``/.well-known/…``, added to the API of a process."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from adapters.inbound.http.errors import Unauthenticated
from adapters.inbound.http.oauth.answers import (
    JSON,
    PREFLIGHT,
    Handler,
    bearer_error,
    context_of,
    json_answer,
    oauth_of,
    shared,
    token_error,
)
from adapters.inbound.http.oauth.forms import bearer_of, credentials_of, form_of, network
from adapters.inbound.http.oauth.parts import OAuthParts
from commands.accounts.oauth import devices, lookups, tokens
from commands.accounts.oauth.authentication import authenticate
from commands.accounts.oauth.clients import KnownClient
from commands.accounts.oauth.errors import InvalidRequest
from commands.accounts.oauth.tokens import Form
from commands.accounts.token_family import InvalidGrant
from domain.kernel.errors import HomecastError
from domain.kernel.recorded import Context

FOR_A_WHILE = "public, max-age=3600"
"""Half of the time that a signing key is published before it is used."""


async def _caller(request: Request) -> tuple[KnownClient, Form]:
    """Who calls, and with what. Raises ``InvalidRequest``, ``InvalidClient``."""
    if request.scope["query_string"]:
        raise InvalidRequest("parameters are for the body")  # they would stand in logs
    form = await form_of(request)
    given = credentials_of(request, form)
    client = await authenticate(oauth_of(request), given, network=network(request))
    return client, form


def _context(request: Request, client: KnownClient) -> Context:
    parts: OAuthParts = request.app.state.oauth
    return context_of(request, parts.tracer, f"client:{client.client_id}")


def _token(form: Form) -> str:
    token = form.get("token")
    if token is None:
        raise InvalidRequest("token is missing")
    return token


async def token(request: Request) -> Response:
    client, form = await _caller(request)
    oauth = oauth_of(request)
    who = _guesser(request, client)
    try:
        answer = await tokens.exchange(oauth, _context(request, client), client, form)
    except InvalidGrant:
        if who is not None:
            await oauth.limits.tokens.failed(who)
        raise
    return json_answer(answer.as_json())


def _guesser(request: Request, client: KnownClient) -> str | None:
    """Whose tokens that are none are counted. Clients that show who they are have many people
    behind them, of whom some have taken back what they allowed. Raises ``TooManyAttempts``."""
    if not client.config.public:
        return None
    who = f"network:{network(request)}"
    oauth_of(request).limits.tokens.require(who)
    return who


async def revoke(request: Request) -> Response:
    """RFC 7009: 200 also for what was no token."""
    client, form = await _caller(request)
    oauth = oauth_of(request)
    who = _guesser(request, client)
    found = await lookups.revoke(oauth, _context(request, client), client, _token(form))
    if not found and who is not None:
        await oauth.limits.tokens.failed(who)
    return json_answer({})


async def introspect(request: Request) -> Response:
    """RFC 7662."""
    client, form = await _caller(request)
    return json_answer(await lookups.introspect(oauth_of(request), client, _token(form)))


async def device_authorization(request: Request) -> Response:
    """RFC 8628 section 3.1."""
    client, form = await _caller(request)
    scope = form.get("scope")
    begun = await devices.begin(oauth_of(request), client, scope, network=network(request))
    return json_answer(begun.as_json())


async def userinfo(request: Request) -> Response:
    """OpenID Connect Core 5.3."""
    found = await bearer_of(request)
    if found is None:
        raise Unauthenticated("an access token is needed")
    address = request.client.host if request.client else ""
    async with request.app.state.parts.tokens.attempt(address):
        return json_answer(await lookups.userinfo(oauth_of(request), found))


async def jwks(request: Request) -> Response:
    keys = await oauth_of(request).signing_keys.published()
    answer = json_answer({"keys": keys}, headers={"Cache-Control": FOR_A_WHILE})
    del answer.headers["pragma"]
    return answer


async def metadata(request: Request) -> Response:
    parts: OAuthParts = request.app.state.oauth
    body = parts.documents[request.scope["path"]]
    return Response(body, 200, {"Cache-Control": FOR_A_WHILE}, JSON)


def _guarded(handler: Handler, *, bearer: bool = False, cors: bool = False) -> Handler:
    """Its errors in OAuth's form; what no one has foreseen is for the edge."""
    failed = bearer_error if bearer else token_error

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=PREFLIGHT)
        try:
            response = await handler(request)
        except HomecastError as error:
            response = failed(request, error)
        return shared(response) if cors else response

    return endpoint


POST, BOTH, GET = ["POST"], ["GET", "POST"], ["GET"]
ROUTES = (
    ("/oauth2/token", _guarded(token, cors=True), [*POST, "OPTIONS"]),
    ("/oauth2/revoke", _guarded(revoke), POST),
    ("/oauth2/introspect", _guarded(introspect), POST),
    ("/oauth2/device_authorization", _guarded(device_authorization), POST),
    ("/oauth2/userinfo", _guarded(userinfo, bearer=True, cors=True), [*BOTH, "OPTIONS"]),
    ("/oauth2/jwks", _guarded(jwks, cors=True), [*GET, "OPTIONS"]),
    ("/.well-known/oauth-authorization-server", _guarded(metadata, cors=True), [*GET, "OPTIONS"]),
    ("/.well-known/openid-configuration", _guarded(metadata, cors=True), [*GET, "OPTIONS"]),
)
PATHS = frozenset(path for path, _, _ in ROUTES)


class Named(Route):
    """Found in the log by its path, as FastAPI's own are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, more = super().matches(scope)
        return match, {**more, "route": self}


def mount(app: FastAPI, *, parts: OAuthParts) -> None:
    """Tokens of clients that were retired hold nowhere from then on."""
    app.state.oauth = parts
    app.state.parts.tokens.clients = parts.oauth.clients
    for path, endpoint, methods in ROUTES:
        app.router.routes.append(Named(path, endpoint, methods=methods))
