"""Who is calling: bearer tokens, scopes, and the guard that lets nothing else below ``/v1``."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.inbound.http.accounts.paths import PAGES
from adapters.inbound.http.edge import API, STREAM, Exchange, header_of
from adapters.inbound.http.errors import AccountNeeded, InsufficientScope, Unauthenticated
from adapters.inbound.http.introspection import Introspection
from adapters.inbound.http.limits import TokenLimits
from commands.accounts.bearers import Bearer
from commands.accounts.tokens import OF_SERVICES, InvalidToken
from commands.kernel.ports import Tracer
from domain.kernel.recorded import Context

PUBLIC = frozenset({"/", "/ads", "/assets/{digest}/{name}", "/docs", "/docs/{name}",
                    "/openapi.json", "/health/live", "/health/ready", "/beacons/{event}",
                    "/media/{key:path}", "/v1/brokers/{broker}/vast", "/v1/brokers/{broker}/vmap",
                    "/v1/brokers/{broker}/assets", "/oauth2/token", "/oauth2/revoke",
                    "/oauth2/introspect", "/oauth2/device_authorization", "/oauth2/userinfo",
                    "/oauth2/jwks", "/.well-known/oauth-authorization-server",
                    "/.well-known/openid-configuration"}) | PAGES  # fmt: skip
"""Routes that need no token: beacons carry one of their own, films are as public as ads are, and ad
requests are looked at by themselves (``ads/admission``), as are clients of OAuth. Pages go by a
cookie, which opens nothing below ``/v1``. Every other one lies there and names a scope."""
AD_REQUEST = re.compile(r"/v1/brokers/[a-z0-9-]+/(vast|vmap|assets)")
ANY_ORIGIN = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Homecast-Ad-Status, Retry-After, X-Correlation-ID"),
)
PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "*, Authorization",
    "Access-Control-Max-Age": "86400",
}
"""Of a page that asks with a token: a header that browsers ask leave for (Fetch, CORS)."""


ANY_SCOPE = ""
"""Of a route for all tokens alike."""
LONGEST_ANSWER = 60.0
"""Seconds; live streams aside."""


@dataclass(frozen=True)
class Caller:
    """Who has shown a token, and whether that still holds: for answers that outlive one look."""

    grant: Bearer
    token: str = field(repr=False)
    tokens: Introspection = field(repr=False)

    @property
    def account_id(self) -> str:
        """Raises ``AccountNeeded``: a client may act for itself."""
        if self.grant.account_id is None:
            raise AccountNeeded("this is for accounts, and the token is a client's own")
        return self.grant.account_id

    @property
    def principal(self) -> str:
        return self.grant.principal

    async def still_valid(self) -> Bearer:
        """As the vault has it now. Raises ``InvalidToken``."""
        return await self.tokens.fresh(self.token)

    def watch(self, then: Callable[[], None]) -> AbstractContextManager[None]:
        """``then`` is called when the token is revoked, in any process."""
        return self.tokens.watch(self.token, then)

    @property
    def seconds_left(self) -> float:
        """Until the token expires."""
        if self.grant.expires_at is None:
            return math.inf
        return (self.grant.expires_at - self.tokens.clock.now()).total_seconds()

    @asynccontextmanager
    async def while_valid(self) -> AsyncIterator[None]:
        """What waits in here ends in ``InvalidToken`` when the token is revoked or expires."""
        loop, left = asyncio.get_running_loop(), self.seconds_left
        try:
            async with asyncio.timeout(left if left < LONGEST_ANSWER else None) as limit:

                def end() -> None:
                    with suppress(RuntimeError):  # it is ending already
                        limit.reschedule(loop.time())

                with self.watch(end):
                    yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise InvalidToken("the token was revoked or has expired") from None


class Guard:
    """Everything below ``/v1`` needs a token, whether or not there is a route, and counts."""

    def __init__(self, app: ASGIApp, *, tokens: Introspection, limits: TokenLimits) -> None:
        self._app = app
        self._tokens = tokens
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
        elif AD_REQUEST.fullmatch(scope["path"]):
            await self._ask_for_ads(scope, receive, send)
        else:
            caller = await self._caller(scope)
            exchange: Exchange = scope["homecast.exchange"]
            quota = await self._limits.take(caller.principal)
            exchange.extra_headers += quota.headers()
            quota.require()
            await self._answer(caller, scope, receive, send)

    async def _answer(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """A read that waits ends with its token. Live streams look after themselves, and what
        changes something is not cut in the middle of that."""
        if scope["method"] not in ("GET", "HEAD") or scope["path"] == STREAM:
            await self._app(scope, receive, send)
            return
        async with caller.while_valid():
            await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        """Raises ``Unauthenticated``, ``InvalidToken``, ``RateLimited``."""
        token = bearer_of(scope)
        address = scope["client"][0] if scope.get("client") else ""
        bearer = await self._tokens.bearer(token, address)
        caller = scope["homecast.caller"] = Caller(bearer, token, self._tokens)
        return caller

    async def _ask_for_ads(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By token or by key; they are far more than all others, and counted by themselves. Pages
        of any site may ask, and read what is wrong: what they may do hangs on no cookie."""
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, send)
            return
        exchange: Exchange = scope["homecast.exchange"]
        exchange.extra_headers += ANY_ORIGIN
        if header_of(scope, b"authorization") is not None:
            await self._caller(scope)
        await self._app(scope, receive, send)


def bearer_of(scope: Scope) -> str:
    """RFC 6750 section 2.1; a token in the address is no token."""
    scheme, _, token = (header_of(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("a bearer token is needed")
    return token.strip()


class Needs:
    """A route's dependency: the caller, if its token has the scope.

    Where the scope is about somebody's things, a client that acts for itself is refused.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.scope["homecast.caller"]
        if self.scope == ANY_SCOPE:
            return caller
        if self.scope not in caller.grant.scopes:
            raise InsufficientScope(f"the token lacks {self.scope}", scope=self.scope)
        if caller.grant.account_id is None and self.scope not in OF_SERVICES:
            raise AccountNeeded(f"{self.scope} is for accounts, and the token is a client's own")
        return caller


def context_of(request: Request, tracer: Tracer) -> Context:
    exchange: Exchange = request.scope["homecast.exchange"]
    caller: Caller = request.scope["homecast.caller"]
    return Context(
        correlation_id=exchange.correlation_id,
        causation_id=exchange.request_id,
        principal=caller.principal,
        trace=tracer.header() or exchange.trace,
    )


def scope_needed(route: APIRoute) -> str | None:
    needs = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs)]
    return needs[0].scope if needs else None


def require_guarded(app: FastAPI) -> None:
    """Refuse to start with a route that is neither listed as public nor guarded."""
    for route in app.routes:
        path = getattr(route, "path", "")
        if path in PUBLIC:
            continue
        guarded = isinstance(route, APIRoute) and scope_needed(route) is not None
        if not guarded or not path.startswith(API):
            raise RuntimeError(f"{path} is neither public nor guarded by a scope")
