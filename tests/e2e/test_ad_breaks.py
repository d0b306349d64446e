"""The journey of an ad: asked, left out, made ready, shown, counted; in real processes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.bootstrap.operators import operator
from adapters.vast import parse
from commands.accounts.tokens import ADS_MANAGE, ADS_READ, ADS_REQUEST, issue_token
from tests.support import film_host
from tests.support.platform import LoopThread, Platform
from tests.support.vast import document
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ACCOUNT = "01KA0000000000000000000009"
WITHIN = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broker")
    film_host.make(folder / "one.mp4", "testsrc2=size=640x360:rate=25", seconds=6)
    film_host.make(folder / "two.mp4", "smptebars=size=640x480:rate=25", seconds=6, sound=None)
    (folder / "broken.mp4").write_bytes((folder / "one.mp4").read_bytes()[:4_000])
    return folder


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[tuple[str, list[str]]]:
    with film_host.served(folder) as one:
        yield one


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, host: tuple[str, list[str]]
) -> Iterator[Platform]:
    extra = {
        "HOMECAST_ALLOWED_PRIVATE_HOSTS": host[0],
        "HOMECAST_STATISTICS_INTERVAL": "1",
    }
    one = Platform(tmp_path_factory.mktemp("platform"), extra=extra)
    with LoopThread() as thread:
        thread.run(one.__aenter__())
        try:
            yield one
        finally:
            thread.run(one.__aexit__())


@pytest.fixture
async def api(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    async with operator(platform.settings) as parts:
        token, _ = await issue_token(
            parts.vault,
            clock=parts.clock,
            ids=parts.ids,
            account_id=ACCOUNT,
            scopes=(ADS_READ, ADS_MANAGE, ADS_REQUEST),
        )
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=platform.api_url, headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


def ad(host: str, film: str, number: int, *, sequence: int | None = None) -> str:
    """An ad of the film whose calls lead back to the host."""
    calls, place = f"http://{host}/calls", f' sequence="{sequence}"' if sequence else ""
    return f"""<Ad id="ad-{number}"{place}><InLine><AdSystem>Test</AdSystem>
