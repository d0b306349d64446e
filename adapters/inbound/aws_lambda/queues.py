"""SQS FIFO queues as event sources, with partial batch responses.

A batch holds messages of one queue, and of a message group always the oldest ones, in order. After
a failure the rest of its group is reported as failed too, or it would overtake; other groups are
done. Lambda deletes what is not reported. What is reported comes back later and later, for every
time counts as a receive, and the tenth is the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog

from adapters.faststream_aws import Backoff

log = structlog.get_logger("homecast.lambda")

Record = Mapping[str, Any]
"""One of ``Records`` in an event of SQS."""

Response = dict[str, list[dict[str, str]]]
"""``{"batchItemFailures": [{"itemIdentifier": …}]}``"""

MARGIN = 2.5
"""Seconds before the function's end that are kept for postponing and the answer."""
HIDDEN = Backoff(first=30.0, maximum=900.0, jitter=0.1)
"""Ten receives last longer than an hour: an outage of the tables ends before that."""


class Inbox(Protocol):
    async def receive(self, bodies: Sequence[Any]) -> None: ...


class Postponement(Protocol):
    async def hide(self, queue: str, receipts: Sequence[str], seconds: int) -> None:
        """Keep received messages from coming back for so long; never raises."""


@dataclass(frozen=True)
class Queues:
    """``inboxes`` by queue name."""

    inboxes: Mapping[str, Inbox]
    postponement: Postponement


async def deliver(queues: Queues, records: Sequence[Record], *, seconds: float) -> Response:
    """``seconds``: what is left of the invocation.

    Raises ``LookupError`` for a queue that nobody reads here: then all of it comes back.
    """
    deadline = asyncio.get_running_loop().time() + seconds - MARGIN
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        queue = record["eventSourceARN"].rsplit(":", 1)[-1]
        groups.setdefault((queue, group_of(record)), []).append(record)
    left = await asyncio.gather(
        *(
            _delivered(queues.inboxes[queue], queues.postponement, queue, group, deadline)
            for (queue, _), group in groups.items()
        )
    )
    failed = [record for group in left for record in group]
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in failed]}


async def _delivered(
    inbox: Inbox, postponement: Postponement, queue: str, group: list[Record], deadline: float
) -> list[Record]:
    """What of the group has to come back."""
    left = await _remaining(inbox, group, deadline)
    if left:
        received = int(left[0]["attributes"]["ApproximateReceiveCount"])
        receipts = [one["receiptHandle"] for one in left]
        await postponement.hide(queue, receipts, round(HIDDEN.delay(received)))
    return left


async def _remaining(inbox: Inbox, group: list[Record], deadline: float) -> list[Record]:
    """An edge: never raises."""
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
        log.warning("out_of_time", group=group_of(group[0]), messages=len(group), done=done)
    return group[done:]


async def _received(inbox: Inbox, records: Sequence[Record]) -> bool:
    try:
        await inbox.receive([body_of(one) for one in records])
    except Exception:
        log.exception("batch_failed", group=group_of(records[0]), messages=len(records))
        return False
    return True


def group_of(record: Record) -> str:
    return str(record["attributes"]["MessageGroupId"])


def body_of(record: Record) -> Any:
    """As the process's broker decodes it: JSON where it is JSON, else the text."""
    try:
        return orjson.loads(record["body"])
    except orjson.JSONDecodeError:
        return record["body"]
