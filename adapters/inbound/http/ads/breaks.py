"""An ad break from the question to the answer, and what is told of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from adapters.inbound.http.ads.asking import AdRequest, Asking, address
from adapters.inbound.http.ads.counting import Counting
from adapters.inbound.http.ads.deciding import Decided, Deciding
from adapters.inbound.http.ads.ports import AdsContainer
from adapters.inbound.http.ads.slate import slate_break
from adapters.inbound.http.ads.telling import Answered, Telling, for_us
from adapters.vast import (
    AdBreak,
    Asset,
    Beacons,
    Decisions,
    DocumentRefused,
    ErrorReport,
    FetchFailed,
    FetchTimedOut,
    ResolvedVmapBreak,
    ResolveLimits,
    Version,
    VmapDocument,
    asset_list,
    assets_of,
    parse_vmap,
    render_vmap,
    resolve,
    resolve_vmap,
    rewrite,
)
from adapters.vast.rewrite import chosen
from projections.media.statistics import Facts

MOST_BREAKS = 50
"""Of one VMAP: each may lead to as many requests as one break may make."""
NOTHING = AdBreak("", (), ())
log = structlog.get_logger("homecast.ads")


@dataclass(frozen=True)
class Answer:
    """``body`` None: nothing is ready. ``status``: how the broker was, in a word for a header."""

    body: bytes | None
    status: str
    filled: int
    left_out: int


@dataclass(frozen=True)
class Found:
    """What the broker had. ``broken``: in a word, why it had nothing."""

    breaks: Sequence[ResolvedVmapBreak | AdBreak]
    broken: str = ""

    @property
    def ad_breaks(self) -> list[AdBreak]:
        return [one if isinstance(one, AdBreak) else one.ads for one in self.breaks]


class AdBreaks:
    """``close`` waits for what is still to be told."""

    def __init__(self, container: AdsContainer, deciding: Deciding) -> None:
        self._container = container
        self._deciding = deciding
        self._counting = Counting(container)
        self._telling = Telling(container)

    async def vast(self, request: AdRequest) -> Answer:
        """Never fails for what a broker does: a player wants an answer that it can play past."""
        found, ad_break, decided = await self._one(request)
        version: Version = request.version  # type: ignore[assignment] # checked by the route
        facts = self._facts(request, ad_break, decided)
        beacons = self._beacons(ad_break, decided, facts)
        body = rewrite(ad_break, decided.media, version=version, beacons=beacons)
        filled = shown(ad_break, decided)
        if not filled and (slate := await self._deciding.slate(request)):
            body, filled = rewrite(*await slate_break(slate), version=version), 1
        answered: Answered = "empty" if not filled else "ads"
        self._telling.fire(request, self._tell(request, ad_break, decided, facts, answered))
        return answer_of(body, found, filled, [decided])

    async def assets(self, request: AdRequest) -> Answer:
        """``body`` None: neither an ad nor a filler is ready."""
        found, ad_break, decided = await self._one(request)
        listed = assets_of(ad_break, decided.media)
        filler = None
        if not listed and (slate := await self._deciding.slate(request)):
            filler = Asset(slate.hls_url, slate.duration.total_seconds())
        facts = self._facts(request, ad_break, decided)
        self._telling.fire(request, self._tell(request, ad_break, decided, facts, "list"))
        body = asset_list(listed, filler=filler)
        return answer_of(body, found, len(listed), [decided])

    async def vmap(self, request: AdRequest) -> Answer:
        found = await self._found(request)
        breaks = [one for one in found.breaks if isinstance(one, ResolvedVmapBreak)]
        if len(breaks) < len(found.breaks):  # VAST where VMAP was wanted: one pre-roll
            breaks = [preroll(one) for one in found.ad_breaks]
        decided = await self._deciding.decide(request, found.ad_breaks)
        version: Version = request.version  # type: ignore[assignment] # checked by the route
        pairs = list(zip(found.ad_breaks, decided, strict=True))
        filled = [shown(*pair) for pair in pairs]
        facts = [self._facts(request, *pair) for pair in pairs]
        beacons = [self._beacons(*pair, told) for pair, told in zip(pairs, facts, strict=True)]
        written, media = await self._filled_up(request, breaks, decided, filled)
        body = render_vmap(written, media, version=version, beacons=beacons)
        reports: list[ErrorReport] = []
        for pair, told, one, as_written in zip(pairs, facts, breaks, written, strict=True):
            answered: Answered = "ads" if shown(*pair) or as_written is not one else "empty"
            reports += [*self._tell(request, *pair, told, answered), *one.reports]
        self._telling.fire(request, reports)
        return answer_of(body, found, sum(filled), decided)

    async def _filled_up(
        self,
        request: AdRequest,
        breaks: Sequence[ResolvedVmapBreak],
        decided: Sequence[Decided],
        filled: Sequence[int],
    ) -> tuple[list[ResolvedVmapBreak], list[Decisions]]:
        """With the slate in those linear breaks in which nothing is shown."""
        media: list[Decisions] = [one.media for one in decided]
        slate = None if all(filled) else await self._deciding.slate(request)
        if slate is None:
            return list(breaks), media
        ads, of_slate = await slate_break(slate)
        written = list(breaks)
        for place, one in enumerate(breaks):
            if not filled[place] and "linear" in one.described.break_type.split(","):
                written[place], media[place] = replace(one, ads=ads), of_slate
        return written, media

    async def close(self) -> None:
        await self._telling.close()

    # --- asking -----------------------------------------------------------------------------------

    async def _one(self, request: AdRequest) -> tuple[Found, AdBreak, Decided]:
        """One break: of a VMAP, its first."""
        found = await self._found(request)
        breaks = found.ad_breaks[:1]
        if not breaks:
            return found, NOTHING, Decided()
        [decided] = await self._deciding.decide(request, breaks)
        return found, breaks[0], decided

    async def _found(self, request: AdRequest) -> Found:
        asking = Asking(request, self._container)
        config, limits = request.config, limits_of(request)
        outcome = "error"
        try:
            body = await asking.broker(address(request, self._container))
            # What is there when the time is over is kept, so ``resolve`` is told how much is left.
            left = replace(limits, total=limits.total - asking.milliseconds / 1000)
            breaks = await self._resolved(config.format, body, asking, left)
            found = Found(breaks)
            outcome = "fill" if any(one.ads for one in found.ad_breaks) else "no_ad"
        except FetchTimedOut:
            outcome, found = "timeout", Found([], "timeout")
        except (FetchFailed, DocumentRefused) as error:
            found = Found([], asking.error or type(error).__name__)
        self._container.health.record(
            request.broker,
            outcome,  # type: ignore[arg-type] # one of the four
            asking.milliseconds,
            found.broken,
        )
        brought = sum(len(one.ads) for one in found.ad_breaks)
        self._counting.request(request, outcome, asking.milliseconds, brought)
        if found.broken:
            log.info("broker_failed", broker=request.broker, reason=found.broken)
        return found

    async def _resolved(
        self, wanted: str, body: bytes, asking: Asking, limits: ResolveLimits
    ) -> Sequence[ResolvedVmapBreak | AdBreak]:
        """A VMAP that comes where VAST was configured is taken too, and the other way round."""
        document = vmap_in(body) if wanted == "vmap" or b"VMAP" in body[:400] else None
        if document is not None:
            few = replace(document, breaks=document.breaks[:MOST_BREAKS])
            return await resolve_vmap(few, asking, limits)
        return [await resolve(body, asking, limits)]

    # --- telling ----------------------------------------------------------------------------------

    def _facts(self, request: AdRequest, ad_break: AdBreak, decided: Decided) -> list[Facts]:
        return self._counting.facts(request, ad_break.ads, decided.creative_ids)

    def _beacons(
        self, ad_break: AdBreak, decided: Decided, facts: Sequence[Facts]
    ) -> Mapping[str, Beacons]:
        return {
            ad.key: self._counting.beacons(of_it)
            for ad, of_it in zip(ad_break.ads, facts, strict=True)
            if ad.key not in decided.left_out
        }

    def _tell(
        self,
        request: AdRequest,
        ad_break: AdBreak,
        decided: Decided,
        facts: Sequence[Facts],
        answered: Answered,
    ) -> list[ErrorReport]:
        """The reports of a break: of its ads that are left out, and of what went wrong before."""
        reports = []
        for ad, of_it in zip(ad_break.ads, facts, strict=True):
            code, reason = decided.left_out.get(ad.key, (0, ""))
            self._counting.ad(of_it, code=code, reason=reason)
            if code:
                reports.append(ErrorReport(code, ad.error_urls, reason))
        return reports + for_us(ad_break, request, answered)


def answer_of(body: bytes | None, found: Found, filled: int, decided: Sequence[Decided]) -> Answer:
    left_out = sum(len(one.left_out) for one in decided)
    return Answer(body, found.broken or ("ok" if found.ad_breaks else "no_ad"), filled, left_out)


def limits_of(request: AdRequest) -> ResolveLimits:
    config = request.config
    return ResolveLimits(
        depth=config.wrapper_depth,
        total=config.total_limit_ms / 1000,
        each=config.time_limit_ms / 1000,
    )


def vmap_in(body: bytes) -> VmapDocument | None:
    """None for what is VAST."""
    try:
        return parse_vmap(body)
    except DocumentRefused:
        return None


def preroll(ad_break: AdBreak) -> ResolvedVmapBreak:
    """VAST as VMAP's one break."""
    described = parse_vmap(
        b'<vmap:VMAP xmlns:vmap="http://www.iab.net/videosuite/vmap" version="1.0"><vmap:AdBreak '
        b'timeOffset="start" breakType="linear" breakId="preroll"/></vmap:VMAP>'
    ).breaks[0]
    return ResolvedVmapBreak(described, ad_break)


def shown(ad_break: AdBreak, decided: Decided) -> int:
    pod, alone = chosen(ad_break, decided.media)
    return len(pod) + len(alone)
