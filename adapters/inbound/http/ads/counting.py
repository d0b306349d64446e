"""What an ad break leaves for the statistics: records, and beacons in its answer."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal

from adapters.inbound.http.ads.asking import AdRequest
from adapters.inbound.http.ads.ports import AdsContainer
from adapters.inbound.http.beacons import beacon_url
from adapters.vast import Beacons, ResolvedAd
from domain.media.broker import PriceRule
from projections.media.statistics import (
    TRACKING,
    Facts,
    Kind,
    Outcome,
    Pricing,
    Record,
    clipped,
)

OUTCOMES: Mapping[str, Outcome] = {
    "fill": Outcome.OK,
    "no_ad": Outcome.NO_AD,
    "timeout": Outcome.TIMEOUT,
    "error": Outcome.ERROR,
}
DEAREST = 10_000
"""Of a currency's unit; looked at before anything is reckoned with a number such as 1E+999999."""
SLOTS_MAX = 1000
TOLD = ("start", "firstQuartile", "midpoint", "thirdQuartile", "complete")
SALT = secrets.token_bytes(16)
"""Of this process: sessions that are made of an address mean nothing outside it."""


class Counting:
    def __init__(self, container: AdsContainer) -> None:
        self._container = container

    def request(self, request: AdRequest, outcome: str, milliseconds: float, brought: int) -> None:
        """``brought``: ads of the broker. Nobody tells how many a break has room for, so each of
        them counts as a slot, and a break without any as one."""
        self._offer(
            common(request),
            Kind.REQUEST,
            OUTCOMES[outcome],
            latency_ms=int(milliseconds),
            slots=min(max(brought, 1), SLOTS_MAX),
        )

    def facts(
        self, request: AdRequest, ads: Sequence[ResolvedAd], creative_ids: Mapping[str, str]
    ) -> list[Facts]:
        """Of each ad of an answer. ``creative_ids``: by the key of the ad."""
        asked = common(request)
        return [
            facts_of(request, asked, ad, place, creative_ids.get(ad.key, ""))
            for place, ad in enumerate(ads)
        ]

    def ad(self, facts: Facts, *, code: int, reason: str) -> None:
        outcome = Outcome.SKIPPED if code else Outcome.FILLED
        self._offer(facts, Kind.AD, outcome, reason=reason, error_code=code or None)

    def beacons(self, facts: Facts) -> Beacons:
        container = self._container
        sign = container.beacon_tokens.signer(facts, now=container.clock.now())

        def url(kind: Kind) -> str:
            return beacon_url(container.base_url, kind, sign(kind))

        return Beacons(
            impressions=(url(Kind.IMPRESSION),),
            errors=(url(Kind.ERROR),),
            tracking={event: url(TRACKING[event]) for event in TOLD},
        )

    def _offer(self, facts: Facts, kind: Kind, outcome: Outcome, **more: object) -> None:
        container = self._container
        record = Record.model_validate(
            {
                **facts.model_dump(),
                "event_id": container.ids.new(),
                "occurred_at": container.clock.now(),
                "kind": kind,
                "outcome": outcome,
                **more,
            }
        )
        container.records.offer(record)


def facts_of(
    request: AdRequest, asked: Facts, ad: ResolvedAd, place: int, creative_id: str
) -> Facts:
    campaign = next((one.ad_id for one in ad.linears if one.ad_id), None)
    return asked.model_copy(
        update={
            "ad_id": clipped(ad.ad_id or ""),
            "creative_id": creative_id,
            "campaign": clipped(campaign or ""),
            "advertiser": clipped(ad.advertiser or ""),
            "position": min(place, 999),
            **price_of(request, ad),
        }
    )


def common(request: AdRequest) -> Facts:
    return Facts(
        request_id=request.request_id,
        broker=request.broker,
        service=request.parameter("service", "app", "site", "domain", "channel"),
        session=session_of(request),
        device=device_of(request),
    )


def session_of(request: AdRequest) -> str:
    """Opaque: of the player's own session, or of address and program within this process."""
    given = request.parameter("session", "sessionid", "sid", "ifa", "deviceid")
    if given:
        return hashlib.sha256(given.encode()).hexdigest()[:32]
    seen = f"{request.headers.get('X-Device-IP')} {request.headers.get('X-Device-User-Agent')}"
    return hashlib.sha256(SALT + seen.encode()).hexdigest()[:32]


DEVICES = (
    ("ctv", ("smart-tv", "smarttv", "tizen", "webos", "appletv", "roku", "bravia", "aft")),
    ("tablet", ("ipad", "tablet")),
    ("phone", ("iphone", "android", "mobile")),
    ("desktop", ("windows", "macintosh", "x11", "linux")),
)


def device_of(request: AdRequest) -> str:
    agent = request.headers.get("X-Device-User-Agent", "").lower()
    return next((name for name, marks in DEVICES if any(one in agent for one in marks)), "")


def price_of(request: AdRequest, ad: ResolvedAd) -> dict[str, object]:
    """What the ad says of itself (VAST ``Pricing``), else the broker's first rule that fits."""
    pricing = ad.pricing
    if pricing is not None and pricing.model.upper() in Pricing.__members__:
        return priced(pricing.value, pricing.currency, Pricing[pricing.model.upper()])
    for rule in request.config.prices:
        if fits(rule, ad):
            return priced(rule.cpm, rule.currency, Pricing.CPM)
    return {}


def priced(value: Decimal, currency: str, pricing: Pricing) -> dict[str, object]:
    """Nothing for what no record can hold: brokers may write any number and any currency."""
    if not (0 <= value <= DEAREST and len(currency) == 3 and currency.isascii()):
        return {}
    if not currency.isalpha():
        return {}
    micros = int(value * 1_000_000)
    return {"price_micros": micros, "currency": currency.upper(), "pricing": pricing}


def fits(rule: PriceRule, ad: ResolvedAd) -> bool:
    match rule.match:
        case "any":
            return True
        case "advertiser":
            said = ad.advertiser
        case "ad_system":
            said = ad.ad_system
        case "campaign":
            said = next((one.ad_id for one in ad.linears if one.ad_id), None)
    return (said or "").casefold() == rule.value.casefold()
