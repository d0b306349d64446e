"""The API as a process: ``python -m adapters.inbound.http``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from adapters.bootstrap.ads import ads
from adapters.bootstrap.http import api
from adapters.bootstrap.process import load
from adapters.bootstrap.single_sign_on import single_sign_on
from adapters.bootstrap.statistics import statistics
from adapters.inbound.http.ads.routes import mount as mount_ads
from adapters.inbound.http.app import Mount, create_app
from adapters.inbound.http.connections import REQUEST_WITHIN, TAKEN_WITHIN, impatient
from adapters.inbound.http.statistics import mount as mount_statistics
from adapters.inbound.process import SETTLED_AFTER, settle
from adapters.settings import Settings

KEEP_ALIVE = 65
"""Seconds; longer than load balancers wait, so that they and not we close idle connections."""
CONNECTIONS = 10_000
GRACE = 10
"""Seconds that requests get to end after SIGTERM."""

log = structlog.get_logger("homecast.http")


class Server(uvicorn.Server):
    """Ends the live streams first, for they would never end by themselves; a signal is no error."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own would raise the signal again when all is done, and end with its number."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.parts.live.stop()
        await super().shutdown(sockets)


def configuration(app: Any, settings: Settings, http: Any) -> uvicorn.Config:
    """Who is at the other end is the connection's peer, unless that is a proxy of ours. Servers
    that may speak for a device in an ad request (``trusted_proxies``) may not for a person."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.reverse_proxies),
        forwarded_allow_ips=settings.reverse_proxies or None,
        lifespan="on",
        http=http,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS,
    )


async def serve(settings: Settings, *, request_within: float, taken_within: float) -> None:
    async with (
        api(settings) as container,
        statistics(settings) as counted,
        ads(settings, container, counted) as ad_parts,
        single_sign_on(settings, container) as signing_on,
    ):
        mounts: list[Mount] = [
            partial(mount_statistics, statistics=counted),
            partial(mount_ads, parts=ad_parts),
            signing_on.mount,
        ]
        app = create_app(container, mounts=mounts)
        asyncio.get_running_loop().call_later(SETTLED_AFTER, settle)
        config = configuration(app, settings, impatient(request_within, taken_within))
        with socket.create_server(
            (settings.api_host, settings.api_port), backlog=2048
        ) as listening:
            log.info("listening", host=settings.api_host, port=listening.getsockname()[1])
            await Server(config, app).serve(sockets=[listening])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m adapters.inbound.http", description=__doc__)
    parser.add_argument("--request-within", type=float, default=REQUEST_WITHIN, metavar="SECONDS")
    parser.add_argument("--taken-within", type=float, default=TAKEN_WITHIN, metavar="SECONDS")
    limits = vars(parser.parse_args())
    settings = load("api")
    uvloop.run(serve(settings, **limits))


if __name__ == "__main__":
    main()
