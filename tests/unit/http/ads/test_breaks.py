"""Ad requests: who may ask, what comes back, what is told; nothing a broker says breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.inbound.http.ads import deciding
from adapters.inbound.http.ads.parts import AdParts
from adapters.outbound.web.errors import RemoteRefused, RemoteTimeout
from adapters.vast import parse
from commands.accounts.tokens import ADS_MANAGE, ADS_READ, ADS_REQUEST
from domain.media.creative import TranscodingRequested
from domain.media.ladder import LADDER, Ladder
from projections.media.statistics import Kind, Outcome
from tests.support import grants
from tests.unit.http.ads.world import AdsWorld
from tests.unit.http.world import Client

BROKER = "http://broker.example"


def ad(number: int, film: str, *, universal: str = "unknown", more: str = "") -> str:
    calls = f"{BROKER}/calls"
    return (
        f'<Ad id="ad-{number}" sequence="{number}"><InLine><AdSystem>Test</AdSystem>'
        f"<Error><![CDATA[{calls}/error?ad={number}&code=[ERRORCODE]]]></Error>"
        f"<Impression><![CDATA[{calls}/impression?ad={number}&x=%5B1%5D]]></Impression>"
        f"<AdServingId>s{number}</AdServingId><AdTitle>Ad {number}</AdTitle>{more}<Creatives>"
        f'<Creative><UniversalAdId idRegistry="r.example">{universal}</UniversalAdId><Linear>'
        "<Duration>00:00:15</Duration><MediaFiles><MediaFile delivery="
        '"progressive" type="video/mp4" width="640" height="360" bitrate="900">'
        f"<![CDATA[{film}]]></MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad>"
    )


def vast(*ads: str) -> bytes:
    head = '<VAST xmlns="http://www.iab.com/VAST" version="4.2">'
    return f"{head}{''.join(ads)}</VAST>".encode()


@pytest.fixture
def world() -> AdsWorld:
    return AdsWorld()


@pytest.fixture
async def running(world: AdsWorld) -> AsyncIterator[tuple[FastAPI, AdParts]]:
    async with world.app() as one:
        yield one


@pytest.fixture
async def api(
    world: AdsWorld, running: tuple[FastAPI, AdParts]
) -> AsyncIterator[httpx.AsyncClient]:
    token = await world.api.token(scopes=(ADS_READ, ADS_MANAGE, ADS_REQUEST))
    client = Client(running[0], token)
    async with client.http:
        yield client.http


async def configured(api: httpx.AsyncClient, **config: Any) -> None:
    body = {"url": f"{BROKER}/vast?cb=[CACHEBUSTING]&ua=[DEVICEUA]", **config}
    answer = await api.put("/v1/brokers/acme", json=body)
    assert answer.status_code == 200, answer.text


async def settled(parts: AdParts) -> None:
    await parts.breaks.close()


async def test_unseen_films_are_left_out_claimed_and_told_and_shown_once_they_are_ready(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast(
        ad(1, "http://films.example/1.mp4"), ad(2, "http://films.example/2.mp4")
    )
    first = await api.get("/v1/brokers/acme/vast", params={"pos": "mid", "key": "hidden"})
    assert first.status_code == 200
    assert parse(first.content).ads == []
    assert first.headers["homecast-ad-status"] == "ok;filled=0;left-out=2"
    url, headers = world.documents.asked[0]
    assert "pos=mid" in url
    assert "hidden" not in url
    assert "[CACHEBUSTING]" not in url
    assert headers["User-Agent"] == "homecast"
    await settled(running[1])
    told = [one.body["url"] for one in world.kept.effects]
    assert told == [f"{BROKER}/calls/error?ad={number}&code=407" for number in (1, 2)]
    ids = await world.creative_ids()
    assert len(ids) == 2
    for one in ids:
        await world.make_ready(one)
    running[1].ready._entries.clear()
    shown = await api.get("/v1/brokers/acme/vast")
    assert len(parse(shown.content).ads) == 2
    assert f"{BROKER}/calls/impression?ad=1&x=%5B1%5D" in shown.text
    assert "/media/renditions/" in shown.text
    assert "http://beacons.example/beacons/impression?" in shown.text


async def test_films_whose_id_is_unknown_are_not_one_film(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api)
    films = [ad(n, f"http://films.example/{n}.mp4", universal="unknown") for n in (1, 2, 3)]
    films.append(ad(4, "http://films.example/1.mp4?Expires=77#x", universal="UNKNOWN"))
    world.documents.answers[f"{BROKER}/vast"] = vast(*films)
    await api.get("/v1/brokers/acme/vast")
    assert len(await world.creative_ids()) == 3


async def test_two_hundred_at_once_claim_a_film_once_and_a_ready_one_asks_nobody(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast(ad(1, "http://films.example/1.mp4"))
    await asyncio.gather(*(api.get("/v1/brokers/acme/vast") for _ in range(200)))
    [creative_id] = await world.creative_ids()
    assert len(await world.media.events(f"creative-{creative_id}")) == 1
    await world.make_ready(creative_id)
    running[1].ready._entries.clear()
    await api.get("/v1/brokers/acme/vast")
    asked = world.creatives.asked[creative_id]
    for _ in range(20):
        shown = await api.get("/v1/brokers/acme/vast")
        assert len(parse(shown.content).ads) == 1
    assert world.creatives.asked[creative_id] == asked


async def test_what_is_blocked_is_neither_fetched_nor_shown(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    entry = {"kind": "advertiser", "value": "acme"}
    assert (await api.post("/v1/blocklist", json={"entry": entry})).status_code == 200
    said = "<Advertiser>ACME</Advertiser>"
    world.documents.answers[f"{BROKER}/vast"] = vast(ad(1, "http://films.example/1.mp4", more=said))
    await api.get("/v1/brokers/acme/vast")
    assert await world.creative_ids() == []
    await settled(running[1])
    assert [one.body["code"] for one in world.kept.effects] == [200]


async def test_a_quarantined_film_is_shown_no_more(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast(ad(1, "http://films.example/1.mp4"))
    await api.get("/v1/brokers/acme/vast")
    [creative_id] = await world.creative_ids()
    await world.make_ready(creative_id)
    running[1].ready._entries.clear()
    assert len(parse((await api.get("/v1/brokers/acme/vast")).content).ads) == 1
    body = {"reason": "unfair"}
    answer = await api.post(f"/v1/creatives/{creative_id}/quarantine", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, "QUARANTINED")
    assert parse((await api.get("/v1/brokers/acme/vast")).content).ads == []
    again = await api.post(f"/v1/creatives/{creative_id}/release")
    assert again.json()["status"] == "RELEASED"
    assert len(parse((await api.get("/v1/brokers/acme/vast")).content).ads) == 1


@pytest.mark.parametrize(
    ("body", "status", "outcome"),
    [
        (RemoteTimeout("slow"), "timeout", "timeout"),
        (b"not xml at all", "NotXml", "error"),
        (b"", "ok", "no_ad"),
        (vast(), "ok", "no_ad"),
        (b"<VAST version='1.0'/>", "VersionUnsupported", "error"),
        (
            b'<!DOCTYPE a [<!ENTITY b "c">]><VAST version="4.2">&b;</VAST>',
            "MarkupForbidden",
            "error",
        ),
    ],
)
async def test_a_broker_that_fails_gives_an_empty_answer(
    world: AdsWorld, api: httpx.AsyncClient, body: Any, status: str, outcome: str
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = body
    answer = await api.get("/v1/brokers/acme/vast")
    assert answer.status_code == 200
    assert parse(answer.content).ads == []
    assert answer.headers["homecast-ad-status"].startswith(f"{status};")
    assert world.health.recorded == [("acme", outcome)]
    assert (await api.get("/v1/brokers/acme/assets")).json()["code"] == "no_ad_ready"


async def test_a_slate_fills_a_break_in_which_nothing_is_ready(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api, slate="http://films.example/slate.mp4")
    world.documents.answers[f"{BROKER}/vast"] = vast()
    [creative_id] = await world.creative_ids()
    await world.make_ready(creative_id)
    for version in ("2.0", "3.0", "4.0", "4.1", "4.2"):
        answer = await api.get("/v1/brokers/acme/vast", params={"version": version})
        assert len(parse(answer.content).ads) == 1, version
    assets = (await api.get("/v1/brokers/acme/assets")).json()["ASSETS"]
    assert [one["DURATION"] for one in assets] == [15.04]


async def test_that_there_is_no_ad_is_told_by_us_where_the_answer_has_no_place_for_it(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api, slate="http://films.example/slate.mp4")
    error = f"<Error><![CDATA[{BROKER}/error?code=[ERRORCODE]]]></Error>"
    world.documents.answers[f"{BROKER}/vast"] = vast(error)

    async def told(route: str, version: str) -> list[str]:
        world.kept.effects.clear()
        await api.get(f"/v1/brokers/acme/{route}", params={"version": version})
        await settled(running[1])
        return [one.body["url"] for one in world.kept.effects]

    ours = [f"{BROKER}/error?code=303"]
    assert await told("vast", "4.2") == [], "the player finds it in the answer"
    assert await told("vast", "3.0") == ours
    assert await told("assets", "4.2") == ours
    [creative_id] = await world.creative_ids()
    await world.make_ready(creative_id)
    running[1].ready._entries.clear()
    assert await told("vast", "4.2") == ours, "the slate has taken the place"


async def test_who_may_ask_has_a_token_of_that_scope_or_a_key_of_that_broker(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    await api.put("/v1/brokers/other", json={"url": f"{BROKER}/vast"})
    world.documents.answers[f"{BROKER}/vast"] = vast()
    made = (await api.post("/v1/brokers/acme/keys", json={"label": "tv"})).json()
    async with Client(running[0], None).http as anybody:

        async def code(broker: str, **query: str) -> str:
            answer = await anybody.get(f"/v1/brokers/{broker}/vast", params=query)
            return "ok" if answer.is_success else str(answer.json()["code"])

        assert await code("acme", key=made["key"]) == "ok"
        assert await code("other", key=made["key"]) == "invalid_ad_key"
        assert await code("acme") == "unauthenticated"
        assert await code("acme", key="hcp_" + "x" * 43) == "invalid_ad_key"
        assert await code("acme", key="'; drop table") == "invalid_ad_key"
    async with Client(running[0], await world.api.token()).http as account:
        answer = await account.get("/v1/brokers/acme/vast")
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert (await account.get("/v1/creatives")).status_code == 403
        assert (await account.put("/v1/brokers/x", json={"url": BROKER})).status_code == 403


async def test_a_service_asks_for_ads_with_a_token_of_its_own(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    grant = await grants.give(
        world.vault,
        world.ids.new(),
        account_id=None,
        client_id="player",
        scopes=[ADS_REQUEST],
        now=world.clock.now(),
    )
    renewed = await grant.another(world.clock.now())
    for token in (grant.token, renewed):
        async with Client(running[0], token).http as service:
            assert (await service.get("/v1/brokers/acme/vast")).is_success
    counted = [key for key in world.counters.values if key.startswith("ads:")]
    assert len(counted) == 1, "by client"
    assert counted[0].startswith("ads:client:player:")
    await grant.revoke(world.api.token_states)
    async with Client(running[0], renewed).http as service:
        answer = await service.get("/v1/brokers/acme/vast")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_vmap_has_its_breaks_with_the_ads_of_each(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api, format="vmap")
    breaks = [
        f'<vmap:AdBreak timeOffset="{offset}" breakType="linear"><vmap:AdSource id="{film}">'
        f"<vmap:VASTAdData>{vast(ad(1, f'http://films.example/{film}.mp4')).decode()}"
        "</vmap:VASTAdData></vmap:AdSource></vmap:AdBreak>"
        for offset, film in (("start", "first"), ("end", "second"))
    ]
    head = '<vmap:VMAP xmlns:vmap="http://www.iab.net/videosuite/vmap" version="1.0">'
    document = f"{head}{''.join(breaks)}</vmap:VMAP>"
    world.documents.answers[f"{BROKER}/vast"] = document.encode()
    await api.get("/v1/brokers/acme/vmap")
    found = {one.media_url: one.creative_id for one in await world.rows()}
    await world.make_ready(found["http://films.example/second.mp4"])
    running[1].ready._entries.clear()
    answer = await api.get("/v1/brokers/acme/vmap")
    start, end = answer.text.split("</vmap:AdBreak>")[:2]
    assert "<Ad " not in start
    assert "<Ad " in end


async def test_ads_leave_records_of_what_was_asked_filled_and_left_out(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    price = {"match": "any", "cpm": "8.5", "currency": "EUR"}
    await configured(api, prices=[price])
    films = [ad(n, f"http://films.example/{n}.mp4") for n in (1, 2)]
    world.documents.answers[f"{BROKER}/vast"] = vast(*films)
    await api.get("/v1/brokers/acme/vast", params={"service": "tv"})
    request, left_out, _ = world.kept.records
    assert request.slots == len(films)
    assert (request.kind, request.outcome, request.service) == (Kind.REQUEST, Outcome.OK, "tv")
    assert (left_out.kind, left_out.outcome) == (Kind.AD, Outcome.SKIPPED)
    assert (left_out.error_code, left_out.reason) == (407, "NEW_CREATIVE")
    assert (left_out.price_micros, left_out.currency) == (8_500_000, "EUR")
    assert request.request_id == left_out.request_id
    world.documents.answers[f"{BROKER}/vast"] = vast()
    await api.get("/v1/brokers/acme/vast")
    assert (world.kept.records[-1].outcome, world.kept.records[-1].slots) == (Outcome.NO_AD, 1)


WHOLE = vast(ad(1, "http://films.example/1.mp4"), ad(2, "http://films.example/2.mp4"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
async def test_nothing_that_a_broker_says_makes_an_error_of_ours(data: st.DataObject) -> None:
    world = AdsWorld()
    body = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(0, 8))):
        place = data.draw(st.integers(0, len(body) - 1))
        piece = data.draw(st.binary(max_size=6) | st.sampled_from([b"<", b"&", b"]]>", b"\0"]))
        body[place : place + data.draw(st.integers(0, 30))] = piece
    world.documents.answers[f"{BROKER}/vast"] = bytes(body)
    async with world.app() as (app, _):
        token = await world.api.token(scopes=(ADS_READ, ADS_MANAGE, ADS_REQUEST))
        async with Client(app, token).http as api:
            await configured(api)
            for route in ("vast", "vmap", "assets"):
                answer = await api.get(f"/v1/brokers/acme/{route}")
                assert answer.status_code in (200, 404), (route, answer.text)
                if route == "vast":
                    parse(answer.content)


def told(world: AdsWorld) -> list[str]:
    return [one.body["url"] for one in world.kept.effects]


def wrapped(url: str) -> str:
    return (
        f'<Ad id="w"><Wrapper><AdSystem>W</AdSystem><VASTAdTagURI><![CDATA[{url}]]></VASTAdTagURI>'
        f"<Error><![CDATA[{BROKER}/wrapper?code=[ERRORCODE]]]></Error></Wrapper></Ad>"
    )


async def test_macros_in_the_address_of_a_wrapper_are_filled(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api)
    inner = f"{BROKER}/inner?cb=[CACHEBUSTING]&ip=[DEVICEIP]&ifa=[IFA]&own=[OURS]"
    world.documents.answers[f"{BROKER}/vast"] = vast(wrapped(inner))
    world.documents.answers[f"{BROKER}/inner"] = vast(ad(1, "http://films.example/1.mp4"))
    await api.get("/v1/brokers/acme/vast", params={"ifa": "a b"})
    [_, (url, _)] = world.documents.asked
    query = httpx.URL(url).params
    assert query["cb"].isdigit()
    assert query["ip"] == "127.0.0.1"
    assert (query["ifa"], query["own"]) == ("a b", "[OURS]")


async def test_whose_device_it_is_counts_from_trusted_servers_only(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast()
    await api.get("/v1/brokers/acme/vast", params={"deviceip": "192.0.2.9", "DeviceUA": "x"})
    [(url, headers)] = world.documents.asked
    assert "192.0.2.9" not in url + str(headers)
    assert "DeviceUA" not in url


ROOT = f"{BROKER}/root?code=[ERRORCODE]"
EMPTY = f'<VAST version="4.2"><Error><![CDATA[{ROOT}]]></Error></VAST>'.encode()


@pytest.mark.parametrize(
    ("route", "version", "by_us"),
    [("vast", "4.2", 0), ("vast", "3.0", 1), ("vast", "2.0", 1), ("vmap", "4.1", 0),
     ("assets", None, 1)],
)  # fmt: skip
async def test_no_ad_is_told_once_by_the_player_or_by_us(
    world: AdsWorld,
    api: httpx.AsyncClient,
    running: tuple[FastAPI, AdParts],
    route: str,
    version: str | None,
    by_us: int,
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = EMPTY
    params = {"version": version} if version else {}
    answer = await api.get(f"/v1/brokers/acme/{route}", params=params)
    await settled(running[1])
    assert told(world) == [ROOT.replace("[ERRORCODE]", "303")] * by_us
    assert (ROOT in answer.text) == (not by_us)


async def test_a_slate_does_not_hide_from_the_broker_that_it_had_no_ad(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api, slate="http://films.example/slate.mp4")
    world.documents.answers[f"{BROKER}/vast"] = EMPTY
    [creative_id] = await world.creative_ids()
    await world.make_ready(creative_id)
    answer = await api.get("/v1/brokers/acme/vast")
    assert ROOT not in answer.text
    await settled(running[1])
    assert told(world) == [ROOT.replace("[ERRORCODE]", "303")]


async def test_wrappers_without_an_ad_behind_them_are_told_by_us(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    """Their Error URIs stand in no answer, whatever its version."""
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast(wrapped(f"{BROKER}/inner"))
    world.documents.answers[f"{BROKER}/inner"] = vast()
    await api.get("/v1/brokers/acme/vast")
    await settled(running[1])
    assert told(world) == [f"{BROKER}/wrapper?code=303"]


async def test_a_broker_that_refuses_is_still_asked_one_that_is_silent_is_spared(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = RemoteRefused("no", status=403)
    for _ in range(8):
        await api.get("/v1/brokers/acme/vast")
    assert len(world.documents.asked) == 8
    world.documents.answers[f"{BROKER}/vast"] = RemoteTimeout("slow")
    answers = [await api.get("/v1/brokers/acme/vast") for _ in range(8)]
    assert len(world.documents.asked) == 13
    assert answers[-1].headers["homecast-ad-status"].startswith("breaker_open;")


async def test_an_address_that_gets_too_long_is_refused_not_cut(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    await configured(api)
    many: list[dict[str, str]] = [
        {f"p{number}": "x" for number in range(201)},
        {"p": "x" * 25_000},
    ]
    for params in many:
        answer = await api.get("/v1/brokers/acme/vast", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert world.documents.asked == []


async def test_a_broker_cannot_make_us_call_without_end(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    films = [ad(n, f"http://films.example/{n}.mp4") for n in range(1, 301)]
    world.documents.answers[f"{BROKER}/vast"] = vast(*films)
    await api.get("/v1/brokers/acme/vast")
    await settled(running[1])
    assert len(told(world)) == 200
    one = (
        '<vmap:AdBreak timeOffset="start" breakType="linear"><vmap:AdSource>'
        f"<vmap:AdTagURI>{BROKER}/one</vmap:AdTagURI></vmap:AdSource></vmap:AdBreak>"
    )
    head = '<vmap:VMAP xmlns:vmap="http://www.iab.net/videosuite/vmap" version="1.0">'
    world.documents.answers[f"{BROKER}/vast"] = f"{head}{one * 300}</vmap:VMAP>".encode()
    world.documents.asked.clear()
    assert (await api.get("/v1/brokers/acme/vmap")).status_code == 200
    assert len(world.documents.asked) == 1 + 50


def let_pass(parts: AdParts, seconds: float) -> None:
    """For what is remembered of films, brokers and the blocklist."""
    for entry in parts.ready._entries.values():
        entry.at -= seconds
    remembered: list[Any] = [*parts.configured._brokers.values(), parts.configured._blocklist]
    for one in remembered:
        if one._value is not None:
            value, at = one._value
            one._value = value, at - seconds


async def count(api: httpx.AsyncClient) -> int:
    answer = await api.get("/v1/brokers/acme/vast")
    assert answer.status_code == 200, answer.text
    return len(parse(answer.content).ads)


@pytest.fixture
async def linked(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> tuple[str, str]:
    """Two ads whose films have the same bytes: the one that is rendered, and the other."""
    await configured(api)
    films = [ad(n, f"http://films.example/{n}.mp4") for n in (1, 2)]
    world.documents.answers[f"{BROKER}/vast"] = vast(*films)
    await api.get("/v1/brokers/acme/vast")
    by_url = {row.media_url: row.creative_id for row in await world.rows()}
    first, second = (by_url[f"http://films.example/{n}.mp4"] for n in (1, 2))
    await world.make_ready(first)
    await world.link(second, first)
    let_pass(running[1], 10)
    return first, second


async def test_a_linked_film_is_as_ready_as_the_other_and_asks_the_store_no_more_often(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts], linked: Any
) -> None:
    assert await count(api) == 2
    batches, reads = world.creatives.batches, world.store.reads
    let_pass(running[1], 2)
    assert await count(api) == 2
    assert (world.creatives.batches, world.store.reads) == (batches, reads)


async def test_what_is_about_to_be_old_is_read_beside_the_answer(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts], linked: Any
) -> None:
    await count(api)
    let_pass(running[1], 3)
    world.creatives.away = world.store.away = True
    assert await count(api) == 2, "nobody waits for the store"
    await running[1].ready.close()
    world.creatives.away = world.store.away = False
    let_pass(running[1], 1)
    asked = world.creatives.asked.copy()
    assert await count(api) == 2
    await running[1].ready.close()
    assert world.creatives.asked - asked == dict.fromkeys(linked, 1)


async def test_a_linked_film_is_told_as_what_the_other_one_is_at(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts], linked: Any
) -> None:
    answer = await api.post(f"/v1/creatives/{linked[0]}/quarantine", json={"reason": "unfair"})
    assert answer.status_code == 200
    let_pass(running[1], 10)
    await settled(running[1])
    world.kept.effects.clear()
    assert await count(api) == 0
    await settled(running[1])
    assert [one.body["code"] for one in world.kept.effects] == [200, 200]


async def test_ads_go_on_without_the_store_as_long_as_a_quarantine_may_take_to_be_seen(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts], linked: Any
) -> None:
    assert await count(api) == 2
    await settled(running[1])
    world.kept.effects.clear()
    world.creatives.away = world.store.away = True
    let_pass(running[1], 4)
    assert await count(api) == 2
    let_pass(running[1], 4)
    assert await count(api) == 0
    await settled(running[1])
    assert [one.body["code"] for one in world.kept.effects] == [900, 900]
    let_pass(running[1], 60)
    answer = await api.get("/v1/brokers/acme/vast")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    world.creatives.away = world.store.away = False
    assert await count(api) == 2


async def test_pages_of_any_site_may_ask_and_read_what_is_wrong(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api)
    world.documents.answers[f"{BROKER}/vast"] = vast()
    async with Client(running[0], None).http as anybody:
        leave = await anybody.options("/v1/brokers/acme/vast")
        assert leave.status_code == 204
        assert "Authorization" in leave.headers["access-control-allow-headers"]
        refused = await anybody.get("/v1/brokers/acme/vast")
        assert refused.status_code == 401
        nothing = await api.get("/v1/brokers/acme/assets")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "no_ad_ready")
        assert nothing.headers["homecast-ad-status"] == "ok;filled=0;left-out=0"
        given = await api.get("/v1/brokers/acme/vast")
        for answer in (leave, refused, nothing, given):
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "access-control-allow-origin" not in (await api.get("/v1/brokers")).headers
        assert given.headers["cache-control"] == "no-store"


async def test_hops_in_several_headers_are_one_way(world: AdsWorld) -> None:
    world.settings = world.settings.model_copy(update={"trusted_proxies": "127.0.0.0/8,10.0.0.0/8"})
    world.documents.answers[f"{BROKER}/vast"] = vast()
    async with world.app() as (app, _):
        token = await world.api.token(scopes=(ADS_READ, ADS_MANAGE, ADS_REQUEST))
        async with Client(app, token).http as api:
            await configured(api)
            hops = [("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "10.0.0.2")]
            await api.get("/v1/brokers/acme/vast", headers=hops)
    [(_, headers)] = world.documents.asked
    assert headers["X-Device-IP"] == "198.51.100.7"


async def test_a_slate_fills_the_empty_breaks_of_a_programme(
    world: AdsWorld, api: httpx.AsyncClient, running: tuple[FastAPI, AdParts]
) -> None:
    await configured(api, format="vmap", slate="http://films.example/slate.mp4")
    [slate] = await world.creative_ids()
    await world.make_ready(slate)
    breaks = "".join(
        f'<vmap:AdBreak timeOffset="{offset}" breakType="{kind}"><vmap:AdSource>'
        f"<vmap:VASTAdData>{document.decode()}</vmap:VASTAdData></vmap:AdSource></vmap:AdBreak>"
        for offset, kind, document in (
            ("start", "linear", EMPTY),
            ("00:01:00", "display", vast()),
            ("end", "linear", vast(ad(1, "http://films.example/1.mp4"))),
        )
    )
    head = '<vmap:VMAP xmlns:vmap="http://www.iab.net/videosuite/vmap" version="1.0">'
    world.documents.answers[f"{BROKER}/vast"] = f"{head}{breaks}</vmap:VMAP>".encode()
    await api.get("/v1/brokers/acme/vmap")
    await world.make_ready(next(one for one in await world.creative_ids() if one != slate))
    let_pass(running[1], 10)
    await settled(running[1])
    world.kept.effects.clear()
    answer = await api.get("/v1/brokers/acme/vmap")
    start, middle, end = answer.text.split("</vmap:AdBreak>")[:3]
    assert '<Ad id="slate"' in start
    assert "<Ad " not in middle
    assert '<Ad id="ad-1"' in end
    assert "beacons" not in start
    await settled(running[1])
    assert told(world) == [ROOT.replace("[ERRORCODE]", "303")]


async def test_a_film_of_an_old_ladder_is_shown_and_asked_for_anew_once_an_hour(
    world: AdsWorld,
    api: httpx.AsyncClient,
    running: tuple[FastAPI, AdParts],
    linked: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = Ladder(LADDER.steps[:-1])
    monkeypatch.setattr(deciding, "LADDER", newer)
    first, second = linked
    for _ in range(5):
        assert await count(api) == 2
        await running[1].deciding.close()
    wishes = [
        one.ladder
        for creative_id in (first, second)
        for one in await world.media.events(f"creative-{creative_id}")
        if isinstance(one, TranscodingRequested)
    ]
    assert wishes == [newer.version], "of the one that is rendered, for both"
