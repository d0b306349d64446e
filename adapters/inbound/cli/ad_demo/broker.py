"""The demo's broker as a program: ``python -m adapters.inbound.cli.ad_demo.broker PORT FOLDER``."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from adapters.inbound.cli.ad_demo.documents import PATHS
from adapters.inbound.cli.ad_demo.films import make_films

LOOPBACK = "127.0.0.1"
REMEMBERED = 5_000
DEVICE = ("x-device-ip", "x-device-user-agent", "user-agent")


def create_app(base: str, folder: Path) -> Starlette:
    """``base``: the broker's own address. ``state.calls``: the last calls of trackers."""
    calls: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    async def document(request: Request) -> Response:
        return Response(PATHS[request.url.path](base), media_type="application/xml")

    async def called(request: Request) -> Response:
        headers = {name: request.headers[name] for name in DEVICE if name in request.headers}
        calls.append(
            {
                "at": time.time(),
                "path": request.path_params["path"],
                "query": request.url.query,
                "headers": headers,
            }
        )
        return Response(status_code=204)

    async def told(_: Request) -> Response:
        return JSONResponse(list(calls))

    async def slow(_: Request) -> Response:
        await asyncio.sleep(10)  # longer than anybody waits for a broker
        return Response(status_code=204)

    async def healthy(_: Request) -> Response:
        return Response(status_code=204)

    app = Starlette(
        routes=[
            *(Route(path, document) for path in PATHS),
            Route("/vast/slow", slow),
            Route("/calls", told),
            Route("/calls/{path:path}", called, methods=["GET", "POST"]),
            Route("/health/ready", healthy),
            Mount("/films", StaticFiles(directory=folder)),
        ]
    )
    app.state.calls = calls
    return app


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m adapters.inbound.cli.ad_demo.broker PORT FOLDER", file=sys.stderr)
        return 2
    port, folder = int(arguments[0]), Path(arguments[1])
    make_films(folder)
    app = create_app(f"http://{LOOPBACK}:{port}", folder)
    uvicorn.run(app, host=LOOPBACK, port=port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
