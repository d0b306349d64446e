"""``python -m adapters.inbound.gateway``: serve devices until SIGTERM, then drain."""

from __future__ import annotations

import asyncio

from adapters.bootstrap.gateway import gateway
from adapters.bootstrap.process import load
from adapters.inbound.gateway.container import log
from adapters.inbound.gateway.server import GatewayServer
from adapters.inbound.gateway.warmup import warm_up
from adapters.inbound.process import run


async def main(stop: asyncio.Event) -> None:
    settings = load("gateway")
    async with gateway(settings) as container:
        await warm_up(container)
        server = GatewayServer(container)
        async with server.listening(settings.gateway_host, settings.gateway_port) as port:
            log.info("listening", host=settings.gateway_host, port=port)
            await stop.wait()


if __name__ == "__main__":
    run("gateway", main)
