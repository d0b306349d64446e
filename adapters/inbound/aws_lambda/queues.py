"""SQS FIFO queues as event sources, with partial batch responses.

A batch holds messages of one queue, and of a message group always the oldest ones, in order. After
a failure the rest of its group is reported as failed too, or it would overtake; other groups are
done. Lambda deletes what is not reported; what is reported comes back after the queue's visibility
timeout, or the pause that is set here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
import structlog

log = structlog.get_logger("homecast.lambda")

Record = Mapping[str, Any]
"""One of ``Records`` in an event of SQS."""

MARGIN = 1.5
"""Seconds before the function's end that are kept for the answer."""

Response = dict[str, list[dict[str, str]]]
"""``{"batchItemFailures": [{"itemIdentifier": …}]}``"""


class Inbox(Protocol):
    async def receive(self, bodies: Sequence[Any]) -> None: ...


async def deliver(
    inboxes: Mapping[str, Inbox], records: Sequence[Record], *, seconds: float
) -> Response:
    """``inboxes`` by queue name. ``seconds``: what is left of the invocation.

    Raises ``LookupError`` for a queue that nobody reads here: then all of it comes back.
    """
    deadline = asyncio.get_running_loop().time() + seconds - MARGIN
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        queue = record["eventSourceARN"].rsplit(":", 1)[-1]
        groups.setdefault((queue, record["attributes"]["MessageGroupId"]), []).append(record)
    left = await asyncio.gather(
        *(_remaining(inboxes[queue], group, deadline) for (queue, _), group in groups.items())
    )
    failed = [record for group in left for record in group]
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in failed]}


async def _remaining(inbox: Inbox, group: list[Record], deadline: float) -> list[Record]:
    """What of the group has to come back. An edge: never raises."""
    done = 0
    try:
        async with asyncio.timeout_at(deadline):
            await asyncio.sleep(0)  # a deadline that has passed is noticed here
            if len(group) > 1 and await _received(inbox, group):
                return []
            # One by one, so that a message that fails holds up only those behind it.
            while done < len(group) and await _received(inbox, group[done : done + 1]):
                done += 1
    except TimeoutError:
        name = group[0]["attributes"]["MessageGroupId"]
        log.warning("out_of_time", group=name, messages=len(group), done=done)
    return group[done:]


async def _received(inbox: Inbox, records: Sequence[Record]) -> bool:
    try:
        await inbox.receive([body_of(one) for one in records])
    except Exception:
        attributes = records[0]["attributes"]
        log.exception("batch_failed", group=attributes["MessageGroupId"], messages=len(records))
        return False
    return True


def body_of(record: Record) -> Any:
    """As the process's broker decodes it: JSON where it is JSON, else the text."""
    try:
        return orjson.loads(record["body"])
    except orjson.JSONDecodeError:
        return record["body"]
