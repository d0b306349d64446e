"""Films in an S3 bucket: from and to the disk, and in ranges to whoever plays them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from adapters.outbound.dynamodb.client import AwsConnection, error_code, store_errors
from adapters.outbound.objects.s3 import MISSING
from domain.kernel.errors import ContractError, StoreUnavailable, TooLarge

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

PIECE = 256 * 1024
PART = 16 * 1024 * 1024
"""Bytes of a part; a file that is not larger goes in one request."""


@dataclass(frozen=True)
class Opened:
    """An object, or a part of it. ``size``: of the whole; ``start`` and ``length``: of the part."""

    pieces: AsyncIterator[bytes]
    size: int
    start: int
    length: int
    media_type: str
    etag: str


class S3MediaObjects:
    """Port ``MediaObjects`` of the transcoder, and what serves films on one machine."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @classmethod
    @asynccontextmanager
    async def opened(cls, connection: AwsConnection, bucket: str) -> AsyncIterator[S3MediaObjects]:
        async with connection.s3() as client:
            yield cls(client, bucket)

    # --- files ------------------------------------------------------------------------------------

    async def fetch(self, key: str, target: Path, *, limit: int) -> bool:
        answer = await self._get(key)
        if answer is None:
            return False
        async with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise TooLarge(f"an object has more than {limit} bytes", limit=limit)
            file = await asyncio.to_thread(target.open, "wb")
            try:
                async for piece in _pieces(body):
                    await asyncio.to_thread(file.write, piece)
            finally:
                await asyncio.to_thread(file.close)
        return True

    async def put_file(self, key: str, file: Path, *, media_type: str, cache_control: str) -> None:
        about: dict[str, Any] = {"ContentType": media_type, "CacheControl": cache_control}
        size = (await asyncio.to_thread(file.stat)).st_size
        with store_errors():
            if size > PART:
                await self._put_parts(key, file, about)
                return
            body = await asyncio.to_thread(file.read_bytes)
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **about)

    async def _put_parts(self, key: str, file: Path, about: Any) -> None:
        place: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        upload: Any = await self._client.create_multipart_upload(**place, **about)
        place["UploadId"] = upload["UploadId"]
        try:
            parts: Any = [
                {"PartNumber": number, "ETag": await self._put_part(place, number, piece)}
                async for number, piece in _parts(file)
            ]
            await self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except BaseException:
            await self._client.abort_multipart_upload(**place)
            raise

    async def _put_part(self, place: dict[str, Any], number: int, piece: bytes) -> str:
        answer = await self._client.upload_part(**place, PartNumber=number, Body=piece)
        return answer["ETag"]

    # --- reading ----------------------------------------------------------------------------------

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """None when there is none. Raises ``ContractError`` for one of over ``limit`` bytes."""
        answer = await self._get(key)
        if answer is None:
            return None
        async with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise ContractError(f"an object has more than {limit} bytes")
            return b"".join([piece async for piece in _pieces(body)])

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> Opened | None:
        """From the byte ``start`` up to ``end`` (included), or the whole; None when there is none.

        Raises ``StoreUnavailable``. A range beyond its end is the caller's mistake.
        """
        whole = start == 0 and end is None
        asked = {} if whole else {"Range": f"bytes={start}-{'' if end is None else end}"}
        answer = await self._get(key, **asked)
        if answer is None:
            return None
        length = answer["ContentLength"]
        size = (
            int(answer["ContentRange"].rpartition("/")[2]) if "ContentRange" in answer else length
        )
        return Opened(
            _closing(answer["Body"]), size, start, length, answer["ContentType"], answer["ETag"]
        )

    async def size(self, key: str) -> tuple[int, str, str] | None:
        """Bytes, type and entity tag; None when there is none."""
        with store_errors():
            try:
                answer = await self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise
        return answer["ContentLength"], answer["ContentType"], answer["ETag"]

    async def _get(self, key: str, **asked: Any) -> Any:
        with store_errors():
            try:
                return await self._client.get_object(Bucket=self._bucket, Key=key, **asked)
            except ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise


async def _closing(body: Any) -> AsyncIterator[bytes]:
    async with body:
        async for piece in _pieces(body):
            yield piece


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    """What breaks off fails by an error of the HTTP client, which botocore does not translate."""
    try:
        while piece := await body.read(PIECE):
            yield piece
    except (aiohttp.ClientError, BotoCoreError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"S3: {type(error).__name__}") from error


async def _parts(file: Path) -> AsyncIterator[tuple[int, bytes]]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        number = 0
        while piece := await asyncio.to_thread(opened.read, PART):
            number += 1
            yield number, piece
    finally:
        await asyncio.to_thread(opened.close)
