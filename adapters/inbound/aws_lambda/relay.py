"""The event tables' streams as event sources: the relay without its reads and leases.

Lambda reads the shards, parents before children, and calls with records of one shard, in order.
After a failure it calls again from the record that is named here on: what comes after that one and
was published already is published twice, which deduplication and the gates drop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import structlog

from adapters.bootstrap import relay
from adapters.bootstrap.process import load
from adapters.inbound.aws_lambda.queues import MARGIN, Record, Response
from adapters.inbound.aws_lambda.resident import LambdaContext, Resident
from adapters.inbound.workers.outlet import Outlet
from adapters.inbound.workers.ports import StreamRecord
from adapters.inbound.workers.publisher import CALL_LIMIT

log = structlog.get_logger("homecast.lambda")

Outlets = Mapping[str, Outlet]
"""By the name of the table."""


@asynccontextmanager
async def opened() -> AsyncIterator[Outlets]:
    async with relay.outlets(load("relay")) as outlets:
        yield outlets


resident = Resident(opened)


def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    outlets = resident.take(context)
    seconds = context.get_remaining_time_in_millis() / 1000
    return resident.run(relayed(outlets, event["Records"], seconds=seconds))


async def relayed(outlets: Outlets, records: Sequence[Record], *, seconds: float) -> Response:
    """``seconds``: what is left of the invocation; the last call to the topic may take the end.

    Raises ``LookupError`` for a table that is not published: then all of it comes back.
    """
    until = time.monotonic() + max(seconds - CALL_LIMIT - MARGIN, seconds / 2)
    outlet = outlets[table_of(records[0])]
    taken = [record_of(one) for one in records]
    age = (datetime.now(UTC) - taken[0].at).total_seconds()
    outlet.metrics.gauge("RelayLag", max(round(age, 3), 0.0), "Seconds", context=outlet.context)
    pairs = outlet.readable(taken)
    left = await outlet.publisher.publish([event for _, event in pairs], until=until)
    outlet.metrics.send()
    if not left:
        return {"batchItemFailures": []}
    first, _ = pairs[left[0]]
    log.warning("out_of_time", context=outlet.context, left=len(left), first=first.sequence)
    return {"batchItemFailures": [{"itemIdentifier": first.sequence}]}


def table_of(record: Record) -> str:
    """Of ``arn:aws:dynamodb:region:account:table/NAME/stream/LABEL``."""
    return str(record["eventSourceARN"]).split("/")[1]


def record_of(raw: Record) -> StreamRecord:
    change = raw["dynamodb"]
    return StreamRecord(
        sequence=change["SequenceNumber"],
        image=change.get("NewImage", {}),
        at=datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC),
        inserted=raw["eventName"] == "INSERT",
    )
