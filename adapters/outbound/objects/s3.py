"""Objects in an S3 bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from adapters.outbound.dynamodb.client import error_code, store_errors
from domain.kernel.errors import ContractError, StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

MISSING = frozenset({"NoSuchKey", "404"})


class S3Objects:
    """The port ``Objects``."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, key: str, body: bytes) -> None:
        with store_errors():
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

    async def get(self, key: str, *, limit: int) -> bytes | None:
        with store_errors():
            try:
                answer = await self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise
            async with answer["Body"] as body:
                if answer["ContentLength"] > limit:
                    raise ContractError(f"an object has more than {limit} bytes")
                return await _read(body)

    async def keys(self, prefix: str) -> list[str]:
        found: list[str] = []
        with store_errors():
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                found += [entry["Key"] for entry in page.get("Contents", [])]
        return found


async def _read(body: Any) -> bytes:
    """A body that breaks off fails by an error of the HTTP client, which botocore translates for
    all other answers."""
    try:
        content: bytes = await body.read()
    except (aiohttp.ClientError, BotoCoreError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"S3: {type(error).__name__}") from error
    return content
