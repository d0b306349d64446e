"""The files of the statistics on this machine's disk: a copy of what lies in S3.

Objects never change under a key and ETag, so what is here is not asked for again. The copy is
bounded; what was not used for longest goes first.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import BotoCoreError

from adapters.outbound.dynamodb.client import store_errors
from domain.kernel.errors import HomecastError
from projections.media.reports import ReportsUnavailable, ReportTooCostly
from projections.media.statistics import DAY

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

AT_ONCE = 8
PIECE = 1024 * 1024
CACHE_BYTES = 4 * 1024**3
SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Wanted:
    key: str
    etag: str
    size: int
    path: Path


class S3DayFiles:
    """Port ``DayFiles``: downloads what is missing."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        root: Path,
        *,
        prefix: str = "statistics/",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.root = root
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._cache_bytes = cache_bytes
        self._lock = asyncio.Lock()
        """Two reports of the same days download once."""
        self._places = asyncio.Semaphore(AT_ONCE)

    async def of(self, days: Sequence[str]) -> list[Path]:
        async with self._lock:
            try:
                async with asyncio.TaskGroup() as group:
                    listings = [group.create_task(self._listed(day)) for day in days]
                wanted = [one for listing in listings for one in listing.result()]
                await asyncio.to_thread(self._make_room, wanted)
                async with asyncio.TaskGroup() as group:
                    for one in wanted:
                        group.create_task(self._fetched(one))
            except* HomecastError as errors:
                first = next(iter(errors.exceptions))
                while isinstance(first, BaseExceptionGroup):
                    first = first.exceptions[0]
                if isinstance(first, ReportTooCostly):
                    raise first from None
                raise ReportsUnavailable("the statistics cannot be read from S3") from first
            return [one.path for one in wanted]

    async def _listed(self, day: str) -> list[Wanted]:
        assert SHAPE.fullmatch(day)
        found: list[Wanted] = []
        prefix = f"{self._prefix}{DAY}={day}/"
        async with self._places:
            with store_errors():
                pages = self._client.get_paginator("list_objects_v2")
                async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                    found += [self._wanted(day, entry) for entry in page.get("Contents", [])]
        return [one for one in found if one.size]

    def _wanted(self, day: str, entry: Any) -> Wanted:
        """The name on disk says nothing of the key, which others may have made up."""
        key, etag = str(entry["Key"]), str(entry["ETag"])
        name = hashlib.sha256(f"{self._bucket}\n{key}\n{etag}".encode()).hexdigest()[:40]
        path = self.root / f"{DAY}={day}" / f"{name}.parquet"
        return Wanted(key, etag, int(entry["Size"]), path)

    def _make_room(self, wanted: Sequence[Wanted]) -> None:
        """Raises ``ReportTooCostly`` when the files of one report are more than may be kept."""
        needed = sum(one.size for one in wanted)
        if needed > self._cache_bytes:
            raise ReportTooCostly("the days hold more data than this machine keeps")
        keep = {one.path for one in wanted}
        held = [(one.stat(), one) for one in self.root.glob(f"{DAY}=*/*") if one not in keep]
        room = self._cache_bytes - needed
        for stat, path in sorted(held, key=lambda one: one[0].st_mtime, reverse=True):
            room -= stat.st_size
            if room < 0:
                path.unlink(missing_ok=True)

    async def _fetched(self, wanted: Wanted) -> None:
        if wanted.path.exists():
            os.utime(wanted.path)
            return
        async with self._places:
            wanted.path.parent.mkdir(parents=True, exist_ok=True)
            partial = wanted.path.with_suffix(f".{os.getpid()}.part")
            try:
                await self._download(wanted, partial)
                partial.replace(wanted.path)
            finally:
                partial.unlink(missing_ok=True)

    async def _download(self, wanted: Wanted, partial: Path) -> None:
        with store_errors():
            answer = await self._client.get_object(
                Bucket=self._bucket, Key=wanted.key, IfMatch=wanted.etag
            )
        try:
            async with answer["Body"] as body:
                with partial.open("wb") as file:
                    async for piece in body.iter_chunks(PIECE):
                        file.write(piece)
        except (aiohttp.ClientError, BotoCoreError, OSError, TimeoutError) as error:
            raise ReportsUnavailable(f"S3: {type(error).__name__}") from error