<Error><![CDATA[{calls}/error?ad={number}&code=[ERRORCODE]]]></Error>
<Impression><![CDATA[{calls}/impression?ad={number}]]></Impression>
<AdServingId>serving-{number}</AdServingId><AdTitle>Ad {number}</AdTitle>
<Advertiser>Acme</Advertiser><Creatives><Creative adId="campaign-{number}">
<UniversalAdId idRegistry="unknown">unknown</UniversalAdId><Linear><TrackingEvents>
<Tracking event="complete"><![CDATA[{calls}/complete?ad={number}&a=%5Bx%5D]]></Tracking>
</TrackingEvents><Duration>00:00:06</Duration><MediaFiles>
<MediaFile delivery="progressive" type="video/mp4" width="640" height="360" bitrate="900">
<![CDATA[http://{host}/{film}]]></MediaFile></MediaFiles></Linear></Creative></Creatives></InLine>
</Ad>"""


async def configured(api: httpx.AsyncClient, name: str, url: str, **more: Any) -> None:
    answer = await api.put(f"/v1/brokers/{name}", json={"url": url, **more})
    assert answer.status_code == 200, answer.text


async def test_an_unseen_film_is_left_out_told_made_ready_and_shown(
    api: httpx.AsyncClient, folder: Path, host: tuple[str, list[str]]
) -> None:
    pod = "".join(
        (
            ad(host[0], "one.mp4", 1, sequence=1),
            ad(host[0], "two.mp4", 2, sequence=2),
            ad(host[0], "broken.mp4", 3, sequence=3),
        )
    )
    (folder / "pod.xml").write_bytes(document("4.2", pod))
    url = f"http://{host[0]}/pod.xml"
    price = {"match": "any", "cpm": "8.50", "currency": "EUR"}
    await configured(api, "journey", url, prices=[price])

    first = await api.get("/v1/brokers/journey/vast")
    assert first.status_code == 200, first.text
    assert parse(first.content).ads == []
    assert "left-out=3" in first.headers["Homecast-Ad-Status"]

    async def told() -> bool:
        return sum("407" in path for path in host[1]) >= 3

    await eventually(told, within=WITHIN, what="error 407 at the Error URIs of each ad")

    async def ready() -> httpx.Response | None:
        answer = await api.get("/v1/brokers/journey/vast?version=4.2")
        return answer if len(parse(answer.content).ads) == 2 else None

    shown: httpx.Response = await eventually(ready, within=WITHIN, every=0.5, what="two ads")
    assert [one.get("sequence") for one in parse(shown.content).ads] == ["1", "2"]
    body = shown.text
    for number in (1, 2):
        assert f"http://{host[0]}/calls/complete?ad={number}&a=%5Bx%5D]]>" in body
    await plays(api, re.findall(r"https?://[^\]\s]+\.m3u8", body))
    for version in ("2.0", "3.0", "4.0", "4.1"):
        older = await api.get(f"/v1/brokers/journey/vast?version={version}")
        assert len(parse(older.content).ads) == 2, version
    assets = (await api.get("/v1/brokers/journey/assets")).json()
    assert len(assets["ASSETS"]) == 2
    vmap = await api.get("/v1/brokers/journey/vmap")
    assert b"AdBreak" in vmap.content
    board = (await api.get("/v1/creatives")).json()["items"]
    statuses = sorted(one["status"] for one in board if one["broker"] == "journey")
    assert statuses == ["COMPLETE", "COMPLETE", "QUARANTINED"]
    await counted(api, body)


async def plays(api: httpx.AsyncClient, playlists: list[str]) -> None:
    """Every file that a playlist names is there, the playlist compressed, a part on demand."""
    assert playlists
    for url in playlists:
        master = await api.get(url)
        assert master.headers["content-encoding"] == "gzip"
        assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
        variant = next(line for line in master.text.splitlines() if line.endswith(".m3u8"))
        media = await api.get(f"{url.rpartition('/')[0]}/{variant}")
        assert media.status_code == 200
        segment = next(line for line in media.text.splitlines() if line.endswith(".m4s"))
        address = f"{url.rpartition('/')[0]}/{variant.rpartition('/')[0]}/{segment}"
        part = await api.get(address, headers={"Range": "bytes=0-99"})
        assert (part.status_code, len(part.content)) == (206, 100)


async def counted(api: httpx.AsyncClient, body: str) -> None:
    """A player plays: each own beacon twice, and each counts once."""
    beacons = re.findall(r"http[^\]\s<]+/beacons/[^\]\s<]+", body)
    wanted = [one for one in beacons if "/impression?" in one or "/complete?" in one]
    assert len(wanted) == 4
    for url in wanted * 2:
        assert (await api.get(url)).status_code in (200, 204)

    async def seen() -> bool:
        today = datetime.now(UTC).date()
        days = {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))}
        answer = await api.get("/v1/reports/revenue", params={"broker": "journey", **days})
        assert answer.status_code == 200, answer.text
        rows = [
            dict(zip(answer.json()["columns"], row, strict=True)) for row in answer.json()["rows"]
        ]
        return sum(int(row["impressions"]) for row in rows) == 2

    await eventually(seen, within=WITHIN, every=0.5, what="two impressions")


async def test_two_hundred_requests_at_once_for_an_unseen_film_make_one_job(
    api: httpx.AsyncClient, folder: Path, host: tuple[str, list[str]]
) -> None:
    film_host.make(folder / "crowd.mp4", "testsrc=size=416x234:rate=25", seconds=6)
    (folder / "crowd.xml").write_bytes(document("4.2", ad(host[0], "crowd.mp4", 1)))
    await configured(api, "crowd", f"http://{host[0]}/crowd.xml")
    answers = await asyncio.gather(*(api.get("/v1/brokers/crowd/vast") for _ in range(200)))
    assert {one.status_code for one in answers} == {200}

    async def ready() -> dict[str, Any] | None:
        items = (await api.get("/v1/creatives?status=COMPLETE")).json()["items"]
        return next((one for one in items if one["broker"] == "crowd"), None)

    creative = await eventually(ready, within=WITHIN, every=0.5, what="the film")
    assert creative["jobs"] == 1
    assert sum(path == "/crowd.mp4" for path in host[1]) == 1


async def test_a_broker_that_fails_gives_an_empty_answer_and_wrong_callers_a_problem(
    api: httpx.AsyncClient, platform: Platform, host: tuple[str, list[str]]
) -> None:
    await configured(api, "gone", f"http://{host[0]}/nothing-here.xml")
    answer = await api.get("/v1/brokers/gone/vast")
    assert answer.status_code == 200
    assert parse(answer.content).ads == []
    await configured(api, "private", "http://169.254.169.254/latest/meta-data")
    answer = await api.get("/v1/brokers/private/vast")
    assert answer.status_code == 200
    assert "address_forbidden" in answer.headers["Homecast-Ad-Status"]
    assert (await api.get("/v1/brokers/unknown/vast")).json()["code"] == "broker_not_found"
    key = (await api.post("/v1/brokers/gone/keys", json={"label": "tv"})).json()["key"]
    async with httpx.AsyncClient(base_url=platform.api_url, trust_env=False) as anybody:
        assert (await anybody.get("/v1/brokers/gone/vast")).json()["code"] == "unauthenticated"
        assert (await anybody.get(f"/v1/brokers/gone/vast?key={key}")).status_code == 200
        other = await anybody.get(f"/v1/brokers/private/vast?key={key}")
        assert (other.status_code, other.json()["code"]) == (403, "invalid_ad_key")
