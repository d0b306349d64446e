"""Creatives: claim, fetch, render, and what operators may do about them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from commands.kernel.dispatch import Unit
from domain.media import content as contents
from domain.media import creative as creatives
from domain.media.content import CONTENT
from domain.media.creative import CREATIVE, Creative
from domain.media.errors import CreativeNotFound
from domain.media.identity import LONGEST, CreativeId, Identity
from domain.media.rendition import AdFacts, Caption, CaptionLink, Source

ID = "^[a-z2-7]{26}$"


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class DiscoverCreative(Message):
    """``broker`` None: by pre-ingest."""

    kind: Literal["registered", "url"]
    identity: str = Field(max_length=LONGEST)
    broker: str | None = None
    media_url: str = Field(max_length=4_096)
    media_type: str = Field("", max_length=100)
    captions: tuple[CaptionLink, ...] = Field((), max_length=20)
    ad: AdFacts = AdFacts()

    @property
    def creative_id(self) -> CreativeId:
        return Identity(self.kind, self.identity).creative_id


class RecordFetched(Message):
    creative_id: str
    content: str = Field(pattern="^[0-9a-f]{64}$")
    size: int
    original: str
    source: Source
    captions: tuple[Caption, ...] = ()


class RecordFetchFailure(Message):
    creative_id: str
    error: str
    detail: str
    vast_code: int
    retryable: bool


class OnCreative(Message):
    creative_id: str = Field(pattern=ID)


class CancelTranscoding(OnCreative):
    pass


class RequestTranscoding(OnCreative):
    ladder: str = Field(pattern="^[0-9a-f]{8}$")


class QuarantineCreative(OnCreative):
    reason: str = Field(min_length=1, max_length=200)


class ReleaseCreative(OnCreative):
    pass


async def discover(unit: Unit, message: DiscoverCreative) -> Creative:
    """The creative as it is from here on. Only the first to see it stores anything."""
    state = await unit.load(CREATIVE, message.creative_id, cached=True)
    events = creatives.discover(
        state,
        kind=message.kind,
        identity=message.identity,
        broker=message.broker,
        media_url=message.media_url,
        media_type=message.media_type,
        captions=message.captions,
        ad=message.ad,
        by=unit.context.principal,
        at=unit.at,
    )
    unit.append(state, events)
    for event in events:
        state = CREATIVE.fold(state, event)
    return state


async def record_fetched(unit: Unit, message: RecordFetched) -> None:
    """The content is claimed in the same transaction: of two creatives with the same bytes, one
    is linked to the other."""
    state = await known(unit, message.creative_id)
    content = await unit.load(CONTENT, message.content)
    events = creatives.record_fetched(
        state,
        content=message.content,
        size=message.size,
        original=message.original,
        source=message.source,
        captions=message.captions,
        owner=content.creative_id or message.creative_id,
        at=unit.at,
    )
    if events:
        claimed = contents.claim(content, creative_id=message.creative_id, at=unit.at)
        unit.append(content, claimed)
    unit.append(state, events)


async def record_fetch_failure(unit: Unit, message: RecordFetchFailure) -> None:
    state = await known(unit, message.creative_id)
    events = creatives.record_failure(
        state,
        during="fetch",
        error=message.error,
        detail=message.detail,
        vast_code=message.vast_code,
        retryable=message.retryable,
        at=unit.at,
    )
    unit.append(state, events)


async def cancel(unit: Unit, message: CancelTranscoding) -> None:
    """Raises ``NotInFlight``."""
    state = await known(unit, message.creative_id)
    unit.append(state, creatives.cancel(state, by=unit.context.principal, at=unit.at))


async def request(unit: Unit, message: RequestTranscoding) -> None:
    """Raises ``NothingToTry``."""
    state = await known(unit, message.creative_id)
    by = unit.context.principal
    unit.append(state, creatives.request(state, ladder=message.ladder, by=by, at=unit.at))


async def quarantine(unit: Unit, message: QuarantineCreative) -> None:
    state = await known(unit, message.creative_id)
    by = unit.context.principal
    unit.append(state, creatives.quarantine(state, reason=message.reason, by=by, at=unit.at))


async def release(unit: Unit, message: ReleaseCreative) -> None:
    """Raises ``NotQuarantined``."""
    state = await known(unit, message.creative_id)
    unit.append(state, creatives.release(state, by=unit.context.principal, at=unit.at))


async def known(unit: Unit, creative_id: str) -> Creative:
    """Raises ``CreativeNotFound``."""
    state = await unit.load(CREATIVE, creative_id)
    if state.status is None:
        raise CreativeNotFound("no such creative")
    return state
