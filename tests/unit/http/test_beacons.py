"""Beacons: their tokens, and the route that takes them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from adapters.inbound.http import beacons, problems
from adapters.inbound.http.beacon_tokens import (
    LIFETIME,
    TOKEN_MAX,
    BeaconExpired,
    BeaconKeys,
    BeaconTokens,
    InvalidBeacon,
)
from adapters.inbound.http.beacons import beacon_url
from projections.media.statistics import (
    PLAYED,
    TEXT_MAX,
    Facts,
    Kind,
    Pricing,
    Record,
    StatisticsUnavailable,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEYS = {"k1": os.urandom(64), "k2": os.urandom(64)}
TOKENS = BeaconTokens(BeaconKeys("k1", KEYS))
FACTS = Facts(
    request_id="r1",
    broker="acme",
    ad_id="ad 7",
    creative_id="C1",
    campaign="winter",
    service="tv",
    session="abc",
    price_micros=12_500_000,
    currency="EUR",
    pricing=Pricing.CPM,
    position=2,
)
texts = st.text(max_size=TEXT_MAX + 20)
names = st.text("abcXYZ019_-", max_size=64)
facts = st.builds(
    Facts,
    request_id=names,
    broker=texts,
    ad_id=texts,
    creative_id=names,
    campaign=texts,
    advertiser=texts,
    service=texts,
    session=names,
    device=texts,
    price_micros=st.none() | st.integers(0, 10**10),
    currency=st.sampled_from(["", "EUR"]),
    pricing=st.none() | st.sampled_from(Pricing),
    position=st.integers(0, 999),
)
kinds = st.sampled_from(sorted(PLAYED))


# --- tokens ---------------------------------------------------------------------------------------


@given(kinds, facts)
def test_a_token_brings_back_what_was_signed(kind: Kind, known: Facts) -> None:
    token = TOKENS.sign(kind, known, now=NOW)
    assert len(token) <= TOKEN_MAX
    told = TOKENS.verify(kind, token, now=NOW)
    assert (told.kind, told.facts) == (kind, known)
    assert told == TOKENS.verify(kind, token, now=NOW + timedelta(hours=1)), "also a day later"


def test_the_longest_facts_fit_into_a_token() -> None:
    long, name = "\U0001f600" * TEXT_MAX, "x" * 64
    known = Facts(
        request_id=name, broker=long, ad_id=long, creative_id=name, campaign=long,
        advertiser=long, service=long, session=name, device=long, price_micros=10**10,
        currency="EUR", pricing=Pricing.CPM, position=999,
    )  # fmt: skip
    token = TOKENS.sign(Kind.FIRST_QUARTILE, known, now=NOW)
    assert TOKENS.verify(Kind.FIRST_QUARTILE, token, now=NOW).facts == known


@given(st.data())
def test_any_change_of_a_token_is_refused(data: Any) -> None:
    token = TOKENS.sign(Kind.IMPRESSION, FACTS, now=NOW)
    at = data.draw(st.integers(0, len(token) - 1))
    how = data.draw(st.sampled_from(["replace", "insert", "delete", "cut"]))
    char = data.draw(st.characters())
    changed = {
        "replace": token[:at] + char + token[at + 1 :],
        "insert": token[:at] + char + token[at:],
        "delete": token[:at] + token[at + 1 :],
        "cut": token[:at],
    }[how]
    if changed != token:
        with pytest.raises(InvalidBeacon):
            TOKENS.verify(Kind.IMPRESSION, changed, now=NOW)


@given(st.text(max_size=200) | st.from_regex(r"1\.k1\.[A-Za-z0-9_-]{0,80}=?", fullmatch=True))
def test_whatever_else_comes_is_refused(token: str) -> None:
    with pytest.raises(InvalidBeacon):
        TOKENS.verify(Kind.IMPRESSION, token, now=NOW)


@given(kinds, kinds)
def test_a_token_of_one_event_is_worth_nothing_for_another(one: Kind, other: Kind) -> None:
    token = TOKENS.sign(one, FACTS, now=NOW)
    if one is not other:
        with pytest.raises(InvalidBeacon):
            TOKENS.verify(other, token, now=NOW)


def test_a_token_holds_for_a_day() -> None:
    token = TOKENS.sign(Kind.START, FACTS, now=NOW)
    assert TOKENS.verify(Kind.START, token, now=NOW + LIFETIME)
    with pytest.raises(BeaconExpired):
        TOKENS.verify(Kind.START, token, now=NOW + LIFETIME + timedelta(seconds=1))
    with pytest.raises(InvalidBeacon):
        TOKENS.verify(Kind.START, token, now=NOW - timedelta(hours=1))


def test_keys_rotate_and_an_unknown_key_opens_nothing() -> None:
    token = TOKENS.sign(Kind.START, FACTS, now=NOW)
    later = BeaconTokens(BeaconKeys("k2", KEYS))
    assert later.verify(Kind.START, token, now=NOW).facts == FACTS
    assert later.sign(Kind.START, FACTS, now=NOW).startswith("1.k2.")
    gone = BeaconTokens(BeaconKeys("k2", {"k2": KEYS["k2"]}))
    with pytest.raises(InvalidBeacon):
        gone.verify(Kind.START, token, now=NOW)
    renamed = BeaconTokens(BeaconKeys("k1", {"k1": KEYS["k2"]}))
    with pytest.raises(InvalidBeacon):
        renamed.verify(Kind.START, token, now=NOW)


def test_a_token_shows_nothing_of_the_price() -> None:
    token = TOKENS.sign(Kind.IMPRESSION, FACTS, now=NOW)
    dearer = FACTS.model_copy(update={"price_micros": 99_500_000})
    assert len(TOKENS.sign(Kind.IMPRESSION, dearer, now=NOW)) == len(token)
    assert "12500000" not in token


def test_keys_that_cannot_be_are_refused_and_never_shown() -> None:
    for keys in ({"k1": b"short"}, {"K!": os.urandom(64), "k1": os.urandom(64)}, {}):
        with pytest.raises(ValueError, match="key"):
            BeaconKeys("k1", keys)
    assert "k2" not in repr(BeaconKeys("k1", KEYS))


# --- the route ------------------------------------------------------------------------------------


@dataclass
class Told:
    """Clock, and port ``Records``."""

    time: datetime = NOW
    away: bool = False
    records: list[Record] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    async def put(self, record: Record) -> None:
        if self.away:
            raise StatisticsUnavailable("away")
        self.records.append(record)

    def offer(self, record: Record) -> None:
        self.records.append(record)


@dataclass
class Container:
    records: Told
    clock: Told
    beacon_tokens: BeaconTokens


WorldClient = tuple[Told, httpx.AsyncClient]


@pytest.fixture
async def ads() -> AsyncIterator[WorldClient]:
    world, app = Told(), FastAPI()
    app.state.beacons = Container(world, world, TOKENS)
    app.include_router(beacons.router)
    problems.install(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ads") as client:
        yield world, client


def url(kind: Kind = Kind.IMPRESSION) -> str:
    return beacon_url("http://ads/", kind, TOKENS.sign(kind, FACTS, now=NOW))


async def test_a_beacon_becomes_a_record(ads: WorldClient) -> None:
    world, client = ads
    world.time = NOW + timedelta(minutes=3)
    answer = await client.get(url())
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    [record] = world.records
    assert (record.kind, record.occurred_at) == (Kind.IMPRESSION, world.time)
    assert Facts.model_validate(record.model_dump(include=set(Facts.model_fields))) == FACTS


async def test_a_repeated_beacon_is_the_same_event(ads: WorldClient) -> None:
    world, client = ads
    await client.get(url())
    world.time += timedelta(hours=2)
    await client.post(url())
    await client.get(url(Kind.START))
    ids = [one.event_id for one in world.records]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(("path", "accept"), [(".gif", "*/*"), ("", "image/avif,image/*;q=0.8")])
async def test_who_asks_for_an_image_gets_a_pixel(ads: WorldClient, path: str, accept: str) -> None:
    world, client = ads
    answer = await client.get(url().replace("impression", "impression" + path),
                              headers={"Accept": accept})  # fmt: skip
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content[:6] == b"GIF89a"
    assert len(world.records) == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [("405", 405), ("[ERRORCODE]", 900), ("", 900), ("-1", 900), ("٤٠٥", 900), ("4055", 900)],
)
async def test_a_player_fills_in_its_error_code(ads: WorldClient, told: str, code: int) -> None:
    world, client = ads
    address = url(Kind.ERROR)
    assert address.endswith("&code=[ERRORCODE]")
    answer = await client.get(address.removesuffix("[ERRORCODE]") + told)
    assert answer.status_code == 204
    assert world.records[0].error_code == code


async def test_what_is_wrong_with_a_beacon_is_told_and_nothing_is_recorded(
    ads: WorldClient,
) -> None:
    world, client = ads
    token = parse_qs(urlsplit(url()).query)["t"][0]
    for path, params, status, code in (
        ("start", {"t": token}, 400, "invalid_beacon"),
        ("request", {"t": token}, 400, "invalid_beacon"),
        ("ready", {"t": TOKENS.sign(Kind.READY, FACTS, now=NOW)}, 400, "invalid_beacon"),
        ("impression", {"t": "x"}, 400, "invalid_beacon"),
        ("impression", {}, 422, "invalid_input"),
        ("impression", {"t": "x" * (TOKEN_MAX + 1)}, 422, "invalid_input"),
    ):
        answer = await client.get(f"/beacons/{path}", params=params)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    world.time = NOW + timedelta(days=2)
    late = await client.get(url())
    assert (late.status_code, late.json()["code"]) == (410, "beacon_expired")
    assert not world.records


async def test_a_stream_that_is_away_is_told(ads: WorldClient) -> None:
    world, client = ads
    world.away = True
    answer = await client.get(url())
    assert (answer.status_code, answer.json()["code"]) == (503, "statistics_unavailable")
