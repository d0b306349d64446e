"""The HTTP API: ``create_app(container)``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, Response

from adapters.inbound import dashboard
from adapters.inbound.http import (
    commands,
    devices,
    docs_page,
    health,
    homes,
    operations,
    problems,
    read_models,
    whoami,
)
from adapters.inbound.http.auth import Guard, require_guarded
from adapters.inbound.http.bodies import Bodies
from adapters.inbound.http.container import Container
from adapters.inbound.http.devices import Asked, HomeId, Reader, Shared
from adapters.inbound.http.edge import TIME_LIMIT, Edge
from adapters.inbound.http.errors import StreamsElsewhere
from adapters.inbound.http.health import Readiness
from adapters.inbound.http.parts import Parts
from adapters.inbound.http.problems import DOCUMENTED
from domain.devices.roles import Action

Mount = Callable[[FastAPI], None]
live = APIRouter(prefix="/v1/live", tags=["live"], responses=DOCUMENTED)
no_live = APIRouter(prefix="/v1/live", tags=["live"], responses=DOCUMENTED)


@live.get("", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def stream(
    caller: Reader,
    parts: Shared,
    asked: Asked,
    home: HomeId = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> Response:
    """Server-sent events: a snapshot, then changes. Send the token as a header, not in the URL."""
    access = await parts.homes.of_home(caller, home, Action.WATCH_LIVE)
    known = await parts.fresh.shown(access, asked) if asked.marks else None
    return await parts.live.open(caller, access, last_event_id, known)


@no_live.get("")
async def no_stream(_: Reader) -> Response:
    """Always a problem: live streams are served by the API's processes only."""
    raise StreamsElsewhere("live streams need a process; this API runs as a function")


def create_app(
    container: Container,
    *,
    lasting: bool = True,
    time_limit: float = TIME_LIMIT,
    mounts: Sequence[Mount] = (),
) -> FastAPI:
    """Ready to serve once its lifespan has begun; raises if a route is open by mistake.

    ``lasting`` False: what runs it stands still between requests (Lambda), so there are no live
    streams, and no pages, which need them; no homes are managed, for that is done with pages, to
    which mails lead; and nothing is warmed up ahead of the first request.
    ``mounts``: what adds routes that functions do not serve, so that they need not import them.
    """
    parts = Parts(container)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with parts.running(warm=lasting):
            yield

    app = FastAPI(
        title="Homecast",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the Tracer port does it
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.readiness = Readiness(container)
    streams = live if lasting else no_live
    kept = (
        devices.router,
        commands.router,
        read_models.router,
        operations.router,
        whoami.router,
    )
    for router in (*kept, streams, health.router):
        app.router.routes += router.routes  # flat: found faster, and walked by require_guarded
    for mount in mounts:
        mount(app)
    if lasting:
        app.router.routes += homes.router.routes
        dashboard.mount(app, media_url=container.settings.films_url)
    docs_page.mount(app, page=lasting)
    problems.install(app)
    app.add_middleware(Bodies)
    app.add_middleware(Guard, tokens=parts.tokens, limits=parts.limits)
    app.add_middleware(Edge, ids=container.ids, tracer=container.tracer, time_limit=time_limit)
    require_guarded(app)
    return app
