"""The API as a process: ``python -m adapters.inbound.http``."""

from __future__ import annotations

import socket

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from adapters import bootstrap
from adapters.inbound.http.app import create_app
from adapters.settings import Settings

KEEP_ALIVE = 65
"""Seconds; longer than load balancers wait, so that they and not we close idle connections."""
CONNECTIONS = 10_000
GRACE = 10
"""Seconds that requests get to end after SIGTERM."""

log = structlog.get_logger("homecast.http")


class Server(uvicorn.Server):
    """Ends the live streams first, for they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.parts.live.stop()
        await super().shutdown(sockets)


async def serve(settings: Settings) -> None:
    async with bootstrap.api(settings) as container:
        app = create_app(container)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            lifespan="on",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=CONNECTIONS,
        )
        with socket.create_server(
            (settings.api_host, settings.api_port), backlog=2048
        ) as listening:
            log.info("listening", host=settings.api_host, port=listening.getsockname()[1])
            await Server(config, app).serve(sockets=[listening])


def main() -> None:
    settings = bootstrap.load("api")
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
