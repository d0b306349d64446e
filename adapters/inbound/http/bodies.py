"""Bodies are read here, before anything parses them: bounded in size and in time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.inbound.http.edge import header_of
from adapters.inbound.http.errors import MalformedRequest, RequestTimeout
from domain.kernel.errors import TooLarge

LIMIT = 32 * 1024
TIME_LIMIT = 10.0
"""Seconds for the whole body."""


class Bodies:
    def __init__(self, app: ASGIApp, *, limit: int = LIMIT, time_limit: float = TIME_LIMIT) -> None:
        self._app = app
        self._limit = limit
        self._time_limit = time_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        self._check_announced(scope)
        try:
            async with asyncio.timeout(self._time_limit):
                body = await self._read(receive)
        except TimeoutError as error:
            raise RequestTimeout("the body did not arrive in time") from error
        except ClientDisconnect:
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)

    def _check_announced(self, scope: Scope) -> None:
        announced = header_of(scope, b"content-length")
        if announced is None:
            return
        if not (announced.isascii() and announced.isdigit()):
            raise MalformedRequest("Content-Length is no number")
        if int(announced[:19]) > self._limit:
            raise self._too_large()

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            size += len(part)
            if size > self._limit:
                raise self._too_large()
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"a body may have {self._limit} bytes", limit=self._limit)


def _has_body(scope: Scope) -> bool:
    length = header_of(scope, b"content-length")
    return (length is not None and length != "0") or (
        header_of(scope, b"transfer-encoding") is not None
    )
