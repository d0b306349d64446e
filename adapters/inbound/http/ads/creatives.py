"""Routes of creatives and of the blocklist, for operators."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adapters.inbound.http.ads.brokers import Manager, Reader
from adapters.inbound.http.ads.parts import AdParts
from adapters.inbound.http.ads.requests import Shared
from adapters.inbound.http.ads.views import CreativePage, CreativeView, creative_json
from adapters.inbound.http.auth import context_of
from adapters.inbound.http.problems import DOCUMENTED
from adapters.inbound.http.views import View, answer
from commands.kernel.dispatch import Unit
from commands.media import brokers, creatives
from commands.media.brokers import Block, Unblock
from commands.media.creatives import (
    ID,
    CancelTranscoding,
    DiscoverCreative,
    QuarantineCreative,
    ReleaseCreative,
    RequestTranscoding,
)
from domain.media.blocklist import Entry
from domain.media.broker import NAME
from domain.media.creative import CREATIVE, CreativeStatus
from domain.media.errors import CreativeNotFound
from domain.media.identity import identity_of
from domain.media.ladder import LADDER
from domain.media.rendition import CaptionLink
from projections.media.creatives import CREATIVES, CreativeRow

router = APIRouter(prefix="/v1/creatives", tags=["ads"], responses=DOCUMENTED)
blocklist_router = APIRouter(prefix="/v1/blocklist", tags=["ads"], responses=DOCUMENTED)
CreativeId = Annotated[str, Path(pattern=ID)]
PAGE = 100
MOST_AT_ONCE = 50


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Film(Body):
    """``id`` with ``registry`` and ``broker``: as the broker's ads will name it; without them it
    is known by its address."""

    media_url: str = Field(min_length=8, max_length=4_096, pattern="^https?://[^\\s]+$")
    media_type: str = Field("", max_length=100)
    broker: str | None = Field(None, pattern=NAME)
    registry: str | None = Field(None, max_length=200)
    id: str | None = Field(None, max_length=500)
    captions: tuple[CaptionLink, ...] = Field((), max_length=20)


class IngestBody(Body):
    items: list[Film] = Field(min_length=1, max_length=MOST_AT_ONCE)


class QuarantineBody(Body):
    reason: str = Field(min_length=1, max_length=200)


def base_of(parts: AdParts) -> str:
    settings = parts.container.settings
    return settings.films_url or f"{settings.api_url}/media"


async def shown(parts: AdParts, rows: list[CreativeRow]) -> list[dict[str, Any]]:
    moving = [row.creative_id for row in rows if row.status == CreativeStatus.PROGRESSING]
    hints = await parts.container.progress.of(moving)
    return [creative_json(row, hints.get(row.creative_id), base_of(parts)) for row in rows]


async def as_of_now(parts: AdParts, creative_id: str) -> CreativeRow:
    """From the stream itself. Raises ``CreativeNotFound``."""
    row: CreativeRow | None = None
    for one in await parts.container.media.store.read(CREATIVE.stream(creative_id)):
        row = CREATIVES.fold(row, one.event)
    if row is None:
        raise CreativeNotFound("no such creative")
    return row


@router.get("", response_model=CreativePage)
async def list_creatives(
    _: Reader,
    parts: Shared,
    status: CreativeStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
    cursor: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Newest change first. May lag behind a change by moments."""
    query = parts.container.creatives
    wanted = [status] if status else list(CreativeStatus)
    ahead = limit + 1
    pages = await asyncio.gather(*(query.list(one, limit=ahead, before=cursor) for one in wanted))
    found = sorted((row for page, _ in pages for row in page), key=changed, reverse=True)
    rows, more = page_of(found, limit)
    next_cursor = str(int(changed(rows[-1]))) if rows and more else None
    return answer({"items": await shown(parts, rows), "next_cursor": next_cursor})


def page_of(found: list[CreativeRow], limit: int) -> tuple[list[CreativeRow], bool]:
    """The first ``limit``, and whether there are more. Those of one millisecond stay together, for
    the next page begins below it: one request may bring in several films at once."""
    if len(found) <= limit:
        return found, False
    split = changed(found[limit])
    whole = [row for row in found[:limit] if changed(row) > split]
    return whole or found[:limit], True


def changed(row: CreativeRow) -> float:
    """Milliseconds, as the index has them."""
    return int(row.updated_at.timestamp() * 1000)


