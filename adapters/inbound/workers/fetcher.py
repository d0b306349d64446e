"""Fetches films: downloads the original, looks at it, stores it, and says so.

A message names a creative and nothing more: what is to be done is asked of the stream, so one that
comes twice, or late, does no harm.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.inbound.workers.media_ports import Downloaded, Downloads, Originals, Probes
from commands.kernel.dispatch import Dispatcher
from commands.kernel.ports import Ids
from commands.media import creatives
from commands.media.creatives import ID, RecordFetched, RecordFetchFailure
from domain.kernel.errors import ContractError, HomecastError, StoreUnavailable
from domain.kernel.recorded import Context
from domain.media.creative import Creative, NextStep, next_step
from domain.media.rendition import Caption
from domain.media.unusable import NoPicture, TooLong, TooManyPixels, Unusable

log = structlog.get_logger("homecast.fetcher")

IMMUTABLE = "public, max-age=31536000, immutable"
VAST_CODES: Mapping[type[HomecastError], int] = {NoPicture: 403, TooLong: 202, TooManyPixels: 203}
UNDECODABLE = 405


class FetchMessage(BaseModel):
    model_config = ConfigDict(frozen=True)

    creative_id: str = Field(pattern=ID)


class Fetcher:
    """``handle`` returns when the outcome is stored; raises ``Unavailable`` when it cannot be.

    ``captions``: downloads with limits that fit texts; an ad may name twenty of them.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        downloads: Downloads,
        captions: Downloads,
        probes: Probes,
        originals: Originals,
        ids: Ids,
    ) -> None:
        self._dispatcher = dispatcher
        self._downloads = downloads
        self._caption_downloads = captions
        self._probes = probes
        self._originals = originals
        self._ids = ids

    async def handle(self, body: Any) -> None:
        started = time.perf_counter()
        creative_id = creative_id_of(body)
        fetch_id = self._ids.new()
        context = Context(fetch_id, fetch_id, "platform")
        state, _ = await self._dispatcher.execute(
            context, lambda unit: creatives.known(unit, creative_id)
        )
        if next_step(state, now=self._dispatcher.clock.now()) != NextStep.FETCH:
            return
        outcome = await self._fetch(context, state)
        log.info(
            "fetched",
            creative=creative_id,
            outcome=outcome,
            correlation=fetch_id,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _fetch(self, context: Context, state: Creative) -> str:
        """What comes of it: ``stored``, or the code of the error that is now recorded."""
        try:
            fetched = await self._stored(state)
        except StoreUnavailable:
            raise  # ours is away: no fault of the film
        except HomecastError as error:
            failure = RecordFetchFailure(
                creative_id=state.id,
                error=error.code,
                detail=error.detail,
                vast_code=vast_code(error),
                retryable=error.retryable,
            )
            await self._dispatcher.execute(
                context, lambda unit: creatives.record_fetch_failure(unit, failure)
            )
            return error.code
        await self._dispatcher.execute(
            context, lambda unit: creatives.record_fetched(unit, fetched)
        )
        return "stored"

    async def _stored(self, state: Creative) -> RecordFetched:
        film = await self._downloads.fetch(state.media_url)
        try:
            source = await self._probes.probe(film.path)
            key = f"originals/{film.sha256}"
            await self._put(key, film)
        finally:
            await asyncio.to_thread(_remove, film.path)
        return RecordFetched(
            creative_id=state.id,
            content=film.sha256,
            size=film.size,
            original=key,
            source=source,
            captions=await self._captions(state),
        )

    async def _captions(self, state: Creative) -> tuple[Caption, ...]:
        """Those that can be had: an ad without one is better than none."""
        found = []
        for link in state.links:
            try:
                file = await self._caption_downloads.fetch(link.url)
            except HomecastError as error:
                log.warning("caption_missing", creative=state.id, code=error.code)
                continue
            try:
                key = f"originals/{file.sha256}"
                await self._put(key, file)
            finally:
                await asyncio.to_thread(_remove, file.path)
            found.append(Caption(language=link.language, media_type=link.media_type, key=key))
        return tuple(found)

    async def _put(self, key: str, file: Downloaded) -> None:
        """What the host says of its type is noted and not believed: originals are not served."""
        await self._originals.put_file(
            key, file.path, media_type="application/octet-stream", cache_control=IMMUTABLE
        )


def creative_id_of(body: Any) -> str:
    """Raises ``ContractError``."""
    try:
        return FetchMessage.model_validate(body).creative_id
    except ValidationError as error:
        raise ContractError("no message of the fetcher's") from error


def vast_code(error: HomecastError) -> int:
    if isinstance(error, Unusable):
        return VAST_CODES.get(type(error), UNDECODABLE)
    code = error.extra.get("vast_code")
    return code if isinstance(code, int) else UNDECODABLE


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
