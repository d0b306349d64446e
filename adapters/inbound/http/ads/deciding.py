"""What of a break can be shown now, what is to be made ready, and what is told of the rest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from adapters.inbound.http.ads.asking import AdRequest
from adapters.inbound.http.ads.configured import Configured
from adapters.inbound.http.ads.lookup import Looked, ReadyCreatives
from adapters.inbound.http.ads.ports import AdsContainer
from adapters.vast import (
    AdBreak,
    LinearCreative,
    NoUsableSource,
    ResolvedAd,
    StreamingMedia,
    source_of,
)
from commands.media import creatives
from commands.media.creatives import DiscoverCreative, RequestTranscoding
from domain.kernel.errors import Conflict, HomecastError, Unavailable
from domain.kernel.recorded import Context
from domain.media.broker import BrokerConfig
from domain.media.creative import CreativeStatus
from domain.media.identity import Identity, canonical, identity_of
from domain.media.ladder import LADDER
from domain.media.rendition import AdFacts, CaptionLink, Rendition
from projections.media.creatives import CREATIVES, CreativeRow

BEING_MADE_READY, BLOCKED, UNDEFINED = 407, 200, 900
CLAIMED_WITHIN = 0.5
"""Seconds that an answer waits for films to be claimed: it has nothing of them, but whoever looks
for them afterwards finds them."""
RENEWED_EVERY = 3600.0
MOST_RENEWED = 50_000
MOST_NEW = 20
"""Films that one break may bring in: a broker that invents films is not followed for ever."""
MOST_TEXT = 200

log = structlog.get_logger("homecast.ads")


@dataclass(frozen=True)
class Wanted:
    """One linear creative of an ad: the film that it needs, or why none can be had."""

    creative: LinearCreative
    identity: Identity | None = None
    message: DiscoverCreative | None = None
    code: int = 0
    reason: str = ""


@dataclass
class Decided:
    """``media``: what ``rewrite`` is given. ``left_out``: code and reason by ``ResolvedAd.key``."""

    media: dict[str, StreamingMedia | None] = field(default_factory=dict)
    creative_ids: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, tuple[int, str]] = field(default_factory=dict)


class Deciding:
    def __init__(
        self, container: AdsContainer, configured: Configured, ready: ReadyCreatives
    ) -> None:
        self._container = container
        self._configured = configured
        self._ready = ready
        self._claims: dict[str, asyncio.Task[None]] = {}
        self._renewed: OrderedDict[str, float] = OrderedDict()
        settings = container.settings
        self._base = settings.films_url or f"{settings.api_url}/media"

    async def decide(self, request: AdRequest, found: Sequence[AdBreak]) -> list[Decided]:
        """Of each break of an answer, in one look. Never raises for what a film is at: what cannot
        be known counts as not ready."""
        ads = [(place, ad) for place, one in enumerate(found) for ad in one.ads]
        wanted = [[self._wanted(request, ad, one) for one in ad.linears] for _, ad in ads]
        await self._keep_blocked_out([ad for _, ad in ads], wanted)
        every = [one for ones in wanted for one in ones if one.identity]
        looked = await self._ready.of(_id(one) for one in every)
        known = looked.rows.keys() | looked.unknown
        await self._claim(request, [one for one in every if _id(one) not in known])
        decided = [Decided() for _ in found]
        for (place, ad), films in zip(ads, wanted, strict=True):
            self._decide_ad(ad, films, looked, decided[place])
        return decided

    async def slate(self, request: AdRequest) -> StreamingMedia | None:
        """The broker's filler, if it is ready."""
        if request.config.slate is None:
            return None
        identity = identity_of([], broker=None, media_url=request.config.slate)
        row = (await self._ready.of([identity.creative_id])).rows.get(identity.creative_id)
        return self._media(row.rendition) if row and row.ready and row.rendition else None

    # --- what is wanted ---------------------------------------------------------------------------

    def _wanted(self, request: AdRequest, ad: ResolvedAd, creative: LinearCreative) -> Wanted:
        try:
            source = source_of(creative)
        except NoUsableSource as error:
            return Wanted(creative, code=error.vast_code, reason="MEDIA_FILE_UNAVAILABLE")
        ids = [(one.registry, one.value) for one in creative.universal_ad_ids]
        keyed = by_key(source.url, request.config)
        identity = identity_of(ids, broker=request.broker, media_url=keyed)
        captions = [
            CaptionLink(language=one.language or "und", media_type=one.type, url=one.url)
            for one in creative.closed_captions
        ]
        try:
            message = DiscoverCreative(
                kind=identity.kind,
                identity=identity.text,
                broker=request.broker,
                media_url=source.url,
                media_type=source.type[:100],
                captions=tuple(captions[:20]),
                ad=facts_of(ad, creative),
            )
        except ValueError:
            return Wanted(creative, code=405, reason="MEDIA_FILE_UNAVAILABLE")
        return Wanted(creative, identity, message)

    async def _keep_blocked_out(
        self, ads: Sequence[ResolvedAd], wanted: Sequence[list[Wanted]]
    ) -> None:
        blocklist = await self._configured.blocklist()
        if not blocklist.entries:
            return
        for ad, films in zip(ads, wanted, strict=True):
            categories = tuple(one.value for one in ad.categories)
            for place, one in enumerate(films):
                if one.identity is None or one.message is None:
                    continue
                blocked = blocklist.blocks(
                    creative_id=one.identity.creative_id,
                    address=canonical(one.message.media_url),
                    advertiser=ad.advertiser or "",
                    categories=categories,
                )
                if blocked:
                    code = 205 if blocked.kind == "category" else BLOCKED
                    films[place] = Wanted(one.creative, code=code, reason="BLOCKED")

    # --- claiming ---------------------------------------------------------------------------------

    async def _claim(self, request: AdRequest, unseen: Sequence[Wanted]) -> None:
        """Whoever comes first; in this process one asks for all who come at the same time."""
        tasks = []
        for one in list({_id(one): one for one in unseen}.values())[:MOST_NEW]:
            creative_id = _id(one)
            if creative_id not in self._claims:
                task = asyncio.create_task(self._claimed(request, one), name="claim")
                self._claims[creative_id] = task
            tasks.append(self._claims[creative_id])
        if tasks:
            await asyncio.wait(tasks, timeout=CLAIMED_WITHIN)

    async def _claimed(self, request: AdRequest, one: Wanted) -> None:
        """A film that cannot be claimed now is claimed by the next request for it."""
        message, creative_id = one.message, _id(one)
        assert message is not None
        context = Context(request.correlation_id, request.request_id, f"broker:{request.broker}")
        try:
            _, recorded = await self._container.media.dispatcher.execute(
                context, lambda unit: creatives.discover(unit, message)
            )
            if recorded:
                self._ready.learn(CREATIVES.fold(None, recorded[0].event))
        except HomecastError as error:
            log.warning("not_claimed", creative=creative_id, code=error.code)
        finally:
            del self._claims[creative_id]

    # --- deciding ---------------------------------------------------------------------------------

    def _decide_ad(
        self,
        ad: ResolvedAd,
        wanted: Sequence[Wanted],
        looked: Looked,
        decided: Decided,
    ) -> None:
        for one in wanted:
            row = looked.rows.get(_id(one)) if one.identity else None
            media = self._media(row.rendition) if row and row.ready and row.rendition else None
            decided.media[one.creative.key] = media
            if one.identity:
                decided.creative_ids[ad.key] = _id(one)
            if media is None and ad.key not in decided.left_out:
                unknown = one.identity is not None and _id(one) in looked.unknown
                decided.left_out[ad.key] = (UNDEFINED, "UNKNOWN") if unknown else left_out(one, row)
            if media and row and row.rendition and row.rendition.ladder != LADDER.version:
                self._renew(row)

    def _renew(self, row: CreativeRow) -> None:
        """By the ladder of today, beside what is shown meanwhile; once an hour and process."""
        now = asyncio.get_running_loop().time()
        creative_id = row.linked_to or row.creative_id
        if self._renewed.get(creative_id, float("-inf")) + RENEWED_EVERY > now:
            return
        self._renewed[creative_id] = now
        self._renewed.move_to_end(creative_id)
        while len(self._renewed) > MOST_RENEWED:
            self._renewed.popitem(last=False)
        task = asyncio.create_task(self._request(creative_id), name="renew")
        self._claims[f"renew {creative_id}"] = task
        task.add_done_callback(lambda _: self._claims.pop(f"renew {creative_id}", None))

    async def _request(self, creative_id: str) -> None:
        message = RequestTranscoding(creative_id=creative_id, ladder=LADDER.version)
        renewal = self._container.ids.new()
        try:
            await self._container.media.dispatcher.execute(
                Context(renewal, renewal, "platform"),
                lambda unit: creatives.request(unit, message),
            )
        except (Conflict, Unavailable) as error:
            log.info("not_renewed", creative=creative_id, code=error.code)

    def _media(self, rendition: Rendition) -> StreamingMedia:
        best, least = rendition.rungs[-1], rendition.rungs[0]
        return StreamingMedia(
            hls_url=f"{self._base}/{rendition.hls}",
            dash_url=f"{self._base}/{rendition.dash}",
            width=best.width,
            height=best.height,
            min_bitrate=max(1, least.average_bandwidth // 1000),
            max_bitrate=max(1, best.bandwidth // 1000),
            codecs=best.codecs,
            duration=timedelta(milliseconds=rendition.duration_ms),
        )

    async def close(self) -> None:
        await asyncio.gather(*self._claims.values(), return_exceptions=True)


def _id(one: Wanted) -> str:
    assert one.identity is not None
    return one.identity.creative_id


def left_out(one: Wanted, row: CreativeRow | None) -> tuple[int, str]:
    """The code for the Error URIs, and the reason as MediaTailor names it."""
    if one.identity is None:
        return one.code, one.reason
    if row is None:
        return BEING_MADE_READY, "NEW_CREATIVE"
    if row.status in (CreativeStatus.QUARANTINED, CreativeStatus.FAILED) and row.vast_code:
        return row.vast_code, "TRANSCODE_ERROR" if row.content else "IMPORT_ERROR"
    if row.status == CreativeStatus.QUARANTINED:
        return BLOCKED, "QUARANTINED"
    if row.status == CreativeStatus.DISCOVERED:
        return BEING_MADE_READY, "IMPORT_IN_PROGRESS"
    return BEING_MADE_READY, "TRANSCODE_IN_PROGRESS"


def by_key(url: str, config: BrokerConfig) -> str:
    return url.partition("?")[0] if config.key == "path" else url


def facts_of(ad: ResolvedAd, creative: LinearCreative) -> AdFacts:
    duration = creative.duration
    return AdFacts(
        ad_id=(ad.ad_id or "")[:MOST_TEXT],
        ad_system=(ad.ad_system or "")[:MOST_TEXT],
        title=(ad.title or "")[:MOST_TEXT],
        advertiser=(ad.advertiser or "")[:MOST_TEXT],
        campaign=(creative.ad_id or "")[:MOST_TEXT],
        duration_ms=int(duration.total_seconds() * 1000) if duration else None,
    )
