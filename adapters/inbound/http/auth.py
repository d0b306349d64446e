"""Who is calling: bearer tokens, scopes, and the guard that lets nothing else below ``/v1``."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.inbound.http.accounts.paths import PAGES
from adapters.inbound.http.edge import API, Exchange, header_of
from adapters.inbound.http.errors import InsufficientScope, Unauthenticated
from adapters.inbound.http.limits import FailureLimits, TokenLimits
from commands.accounts.tokens import Grant, InvalidToken, hash_of, key_of, verify
from commands.kernel.ports import Clock, Tracer, Vault
from domain.kernel.recorded import Context

REMEMBERED = 10_000
TRUSTED_FOR = 30.0
"""Seconds: the longest that a revoked token goes on working in a process that had seen it."""
REFUSED_FOR = 5.0
V = TypeVar("V")
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


class TokenCache:
    """Verified tokens by hash, for 30 s; the expiry is looked at on each use.

    Refused ones are remembered too, and an address may try only so many.
    """

    def __init__(self, vault: Vault, clock: Clock, *, size: int = REMEMBERED) -> None:
        self._vault = vault
        self._clock = clock
        self._size = size
        self._held: OrderedDict[str, tuple[Grant, float]] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._failures = FailureLimits()

    async def grant(self, token: str, address: str) -> Grant:
        """Raises ``InvalidToken`` or ``RateLimited``."""
        key = hash_of(token)
        known = self._known(key)
        if known is None:
            key_of(token)  # what cannot be a token costs nothing
            async with self._failures.attempt(address):
                known = self._known(key) or await self.fresh(token)
        return known

    def _known(self, key: str) -> Grant | None:
        now = asyncio.get_running_loop().time()
        held = self._held.get(key)
        if held is not None and held[1] > now:
            held[0].require_unexpired(self._clock.now())
            return held[0]
        if self._refused.get(key, 0.0) > now:
            raise InvalidToken("the token is unknown or was revoked")
        return None

    async def fresh(self, token: str) -> Grant:
        """As the vault has it now. Raises ``InvalidToken``."""
        key, now = hash_of(token), asyncio.get_running_loop().time()
        try:
            grant = await verify(self._vault, token, now=self._clock.now())
        except InvalidToken:
            self._held.pop(key, None)
            self._keep(self._refused, key, now + REFUSED_FOR)
            raise
        self._keep(self._held, key, (grant, now + TRUSTED_FOR))
        return grant

    def _keep(self, entries: OrderedDict[str, V], key: str, value: V) -> None:
        entries[key] = value
        entries.move_to_end(key)
        while len(entries) > self._size:
            entries.popitem(last=False)


@dataclass(frozen=True)
class Caller:
    """``still_valid`` raises ``InvalidToken``: for answers that outlive the look at the token."""

    grant: Grant
    still_valid: Callable[[], Awaitable[Grant]]

    @property
    def account_id(self) -> str:
        return self.grant.account_id

    @property
    def principal(self) -> str:
        return f"token:{self.grant.token_id}"


class Guard:
    """Everything below ``/v1`` needs a token, whether or not there is a route, and counts."""

    def __init__(self, app: ASGIApp, *, tokens: TokenCache, limits: TokenLimits) -> None:
        self._app = app
        self._tokens = tokens
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API):
            if AD_REQUEST.fullmatch(scope["path"]):
                await self._ask_for_ads(scope, receive, send)
                return
            token = bearer_of(scope)
            address = scope["client"][0] if scope.get("client") else ""
            grant = await self._tokens.grant(token, address)
            scope["homecast.caller"] = Caller(grant, lambda: self._tokens.fresh(token))
            exchange: Exchange = scope["homecast.exchange"]
            quota = await self._limits.take(grant.token_id)
            exchange.extra_headers += quota.headers()
            quota.require()
        await self._app(scope, receive, send)

    async def _ask_for_ads(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By token or by key; they are far more than all others, and counted by themselves. Pages
        of any site may ask, and read what is wrong: what they may do hangs on no cookie."""
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, send)
            return
        exchange: Exchange = scope["homecast.exchange"]
        exchange.extra_headers += ANY_ORIGIN
        if header_of(scope, b"authorization") is not None:
            token = bearer_of(scope)
            address = scope["client"][0] if scope.get("client") else ""
            grant = await self._tokens.grant(token, address)
            scope["homecast.caller"] = Caller(grant, lambda: self._tokens.fresh(token))
        await self._app(scope, receive, send)


def bearer_of(scope: Scope) -> str:
    """RFC 6750 section 2.1; a token in the address is no token."""
    scheme, _, token = (header_of(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("a bearer token is needed")
    return token.strip()


class Needs:
    """A route's dependency: the caller, if its token has the scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.scope["homecast.caller"]
        if self.scope not in caller.grant.scopes:
            raise InsufficientScope(f"the token lacks {self.scope}", scope=self.scope)
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
