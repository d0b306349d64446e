"""Media files of creatives: to a local file, with their SHA-256 made on the way."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from adapters.outbound.web.client import Web, demand_success
from adapters.outbound.web.errors import (
    RemoteNotFound,
    RemoteTimeout,
    RemoteUnavailable,
)
from adapters.outbound.web.incoming import Download, Incoming
from domain.kernel.errors import HomecastError

LIMIT_BYTES = 2_000_000_000
TIME_LIMIT = 600.0
STALL_LIMIT = 15.0
RESUMES = 3
PAUSE = 1.0
"""Seconds before the first resumption, doubled before each further one."""
NOT_FOUND, TIMED_OUT, UNUSABLE = 401, 402, 405
"""Codes of VAST's table of errors."""


class Downloads:
    """``limit_bytes``: of one file. ``directory``: where files go, unless it is the system's for
    temporary ones. ``time_limit``: seconds for all attempts; ``stall_limit``: between two pieces.
    """

    def __init__(
        self,
        web: Web,
        *,
        directory: Path | None = None,
        limit_bytes: int = LIMIT_BYTES,
        time_limit: float = TIME_LIMIT,
        stall_limit: float = STALL_LIMIT,
        resumes: int = RESUMES,
        pause: float = PAUSE,
    ) -> None:
        self._web = web
        self._directory = directory
        self._limit = limit_bytes
        self._time_limit = time_limit
        self._stall_limit = stall_limit
        self._resumes = resumes
        self._pause = pause

    async def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Download:
        """Raises as ``Documents.fetch`` does, each error with the ``vast_code`` to report in its
        ``extra``; no file is left then."""
        try:
            return await self._to_file(url, headers or {})
        except HomecastError as error:
            error.extra["vast_code"] = vast_code(error)
            raise
        except TimeoutError as error:
            raise RemoteTimeout("the file did not come in time", vast_code=TIMED_OUT) from error

    async def _to_file(self, url: str, headers: Mapping[str, str]) -> Download:
        with kept_file(self._directory) as file:
            async with asyncio.timeout(self._time_limit):
                return await self._resuming(url, headers, Incoming(file, self._limit))

    async def _resuming(self, url: str, headers: Mapping[str, str], incoming: Incoming) -> Download:
        """What breaks off before the first byte is not resumed: whoever asked tries again later."""
        for resumption in range(self._resumes):
            try:
                return await self._attempt(url, headers, incoming)
            except (RemoteUnavailable, RemoteTimeout):
                if not incoming.size:
                    raise
            await asyncio.sleep(self._pause * 2**resumption)
        return await self._attempt(url, headers, incoming)

    async def _attempt(self, url: str, headers: Mapping[str, str], incoming: Incoming) -> Download:
        asked = {**headers, **incoming.wish()}
        limit, stall = self._time_limit, self._stall_limit
        async with self._web.get(url, asked, limit=limit, stall=stall) as answer:
            demand_success(answer)
            incoming.begin(answer)
            async for chunk in answer.response.content.iter_any():
                incoming.take(chunk)
            return incoming.finished(answer)


@contextmanager
def kept_file(directory: Path | None) -> Iterator[IO[bytes]]:
    """A new file, that goes again when anything is raised."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix="homecast-media-", delete=False) as file:
        try:
            yield file
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def vast_code(error: HomecastError) -> int:
    match error:
        case RemoteNotFound():
            return NOT_FOUND
        case RemoteTimeout():
            return TIMED_OUT
    return UNUSABLE
