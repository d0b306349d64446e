"""A table's stream, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.inbound.workers.ports import (
    ExpiredIterator,
    Page,
    Shard,
    StreamRecord,
    Trimmed,
)
from adapters.outbound.dynamodb.client import store_errors
from domain.kernel.errors import StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodbstreams import DynamoDBStreamsClient

PAGE = 500
POSITION_ERRORS: dict[str, type[Exception]] = {
    "TrimmedDataAccessException": Trimmed,
    "ExpiredIteratorException": ExpiredIterator,
}


class DynamoDbTableStream:
    """The port ``TableStream``."""

    def __init__(
        self, dynamodb: DynamoDBClient, streams: DynamoDBStreamsClient, table: str
    ) -> None:
        self._dynamodb = dynamodb
        self._streams = streams
        self._table = table
        self._arn: str | None = None

    async def shards(self) -> list[Shard]:
        """All shards of the stream, oldest first."""
        arn = await self._stream_arn()
        shards: list[Shard] = []
        start: Any = {}
        while True:
            with stream_errors():
                answer = await self._streams.describe_stream(StreamArn=arn, **start)
            description = answer["StreamDescription"]
            shards += [
                Shard(one["ShardId"], one.get("ParentShardId"))
                for one in description.get("Shards", [])
            ]
            last = description.get("LastEvaluatedShardId")
            if not last:
                return shards
            start = {"ExclusiveStartShardId": last}

    async def iterator(self, shard: Shard, *, after: str | None) -> str:
        """Where to read on: after a record, or from the oldest that is left."""
        position: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if after is not None:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        with stream_errors():
            answer = await self._streams.get_shard_iterator(
                StreamArn=await self._stream_arn(),
                ShardId=shard.id,
                **position,  # type: ignore[arg-type]
            )
        return answer["ShardIterator"]

    async def page(self, iterator: str) -> Page:
        with stream_errors():
            answer = await self._streams.get_records(ShardIterator=iterator, Limit=PAGE)
        return Page([_record(one) for one in answer["Records"]], answer.get("NextShardIterator"))

    async def _stream_arn(self) -> str:
        if self._arn is None:
            with store_errors():
                answer = await self._dynamodb.describe_table(TableName=self._table)
            self._arn = answer["Table"]["LatestStreamArn"]
        return self._arn


@contextmanager
def stream_errors() -> Iterator[None]:
    """As ``store_errors``, and the two errors that tell where to read on."""
    try:
        with store_errors():
            yield
    except StoreUnavailable as error:
        known = POSITION_ERRORS.get(error.extra.get("cause", ""))
        if known is None:
            raise
        raise known(str(error)) from error


def _record(raw: Mapping[str, Any]) -> StreamRecord:
    change = raw["dynamodb"]
    return StreamRecord(
        sequence=change["SequenceNumber"],
        image=change.get("NewImage", {}),
        at=change["ApproximateCreationDateTime"],
        inserted=raw["eventName"] == "INSERT",
    )
