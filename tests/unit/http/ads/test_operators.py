"""What operators do about brokers, keys, creatives and the blocklist."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapters.inbound.http.ads.creatives import page_of
from adapters.inbound.http.ads.views import CreativeView
from commands.accounts.tokens import ADS_MANAGE, ADS_READ, ADS_REQUEST
from domain.media.creative import CreativeDiscovered
from projections.media.creatives import CREATIVES, CreativeRow
from tests.unit.http.ads.world import AdsWorld
from tests.unit.http.world import Client

CONFIG = {"url": "https://broker.example/vast"}
FILM = {"media_url": "https://films.example/1.mp4"}


@pytest.fixture
def world() -> AdsWorld:
    return AdsWorld()


@pytest.fixture
async def api(world: AdsWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with world.app() as (app, _):
        token = await world.api.token(scopes=(ADS_READ, ADS_MANAGE, ADS_REQUEST))
        async with Client(app, token).http as client:
            yield client


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("code", ""))


async def test_a_broker_is_made_once_changed_as_it_was_seen_and_brought_back(
    api: httpx.AsyncClient,
) -> None:
    new = {"If-None-Match": "*"}
    made = await api.put("/v1/brokers/acme", json=CONFIG, headers=new)
    assert (made.status_code, made.headers["etag"]) == (200, '"1"')
    again = await api.put("/v1/brokers/acme", json=CONFIG, headers=new)
    assert code(again) == (412, "precondition_failed")
    other = {**CONFIG, "key": "path"}
    stale = {"If-Match": '"7"'}
    assert code(await api.put("/v1/brokers/acme", json=other, headers=stale))[0] == 412
    seen = {"If-Match": '"1"'}
    changed = await api.put("/v1/brokers/acme", json=other, headers=seen)
    assert (changed.json()["config"]["key"], changed.headers["etag"]) == ("path", '"2"')
    assert (await api.get("/v1/brokers/acme")).headers["etag"] == '"2"'
    assert (await api.delete("/v1/brokers/acme", headers=seen)).status_code == 412
    assert (await api.delete("/v1/brokers/acme")).status_code == 204
    assert code(await api.post("/v1/brokers/acme/keys", json={}))[0] == 404
    [listed] = (await api.get("/v1/brokers")).json()["items"]
    assert listed["status"] == "RETIRED"
    assert (await api.put("/v1/brokers/acme", json=other)).json()["status"] == "ACTIVE"
    assert code(await api.delete("/v1/brokers/nobody")) == (404, "broker_not_found")
    assert code(await api.get("/v1/brokers/nobody")) == (404, "broker_not_found")
    assert code(await api.put("/v1/brokers/No", json=CONFIG)) == (422, "invalid_input")
    assert code(await api.put("/v1/brokers/acme", json={"url": "ftp://x.example/"}))[0] == 422


async def test_a_key_is_shown_once_listed_without_itself_and_revoked(
    api: httpx.AsyncClient,
) -> None:
    await api.put("/v1/brokers/acme", json=CONFIG)
    made = await api.post("/v1/brokers/acme/keys", json={"label": "tv"})
    assert made.status_code == 201
    key = made.json()
    assert key["key"].startswith("hcp_")
    listed = await api.get("/v1/brokers/acme/keys")
    assert [one["id"] for one in listed.json()["items"]] == [key["id"]]
    assert key["key"] not in listed.text
    path = f"/v1/brokers/acme/keys/{key['id']}"
    assert (await api.delete(f"/v1/brokers/other/keys/{key['id']}")).status_code == 404
    assert (await api.delete(path)).status_code == 204
    assert (await api.delete(path)).status_code == 404
    assert (await api.get("/v1/brokers/acme/keys")).json()["items"] == []


async def test_films_are_made_ready_ahead_and_ingesting_again_changes_nothing(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    named = {**FILM, "registry": "ad-id.org", "id": "ABCD1234", "broker": "acme"}
    first = await api.post("/v1/creatives", json={"items": [FILM, named]})
    assert first.status_code == 202
    items = first.json()["items"]
    assert [one["status"] for one in items] == ["DISCOVERED", "DISCOVERED"]
    assert [one["kind"] for one in items] == ["url", "registered"]
    again = await api.post("/v1/creatives", json={"items": [FILM]})
    assert again.json()["items"] == items[:1]
    assert len(await world.creative_ids()) == 2
    for wrong in ([], [FILM] * 51, [{"media_url": "file:///etc/passwd"}], [{**FILM, "x": 1}]):
        assert code(await api.post("/v1/creatives", json={"items": wrong}))[0] == 422


async def test_a_film_is_shown_with_its_files_and_with_its_way(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    [made] = (await api.post("/v1/creatives", json={"items": [FILM]})).json()["items"]
    path = f"/v1/creatives/{made['id']}"
    await world.make_ready(made["id"])
    answer = await api.get(path)
    found: dict[str, Any] = answer.json()
    CreativeView.model_validate(found)
    assert found["status"] == "COMPLETE"
    for name in ("hls_url", "dash_url", "preview_url", "poster_url"):
        assert found["rendition"][name].startswith("http://127.0.0.1:8080/media/renditions/")
    events = [one["event"] for one in found["history"]]
    assert events[0] == "creative_discovered"
    assert events[-1] == "transcoding_completed"
    assert code(await api.post(f"{path}/cancel")) == (409, "not_in_flight")
    assert code(await api.post(f"{path}/release")) == (409, "not_quarantined")
    aside = await api.post(f"{path}/quarantine", json={"reason": "unfair"})
    assert (aside.json()["status"], aside.json()["reason"]) == ("QUARANTINED", "unfair")
    assert (await api.post(f"{path}/release")).json()["status"] == "RELEASED"
    nobody = f"/v1/creatives/{'a' * 26}"
    for act in ("retry", "cancel", "release"):
        assert code(await api.post(f"{nobody}/{act}")) == (404, "creative_not_found")
    assert code(await api.get(nobody)) == (404, "creative_not_found")


async def test_films_are_listed_by_what_they_are_at(
    world: AdsWorld, api: httpx.AsyncClient
) -> None:
    films = [{"media_url": f"https://films.example/{n}.mp4"} for n in range(3)]
    made = (await api.post("/v1/creatives", json={"items": films})).json()["items"]
    await world.make_ready(made[0]["id"])
    every = (await api.get("/v1/creatives")).json()
    assert {one["id"] for one in every["items"]} == {one["id"] for one in made}
    ready = (await api.get("/v1/creatives", params={"status": "COMPLETE"})).json()["items"]
    assert [one["id"] for one in ready] == [made[0]["id"]]
    assert code(await api.get("/v1/creatives", params={"status": "NONE"}))[0] == 422


def row(number: int, milliseconds: int) -> CreativeRow:
    event = CreativeDiscovered(
        originator_id=f"creative-{number}",
        originator_version=1,
        timestamp=datetime(2026, 11, 25, tzinfo=UTC) + timedelta(milliseconds=milliseconds),
        kind="url",
        identity="x",
        broker=None,
        media_url="https://films.example/",
        by="t",
    )
    found = CREATIVES.fold(None, event)
    assert isinstance(found, CreativeRow)
    return found


def test_films_of_one_millisecond_stay_on_one_page() -> None:
    found = [row(0, 9), row(1, 5), row(2, 5), row(3, 5), row(4, 1)]

    def page(limit: int) -> tuple[list[str], bool]:
        rows, more = page_of(found, limit)
        return [one.creative_id for one in rows], more

    assert page(2) == (["0"], True)
    assert page(3) == (["0"], True)
    assert page(4) == (["0", "1", "2", "3"], True)
    assert page(5) == (["0", "1", "2", "3", "4"], False)
    alike, more = page_of([row(n, 1) for n in range(4)], 2)
    assert (len(alike), more) == (2, True)


async def test_what_is_blocked_is_listed_as_it_is_from_there_on(api: httpx.AsyncClient) -> None:
    entry = {"kind": "address", "value": "https://bad.example/"}
    assert (await api.post("/v1/blocklist", json={"entry": entry})).json()["entries"] == [entry]
    assert (await api.post("/v1/blocklist", json={"entry": entry})).json()["entries"] == [entry]
    unblocked = await api.request("DELETE", "/v1/blocklist", json={"entry": entry})
    assert unblocked.json()["entries"] == []
    again = await api.request("DELETE", "/v1/blocklist", json={"entry": entry})
    assert code(again) == (404, "blocklist_entry_not_found")
    assert (await api.get("/v1/blocklist")).json()["entries"] == []
