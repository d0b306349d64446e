"""The WebSocket server: handshake, credentials, limits, health, and an orderly end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from adapters.inbound.gateway.container import GatewayContainer, Limits, Runtime, log
from adapters.inbound.gateway.credentials import CredentialRefused, Credentials
from adapters.inbound.gateway.gateway import Gateway
from adapters.inbound.gateway.protocol import MAX_MESSAGE, PATH, SUBPROTOCOL
from adapters.inbound.gateway.throttle import Throttles
from domain.kernel.errors import Unavailable

FRAMES_AHEAD = 4
"""Frames that are read ahead of the session; more, and TCP holds the device back."""
WRITE_BUFFER = 16 * 1024
CLOSE_TIMEOUT = 3


class DeviceConnection(ServerConnection):
    """A connection that knows whose it is, once the handshake is done.

    ``sending``: seconds that the other side may leave unread what was written.
    """

    device_id: str = ""
    sending: float | None = None

    async def drain(self) -> None:
        """Messages, pings and the closing all wait here. An error from here aborts the connection;
        the library itself would wait for ever."""
        if not self.paused:
            return await super().drain()
        async with asyncio.timeout(self.sending):
            return await super().drain()


class GatewayServer:
    def __init__(self, container: GatewayContainer, limits: Limits | None = None) -> None:
        self.runtime = Runtime(container, limits or Limits())
        self.gateway = Gateway(self.runtime)
        self._limits = self.runtime.limits
        self._credentials = Credentials(container.vault, container.clock)
        self._admitting = asyncio.Semaphore(self._limits.connecting)
        self._beginnings = Throttles(
            rate=1 / self._limits.session_every,
            burst=self._limits.sessions_burst,
            size=self._limits.devices_remembered,
        )
        self._open = 0
        self._draining = False

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """The port; leaving drains the sessions within ``limits.drain`` seconds."""
        async with self.gateway.running():
            server = await self._serve(host, port)
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                await self._stop(server)

    async def _serve(self, host: str, port: int) -> Server:
        return await serve(
            self._handle,
            host,
            port,
            compression=None,  # permessage-deflate holds 30 to 90 KB per connection
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._admit,
            create_connection=DeviceConnection,
            server_header=None,
            open_timeout=self._limits.authentication + 1,
            ping_interval=self._limits.ping,
            ping_timeout=self._limits.ping,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MAX_MESSAGE,
            max_queue=FRAMES_AHEAD,
            write_limit=WRITE_BUFFER,
            backlog=1024,
        )

    async def _stop(self, server: Server) -> None:
        self._draining = True
        server.close(close_connections=False)
        try:
            async with asyncio.timeout(self._limits.drain):
                await self.gateway.drain(self._limits.drain)
                await server.wait_closed()
        except TimeoutError:
            log.warning("drain_incomplete", sessions=len(self.gateway.sessions))
        await self.runtime.tasks.finish(within=1)

    # --- handshake --------------------------------------------------------------------------------

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path.startswith("/health/"):
            return self._health(connection, path)
        if path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        if self._draining or self._open >= self._limits.connections:
            return later(connection, "full, or about to stop\n")
        assert isinstance(connection, DeviceConnection)
        connection.sending = self._limits.sending
        refusal = await self._authenticate(connection, request)
        return refusal or self._slow_down(connection)

    def _health(self, connection: ServerConnection, path: str) -> Response:
        if path == "/health/ready" and self._draining:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        if path in ("/health/live", "/health/ready"):
            return connection.respond(HTTPStatus.OK, "ok\n")
        return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")

    async def _authenticate(
        self, connection: DeviceConnection, request: Request
    ) -> Response | None:
        try:
            async with asyncio.timeout(self._limits.authentication), self._admitting:
                connection.device_id = await self._credentials.device_of(authorization_of(request))
        except CredentialRefused as error:
            log.info("connection_refused", reason=str(error))
            refusal = connection.respond(HTTPStatus.UNAUTHORIZED, "credential refused\n")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        except (TimeoutError, Unavailable):
            return later(connection, "busy\n")
        return None

    def _slow_down(self, connection: DeviceConnection) -> Response | None:
        """Known by its signature: nobody else can use up what a device may begin."""
        now = asyncio.get_running_loop().time()
        wait = self._beginnings.try_take(connection.device_id, now)
        if not wait:
            return None
        log.info("session_too_soon", device=connection.device_id)
        return later(connection, "too many sessions\n", math.ceil(wait))

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, DeviceConnection)
        self._open += 1
        try:
            await self.gateway.serve(connection, connection.device_id)
        finally:
            self._open -= 1


def authorization_of(request: Request) -> str | None:
    """None when it is missing or given twice."""
    values = request.headers.get_all("Authorization")
    return values[0] if len(values) == 1 else None


def later(connection: ServerConnection, text: str, seconds: int = 5) -> Response:
    response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, text)
    response.headers["Retry-After"] = str(seconds)
    return response