@router.get("/{creative_id}", response_model=CreativeView)
async def read_creative(creative_id: CreativeId, _: Reader, parts: Shared) -> Response:
    """As of now."""
    [creative] = await shown(parts, [await as_of_now(parts, creative_id)])
    return answer(creative)


@router.post("", status_code=202, response_model=CreativePage)
async def ingest(request: Request, body: IngestBody, _: Manager, parts: Shared) -> Response:
    """Make films ready before an ad request asks for them. What is known already stays as it is."""
    rows = []
    for film in body.items:
        ids = [(film.registry, film.id)] if film.registry and film.id else []
        identity = identity_of(ids, broker=film.broker, media_url=film.media_url)
        message = DiscoverCreative(
            kind=identity.kind,
            identity=identity.text,
            broker=film.broker,
            media_url=film.media_url,
            media_type=film.media_type,
            captions=film.captions,
        )
        await decided(request, parts, creatives.discover, message)
        rows.append(await as_of_now(parts, message.creative_id))
    return answer({"items": await shown(parts, rows), "next_cursor": None}, 202)


async def decided(
    request: Request,
    parts: AdParts,
    handler: Callable[[Unit, Any], Awaitable[Any]],
    message: BaseModel,
) -> Any:
    result, _ = await parts.container.media.dispatcher.execute(
        context_of(request, parts.container.tracer), lambda unit: handler(unit, message)
    )
    return result


async def after(
    request: Request,
    parts: AdParts,
    creative_id: str,
    handler: Callable[[Unit, Any], Awaitable[None]],
    message: BaseModel,
) -> Response:
    await decided(request, parts, handler, message)
    row = await as_of_now(parts, creative_id)
    parts.ready.learn(row)
    [creative] = await shown(parts, [row])
    return answer(creative)


@router.post("/{creative_id}/retry", response_model=CreativeView)
async def retry(request: Request, creative_id: CreativeId, _: Manager, parts: Shared) -> Response:
    """Try again what failed or was canceled, or render by today's ladder what is complete."""
    message = RequestTranscoding(creative_id=creative_id, ladder=LADDER.version)
    return await after(request, parts, creative_id, creatives.request, message)


@router.post("/{creative_id}/cancel", response_model=CreativeView)
async def cancel(request: Request, creative_id: CreativeId, _: Manager, parts: Shared) -> Response:
    message = CancelTranscoding(creative_id=creative_id)
    return await after(request, parts, creative_id, creatives.cancel, message)


@router.post("/{creative_id}/quarantine", response_model=CreativeView)
async def quarantine(
    request: Request, creative_id: CreativeId, body: QuarantineBody, _: Manager, parts: Shared
) -> Response:
    """It is shown no more, by any process within 5 s."""
    message = QuarantineCreative(creative_id=creative_id, reason=body.reason)
    return await after(request, parts, creative_id, creatives.quarantine, message)


@router.post("/{creative_id}/release", response_model=CreativeView)
async def release(request: Request, creative_id: CreativeId, _: Manager, parts: Shared) -> Response:
    message = ReleaseCreative(creative_id=creative_id)
    return await after(request, parts, creative_id, creatives.release, message)


# --- blocklist ------------------------------------------------------------------------------------


class BlockBody(Body):
    entry: Entry
    reason: str = Field("", max_length=200)


class EntryBody(Body):
    entry: Entry


class BlocklistView(View):
    entries: list[Entry]


@blocklist_router.get("", response_model=BlocklistView)
async def read_blocklist(_: Reader, parts: Shared) -> Response:
    """As ad requests see it: 5 s old at most."""
    found = await parts.configured.blocklist()
    return answer({"entries": [one.model_dump(mode="json") for one in found.entries]})


@blocklist_router.post("", response_model=BlocklistView)
async def block(request: Request, body: BlockBody, _: Manager, parts: Shared) -> Response:
    """Ad requests heed it within 5 s."""
    state = await decided(
        request, parts, brokers.block, Block(entry=body.entry, reason=body.reason)
    )
    return answer({"entries": [one.model_dump(mode="json") for one in state.entries]})


@blocklist_router.delete("", response_model=BlocklistView)
async def unblock(request: Request, body: EntryBody, _: Manager, parts: Shared) -> Response:
    state = await decided(request, parts, brokers.unblock, Unblock(entry=body.entry))
    return answer({"entries": [one.model_dump(mode="json") for one in state.entries]})
