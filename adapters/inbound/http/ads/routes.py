"""All routes of ads, added to the API of a process."""

from __future__ import annotations

from fastapi import FastAPI

from adapters.inbound.http.ads import brokers, creatives, films, requests
from adapters.inbound.http.ads.parts import AdParts


def mount(app: FastAPI, *, parts: AdParts) -> None:
    app.state.ads = parts
    routers = (
        requests.router,
        films.router,
        brokers.router,
        creatives.router,
        creatives.blocklist_router,
    )
    for router in routers:
        app.router.routes += router.routes
