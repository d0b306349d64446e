"""Answers and errors as OAuth wants them, which is not how the rest of the API has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import Request, Response

from adapters.inbound.http.edge import Exchange
from adapters.inbound.http.errors import Unauthenticated
from adapters.inbound.http.problems import BEARER, STATUS
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.oauth.errors import InvalidClient
from commands.accounts.oauth.lookups import NoIdentity
from commands.accounts.oauth.parts import OAuth
from commands.accounts.tokens import InvalidToken
from commands.kernel.ports import Tracer
from domain.kernel.errors import HomecastError, Unavailable
from domain.kernel.recorded import Context

JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CORS = {"Access-Control-Allow-Origin": "*"}
"""Without credentials: what these endpoints do hangs on no cookie."""
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
EXPOSED = {"Access-Control-Expose-Headers": "Retry-After, WWW-Authenticate, X-Correlation-ID"}
BASIC = 'Basic realm="homecast", charset="UTF-8"'
TOKEN_STATUS: Mapping[str, int] = {
    InvalidClient.code: 401,
    TooManyAttempts.code: 429,
    "rate_limited": 429,
}
"""Of everything else that is wrong with a request it is 400 (RFC 6749 section 5.2)."""
NAMES: Mapping[str, str] = {
    TooManyAttempts.code: "temporarily_unavailable",
    "rate_limited": "temporarily_unavailable",
}
Handler = Callable[[Request], Awaitable[Response]]


def json_answer(
    content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(content), status, {**NO_STORE, **(headers or {})}, JSON)


def token_error(request: Request, error: HomecastError) -> Response:
    """RFC 6749 section 5.2. ``WWW-Authenticate`` for who has tried by a header."""
    request.scope["homecast.code"] = error.code
    headers: dict[str, str] = {}
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    if isinstance(error, InvalidClient) and "authorization" in request.headers:
        headers["WWW-Authenticate"] = BASIC
    name, status = NAMES.get(error.code, error.code), TOKEN_STATUS.get(error.code, 400)
    if isinstance(error, Unavailable) and error.code not in NAMES:
        name, status = "temporarily_unavailable", STATUS[error.code]
    content = {"error": name, "error_description": error.detail or name}
    return json_answer(content, status, headers)


def bearer_error(request: Request, error: HomecastError) -> Response:
    """RFC 6750 section 3.1."""
    request.scope["homecast.code"] = error.code
    if isinstance(error, Unauthenticated):
        return json_answer({}, 401, {"WWW-Authenticate": BEARER[error.code]})
    if isinstance(error, Unavailable):
        return token_error(request, error)
    name, status = error.code, 400
    if isinstance(error, NoIdentity):
        name, status = "insufficient_scope", 403
    if isinstance(error, InvalidToken):
        status = 401
    scope = f', scope="{error.extra["scope"]}"' if "scope" in error.extra else ""
    challenge = f'Bearer realm="homecast", error="{name}"{scope}'
    content = {"error": name, "error_description": error.detail}
    return json_answer(content, status, {"WWW-Authenticate": challenge})


def context_of(request: Request, tracer: Tracer, principal: str) -> Context:
    exchange: Exchange = request.scope["homecast.exchange"]
    return Context(
        correlation_id=exchange.correlation_id,
        causation_id=exchange.request_id,
        principal=principal,
        trace=tracer.header() or exchange.trace,
    )


def shared(response: Response) -> Response:
    """For pages of any origin."""
    response.headers.update({**CORS, **EXPOSED})
    return response


def oauth_of(request: Request) -> OAuth:
    oauth: OAuth = request.app.state.oauth.oauth
    return oauth
