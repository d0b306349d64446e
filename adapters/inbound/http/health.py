"""Whether this process lives, and whether it can do its work. Public, so it tells little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter, Request, Response

from adapters.inbound.http.container import Container
from adapters.inbound.http.views import answer
from adapters.settings import Settings
from domain.kernel.errors import HomecastError

router = APIRouter(prefix="/health", tags=["health"])
TIME_LIMIT = 1.0
REMEMBERED = 1.0
"""Seconds that an answer holds: nobody can make this route read the store all the time."""
NEEDED = (
    "devices_events_table",
    "devices_snapshots_table",
    "vault_table",
    "devices_table",
    "remote_commands_table",
    "twins_table",
)
Finding = Literal["ok", "degraded", "failed"]


class Readiness:
    """Without the store nothing works; without Redis all does that is promised, but slower."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._lock = asyncio.Lock()
        self._known: dict[str, Finding] = {}
        self._until = 0.0

    async def checks(self) -> dict[str, Finding]:
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._until:
                self._known = await self._look()
                self._until = loop.time() + REMEMBERED
            return self._known

    async def _look(self) -> dict[str, Finding]:
        store, hints = await asyncio.gather(
            answers(self._container.store.read("health-check", up_to=1)),
            answers(self._container.presence.online(["health-check"])),
        )
        return {
            "store": "ok" if store else "failed",
            "hints": "ok" if hints else "degraded",
            "settings": "ok" if complete(self._container.settings) else "failed",
        }


async def answers(call: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(TIME_LIMIT):
            await call
    except (HomecastError, TimeoutError):
        return False
    return True


def complete(settings: Settings) -> bool:
    return all(getattr(settings, name) for name in NEEDED)


@router.get("/live")
async def live() -> Response:
    return answer({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 while requests can be served, also without Redis (``degraded``); else 503."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness.checks()
    found = set(checks.values())
    status = "failed" if "failed" in found else "degraded" if "degraded" in found else "ok"
    return answer({"status": status, "checks": checks}, 503 if status == "failed" else 200)
