"""The HTTP API behind an API Gateway HTTP API (payload format 2.0)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mangum import Mangum

from adapters.bootstrap.http import Api, api
from adapters.bootstrap.process import load
from adapters.inbound.aws_lambda.resident import LambdaContext, Resident
from adapters.inbound.http.app import create_app
from commands.accounts.oauth.clients import Clients

TIME_LIMIT = 28.0
"""Seconds: less than API Gateway (30) and the function's own limit (29) grant."""
TEXT = [
    "text/", "application/json", "application/problem+json", "application/javascript",
]  # fmt: skip
"""Media types that are answered as they are; all others go through base64."""


class Served:
    def __init__(self, container: Api, answer: Mangum) -> None:
        self.container = container
        self.answer = answer


@asynccontextmanager
async def opened() -> AsyncIterator[Served]:
    """The lifespan is entered here, once: Mangum would begin and end it with every request."""
    async with api(load("api")) as container:
        app = create_app(container, lasting=False, time_limit=TIME_LIMIT)
        clients = Clients(container.accounts.repository, container.vault)
        app.state.parts.tokens.clients = clients
        async with app.router.lifespan_context(app):
            yield Served(container, Mangum(app, lifespan="off", text_mime_types=TEXT))


resident = Resident(opened)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    served = resident.take(context)
    answer = served.answer(event, context)  # type: ignore[arg-type]
    # Hints that have not left when the container freezes would be late, or lost.
    resident.run(served.container.unawaited.settled())
    return answer
