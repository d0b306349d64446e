"""The projections' queues as event sources: the projector without its polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from adapters import bootstrap
from adapters.inbound.aws_lambda.queues import Inbox, Response, deliver
from adapters.inbound.aws_lambda.resident import LambdaContext, Resident


@asynccontextmanager
async def opened() -> AsyncIterator[Mapping[str, Inbox]]:
    async with bootstrap.inboxes(bootstrap.load("projector")) as inboxes:
        yield inboxes


resident = Resident(opened)


def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    inboxes = resident.take(context)
    seconds = context.get_remaining_time_in_millis() / 1000
    return resident.run(deliver(inboxes, event["Records"], seconds=seconds))
