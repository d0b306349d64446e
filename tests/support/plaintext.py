"""Looks for a text wherever a platform keeps anything: raw, as its engines give or store it."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import redis.asyncio

from adapters.outbound.aws_stack.provision import Place
from adapters.outbound.dynamodb.search import strings


class PlainText:
    """``marker``: ASCII, so that JSON spells it in one way."""

    def __init__(self, marker: str) -> None:
        assert marker.isascii()
        self.marker = marker
        whole = marker.encode()
        # Its inner part in base64, wherever it begins within a group of three bytes.
        packed = [base64.b64encode(b"\0" * skip + whole + b"\0" * 3) for skip in range(3)]
        inner = (form[4 : len(form) - 8] for form in packed)
        self._forms = (whole, *inner)

    def is_in(self, data: bytes) -> bool:
        return any(form in part for part in unpacked(data) for form in self._forms)

    async def tables(self, place: Place) -> dict[str, int]:
        """Items with it, by table."""
        found: dict[str, int] = {}
        async with place.client("dynamodb") as client:
            async for page in client.get_paginator("list_tables").paginate():
                for table in page["TableNames"]:
                    scan = client.get_paginator("scan").paginate(TableName=table)
                    items = [item async for part in scan for item in part["Items"]]
                    count = sum(self.is_in("\n".join(strings(item)).encode()) for item in items)
                    found |= {table: count} if count else {}
        return found

    async def queues(self, place: Place) -> tuple[list[str], int]:
        """Queues with it, and how many messages were looked at; those stay hidden for a while."""
        found, looked = [], 0
        async with place.client("sqs") as client:
            for queue in (await client.list_queues(MaxResults=1000)).get("QueueUrls", []):
                while messages := await receive(client, queue):
                    looked += len(messages)
                    whole = orjson.dumps(messages, default=str)
                    if any(self.is_in(one["Body"].encode()) for one in messages) or (
                        self.is_in(whole)
                    ):
                        found.append(queue)
        return found, looked

    async def objects(self, place: Place) -> list[str]:
        found = []
        async with place.client("s3") as client:
            for bucket in (await client.list_buckets())["Buckets"]:
                pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
                keys = [one["Key"] async for page in pages for one in page.get("Contents", [])]
                for key in keys:
                    answer = await client.get_object(Bucket=bucket["Name"], Key=key)
                    if self.is_in(key.encode() + b"\n" + await answer["Body"].read()):
                        found.append(f"{bucket['Name']}/{key}")
        return found

    async def redis(self, url: str) -> tuple[list[bytes], int]:
        """Keys with it in name or value (as Redis would save it), and how many were looked at."""
        client = redis.asyncio.Redis.from_url(url)
        try:
            keys = [key async for key in client.scan_iter()]
            dumped = {key: await client.dump(key) or b"" for key in keys}
        finally:
            await client.aclose()
        return [key for key, value in dumped.items() if self.is_in(key + b"\n" + value)], len(keys)

    def files(self, directory: Path) -> tuple[list[str], int]:
        """Files with it, and how many were looked at."""
        files = [path for path in directory.rglob("*") if path.is_file()]
        found = [path for path in files if self.is_in(path.read_bytes())]
        return [str(path.relative_to(directory)) for path in found], len(files)


async def receive(client: Any, queue: str) -> list[dict[str, Any]]:
    answer = await client.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        VisibilityTimeout=600,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return list(answer.get("Messages", []))


def unpacked(data: bytes) -> Iterator[bytes]:
    """As it is, and what it holds compressed."""
    yield data
    with suppress(OSError, EOFError, zlib.error):
        yield gzip.decompress(data)
    with suppress(zlib.error):
        yield zlib.decompress(data)
    with suppress(ValueError):
        yield json.dumps(json.loads(data), ensure_ascii=False).encode()
