"""The projections' queues as event sources: the projector without its polls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.bootstrap import projector
from adapters.bootstrap.process import load
from adapters.inbound.aws_lambda.queues import Queues, Response, deliver
from adapters.inbound.aws_lambda.resident import LambdaContext, Resident


@asynccontextmanager
async def opened() -> AsyncIterator[Queues]:
    async with projector.queues(load("projector")) as queues:
        yield queues


resident = Resident(opened)


def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    queues = resident.take(context)
    seconds = context.get_remaining_time_in_millis() / 1000
    return resident.run(deliver(queues, event["Records"], seconds=seconds))
