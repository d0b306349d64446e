"""The doctor's look at the relays: how far each context is published, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.outbound.aws_stack.finding import Finding, Look, Verdict, last, looked
from adapters.outbound.aws_stack.provision import Place
from adapters.settings import CONTEXTS

LAG_WARNING, LAG_FAILURE = 30.0, 3600.0
"""Seconds. An hour is the alarm; after 24 h the stream forgets, and the store has to be read."""
PAGES = 5


async def relay(place: Place, names: Mapping[str, str]) -> list[Finding]:
    leases = names["HOMECAST_RELAY_TABLE"]
    async with (
        place.client("dynamodb") as client,
        place.client("dynamodbstreams") as streams,
    ):
        found = []
        for context in CONTEXTS:
            kept = LeasesOf(client, leases, context)
            table = names[f"HOMECAST_{context.upper()}_EVENTS_TABLE"]
            found.append(await looked(f"relay of {context}", relayed(client, streams, table, kept)))
            found.append(await looked(f"losses of {context}", losses(kept)))
        return found


@dataclass(frozen=True)
class LeasesOf:
    """A context's items in the relay's table."""

    client: Any
    table: str
    context: str

    async def shards(self) -> list[Mapping[str, Any]]:
        return [item for item in await self._items() if "cause" not in item]

    async def losses(self) -> list[Mapping[str, Any]]:
        return [item for item in await self._items() if "cause" in item]

    async def _items(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            page = await self.client.scan(TableName=self.table, ConsistentRead=True, **start)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        return [item for item in found if item["shard"]["S"].startswith(f"{self.context}/")]


async def relayed(client: Any, streams: Any, name: str, leases: LeasesOf) -> Look:
    arn = (await client.describe_table(TableName=name))["Table"]["LatestStreamArn"]
    kept = await leases.shards()
    waiting = [await oldest_unread(streams, arn, lease) for lease in kept]
    since = min((at for at in waiting if at is not None), default=None)
    return lag(len(kept), since)


async def oldest_unread(streams: Any, arn: str, lease: Mapping[str, Any]) -> datetime | None:
    """When the first record after the checkpoint was written; None: the relay has read all."""
    if lease["finished"]["BOOL"]:
        return None
    position = {"ShardIteratorType": "TRIM_HORIZON"}
    if sequence := lease["sequence"]["S"]:
        position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence}
    answer = await streams.get_shard_iterator(
        StreamArn=arn, ShardId=last(lease["shard"]["S"], "/"), **position
    )
    iterator = answer["ShardIterator"]
    for _ in range(PAGES):
        page = await streams.get_records(ShardIterator=iterator, Limit=1)
        if page["Records"]:
            at: datetime = page["Records"][0]["dynamodb"]["ApproximateCreationDateTime"]
            return at
        iterator = page.get("NextShardIterator")
        if iterator is None:
            return None
    return None


async def losses(leases: LeasesOf) -> Look:
    """What the stream dropped unread, the last time; the relay publishes it from the store."""
    found = sorted(await leases.losses(), key=lambda item: float(item["until"]["N"]))
    pending = [item for item in found if not item["finished"]["BOOL"]]
    lost = [item for item in found if item["cause"]["S"] != "new"]
    if pending:
        advice = "the relay publishes it again from the store: see that it runs, and look again"
        return Verdict.WARN, f"{len(pending)} not made good yet; {told(pending[0])}", advice
    if lost:
        return Verdict.OK, f"{len(lost)} in 30 days, all made good; the last: {told(lost[-1])}", ""
    return Verdict.OK, "none", ""


def told(loss: Mapping[str, Any]) -> str:
    begin, end = (
        datetime.fromtimestamp(float(loss[name]["N"]), UTC).isoformat(timespec="seconds")
        for name in ("at", "until")
    )
    shard = loss["lost_shard"]["S"] or "the whole store"
    return f"{begin} to {end} of {shard} ({loss['cause']['S']}), {loss['events']['N']} events"


def lag(shards: int, since: datetime | None) -> Look:
    if since is None:
        return Verdict.OK, f"{shards} shards read to their ends", ""
    seconds = (datetime.now(UTC) - since).total_seconds()
    advice = "see that the relay runs; read its log"
    if seconds > LAG_WARNING:
        verdict = Verdict.FAIL if seconds > LAG_FAILURE else Verdict.WARN
        return verdict, f"checkpoint lags by {seconds:.0f} s", advice
    return Verdict.OK, f"checkpoint lags by {seconds:.0f} s", ""
