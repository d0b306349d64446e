"""The outermost layer: ids, time limit, log line, headers, and the last word on exceptions.

Pure ASGI, because every request pays for it. One line per request goes to the log: the route's
template, never the address, headers, body or token.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.inbound.http.errors import DeadlineExceeded, InternalError
from adapters.inbound.http.problems import problem
from commands.kernel.ports import Ids, Tracer
from domain.kernel.errors import HomecastError

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
TRACE_FIELDS = {
    "Root": re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}"),
    "Parent": re.compile(r"[0-9a-f]{16}"),
    "Sampled": re.compile(r"[01?]"),
}
TRACE_MAX = 512
TIME_LIMIT = 35.0
"""Seconds until an answer begins: above the longest wait (25 s) with room to spare."""
HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
API_HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
API = "/v1/"
QUIET = ("/health/",)
STREAM = "/v1/live"
ERROR_PAGE = "homecast.error_page"
"""In the scope of a page for people: makes one of an error, in place of problem details."""

log = structlog.get_logger("homecast.http")


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def trace_of(header: str | None) -> str | None:
    """What X-Ray defines of a tracing header, in its order; None unless all of that is sound.

    Only ``Root`` has to be there. Load balancers and others add fields, which end here.
    """
    if header is None or len(header) > TRACE_MAX:
        return None
    given = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    known = {name: given[name] for name in TRACE_FIELDS if name in given}
    sound = all(TRACE_FIELDS[name].fullmatch(value) for name, value in known.items())
    if "Root" not in known or not sound:
        return None
    return ";".join(f"{name}={value}" for name, value in known.items())


class Exchange:
    """One request and its answer, as far as the edge is concerned."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        asked = header_of(scope, b"x-correlation-id")
        self.scope = scope
        self.request_id = request_id
        self.correlation_id = asked if asked and SANE_ID.fullmatch(asked) else request_id
        self.trace = trace_of(header_of(scope, b"x-amzn-trace-id"))
        self.status = 0
        self.extra_headers: list[tuple[bytes, bytes]] = []
        self.limit: asyncio.Timeout | None = None
        self._send = send
        self._began = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._completed(message.get("headers", ()))
            if self.limit is not None:
                self.limit.reschedule(None)
        await self._send(message)

    def _completed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """What the answer does not say itself."""
        given = {name.lower() for name, _ in headers}
        ours = [*HEADERS, *self.extra_headers]
        if self.scope["path"].startswith(API):
            ours += API_HEADERS
        ours.append((b"x-correlation-id", self.correlation_id.encode("latin-1")))
        return [*headers, *(one for one in ours if one[0] not in given)]

    def log(self) -> None:
        if self.scope["path"].startswith(QUIET):
            return
        caller = self.scope.get("homecast.caller")
        log.info(
            "request",
            correlation=self.correlation_id,
            request=self.request_id,
            method=self.scope["method"],
            route=getattr(self.scope.get("route"), "path", "-"),
            status=self.status,
            code=self.scope.get("homecast.code"),
            principal=caller.principal if caller else None,
            ms=round((time.perf_counter() - self._began) * 1000, 1),
        )


class Edge:
    def __init__(
        self, app: ASGIApp, *, ids: Ids, tracer: Tracer, time_limit: float = TIME_LIMIT
    ) -> None:
        self._app = app
        self._ids = ids
        self._tracer = tracer
        self._time_limit = time_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, self._ids.new())
        scope["homecast.exchange"] = exchange
        try:
            await self._traced(exchange, receive)
        finally:
            exchange.log()

    async def _traced(self, exchange: Exchange, receive: Receive) -> None:
        path = exchange.scope["path"]
        if path == STREAM or not path.startswith(API):  # a span that lasts for hours says nothing
            await self._answer(exchange, receive)
            return
        with self._tracer.span("http", header=exchange.trace):
            await self._answer(exchange, receive)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        try:
            async with asyncio.timeout(self._time_limit) as limit:
                exchange.limit = limit
                try:
                    await self._app(exchange.scope, receive, exchange.send)
                finally:
                    exchange.limit = None
        except HomecastError as error:
            await self._fail(exchange, receive, error)
        except TimeoutError as error:
            if not limit.expired():
                await self._broken(exchange, receive, error)
                return
            await self._fail(exchange, receive, DeadlineExceeded("no answer in time"))
        except Exception as error:  # noqa: BLE001 - the edge: nothing may leave but a problem
            await self._broken(exchange, receive, error)

    async def _broken(self, exchange: Exchange, receive: Receive, error: Exception) -> None:
        log.error("unexpected", correlation=exchange.correlation_id, exc_info=error)
        detail = "something went wrong here; the correlation id leads to it"
        mine = InternalError(detail, correlation_id=exchange.correlation_id)
        await self._fail(exchange, receive, mine)

    async def _fail(self, exchange: Exchange, receive: Receive, error: HomecastError) -> None:
        exchange.scope["homecast.code"] = error.code
        if exchange.status:
            raise error  # an answer is on its way: the server cuts the connection
        answer = exchange.scope.get(ERROR_PAGE, problem)(error)
        await answer(exchange.scope, receive, exchange.send)
