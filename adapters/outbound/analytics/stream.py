"""A Kinesis stream to read: all shards, from where each was left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from adapters.outbound.dynamodb.client import error_code, store_errors
from adapters.outbound.objects.ports import Objects
from domain.kernel.errors import ContractError

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient

PAGE = 5_000
"""Records of one GetRecords; Kinesis gives 10 MB at most whatever is asked."""
PAGES = 20
"""Of one shard, before the others have their turn."""
CHECKPOINT_MAX = 1024 * 1024
EXPIRED = "ExpiredIteratorException"
UNKNOWN = "InvalidArgumentException"
"""A position that the stream does not know (it was made anew): read what is there."""


@dataclass(frozen=True)
class Page:
    """``last``: the sequence number to go on behind; None when nothing came."""

    shard: str
    records: list[bytes]
    last: str | None


class Checkpoints:
    """Sequence numbers by shard, up to which everything is delivered, as one object.

    For one deliverer: two would only deliver twice.
    """

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects = objects
        self._key = key

    async def load(self) -> dict[str, str]:
        body = await self._objects.get(self._key, limit=CHECKPOINT_MAX)
        if body is None:
            return {}
        try:
            held = orjson.loads(body)
        except ValueError as error:
            raise ContractError("the checkpoints of the deliverer are no JSON") from error
        return {str(shard): str(sequence) for shard, sequence in held.items()}

    async def save(self, positions: dict[str, str]) -> None:
        await self._objects.put(self._key, orjson.dumps(positions, option=orjson.OPT_SORT_KEYS))


class KinesisStream:
    """Raises ``StoreUnavailable``."""

    def __init__(self, client: KinesisClient, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._iterators: dict[str, str] = {}

    async def shards(self) -> list[str]:
        found: list[str] = []
        request: dict[str, Any] = {"StreamName": self._stream}
        while True:
            with store_errors():
                answer = await self._client.list_shards(**request)
            found += [one["ShardId"] for one in answer["Shards"]]
            if not answer.get("NextToken"):
                return found
            request = {"NextToken": answer["NextToken"]}

    async def pages(self, shard: str, after: str | None) -> AsyncIterator[Page]:
        """What is there now, up to ``PAGES`` pages. ``after``: where this reader last was."""
        iterator = self._iterators.pop(shard, None) or await self._iterator(shard, after)
        for _ in range(PAGES):
            try:
                with store_errors():
                    answer = await self._records(iterator)
            except ExpiredIterator:
                iterator = await self._iterator(shard, after)
                continue
            records = answer["Records"]
            iterator = answer.get("NextShardIterator") or ""
            after = records[-1]["SequenceNumber"] if records else after
            yield Page(shard, [one["Data"] for one in records], after)
            if not iterator or (not records and not answer.get("MillisBehindLatest")):
                break
        if iterator:
            self._iterators[shard] = iterator

    async def _records(self, iterator: str) -> Any:
        try:
            return await self._client.get_records(ShardIterator=iterator, Limit=PAGE)
        except ClientError as error:
            if error_code(error) == EXPIRED:
                raise ExpiredIterator from error
            raise

    async def _iterator(self, shard: str, after: str | None) -> str:
        if after is not None:
            try:
                with store_errors():
                    return await self._asked(shard, after)
            except UnknownPosition:
                pass
        with store_errors():
            answer = await self._client.get_shard_iterator(
                StreamName=self._stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )
        return answer["ShardIterator"]

    async def _asked(self, shard: str, after: str) -> str:
        try:
            answer = await self._client.get_shard_iterator(
                StreamName=self._stream,
                ShardId=shard,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                StartingSequenceNumber=after,
            )
        except ClientError as error:
            if error_code(error) == UNKNOWN:
                raise UnknownPosition from error
            raise
        return answer["ShardIterator"]


class ExpiredIterator(Exception):
    """Iterators live for minutes only."""


class UnknownPosition(Exception):
    """The stream has never given this sequence number."""
