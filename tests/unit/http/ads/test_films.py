"""Films over HTTP: ranges, conditions, compression, and pages of other sites."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from adapters.inbound.http.ads.films import accepts_gzip
from tests.unit.http.ads.world import AdsWorld
from tests.unit.http.world import Client

FILM, LIST = "renditions/a/preview.mp4", "renditions/a/main.m3u8"
BODY = bytes(range(100))
PLAYLIST = b"#EXTM3U\n" * 20
TAG = '"e1"'


@dataclass
class Part:
    pieces: AsyncIterator[bytes]
    size: int
    start: int
    length: int


@dataclass
class MemoryFilms:
    bodies: dict[str, bytes] = field(default_factory=dict)

    async def size(self, key: str) -> tuple[int, str, str] | None:
        body = self.bodies.get(key)
        return (len(body), "", TAG) if body is not None else None

    async def get(self, key: str, *, limit: int) -> bytes | None:
        return self.bodies.get(key)

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> Part | None:
        body = self.bodies[key][start : None if end is None else end + 1]

        async def pieces() -> AsyncIterator[bytes]:
            yield body

        return Part(pieces(), len(self.bodies[key]), start, len(body))


@pytest.fixture
async def anybody() -> AsyncIterator[httpx.AsyncClient]:
    world = AdsWorld()
    world.films = MemoryFilms({FILM: BODY, LIST: PLAYLIST})
    async with world.app() as (app, _), Client(app, None).http as client:
        yield client


@pytest.mark.parametrize(
    ("method", "headers", "status", "body", "said"),
    [
        ("GET", {}, 200, BODY, None),
        ("GET", {"Range": "bytes=10-19"}, 206, BODY[10:20], "bytes 10-19/100"),
        ("GET", {"Range": "bytes=90-"}, 206, BODY[90:], "bytes 90-99/100"),
        ("GET", {"Range": "bytes=-5"}, 206, BODY[95:], "bytes 95-99/100"),
        ("GET", {"Range": "bytes=90-1000"}, 206, BODY[90:], "bytes 90-99/100"),
        ("GET", {"Range": "bytes=100-"}, 416, None, "bytes */100"),
        ("GET", {"Range": "bytes=-0"}, 416, None, "bytes */100"),
        ("GET", {"Range": "bytes=0-1,5-6"}, 200, BODY, None),
        ("GET", {"Range": "bytes=9-3"}, 200, BODY, None),
        ("GET", {"Range": "lines=1-2"}, 200, BODY, None),
        ("GET", {"Range": "bytes=0-9", "If-Range": TAG}, 206, BODY[:10], "bytes 0-9/100"),
        ("GET", {"Range": "bytes=0-9", "If-Range": '"other"'}, 200, BODY, None),
        ("GET", {"If-None-Match": f'"x", W/{TAG}'}, 304, b"", None),
        ("GET", {"If-None-Match": '"x"'}, 200, BODY, None),
        ("HEAD", {}, 200, b"", None),
        ("HEAD", {"Range": "bytes=0-9"}, 200, b"", None),
    ],
)
async def test_a_film_or_a_part_of_it(
    anybody: httpx.AsyncClient,
    method: str,
    headers: dict[str, str],
    status: int,
    body: bytes | None,
    said: str | None,
) -> None:
    answer = await anybody.request(method, f"/media/{FILM}", headers=headers)
    assert answer.status_code == status
    assert answer.headers.get("content-range") == said
    assert answer.headers["access-control-allow-origin"] == "*"
    if body is None:
        assert answer.json()["code"] == "range_not_satisfiable"
        return
    assert answer.content == body
    assert answer.headers["etag"] == TAG
    assert "immutable" in answer.headers["cache-control"]
    if status == 200:
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["content-length"] == "100"


async def test_playlists_are_compressed_for_whoever_takes_that(anybody: httpx.AsyncClient) -> None:
    tags = set()
    for accepted, coded in (("gzip", "gzip"), ("identity", None), ("gzip;q=0", None)):
        headers = {"Accept-Encoding": accepted}
        answer = await anybody.get(f"/media/{LIST}", headers=headers)
        assert (answer.content, answer.headers.get("content-encoding")) == (PLAYLIST, coded)
        assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert answer.headers["vary"] == "Accept-Encoding"
        tags.add(answer.headers["etag"])
        held = {**headers, "If-None-Match": answer.headers["etag"]}
        assert (await anybody.get(f"/media/{LIST}", headers=held)).status_code == 304
    assert len(tags) == 2, "one for each representation"
    head = await anybody.head(f"/media/{LIST}", headers={"Accept-Encoding": "gzip"})
    assert head.headers["content-length"] == str(len(gzip.compress(PLAYLIST, mtime=0)))


@pytest.mark.parametrize(
    ("header", "accepted"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip; q=1", True), ("", False),
     ("gzip;q=0", False), ("gzip; q=0.000", False), ("*;q=0", False), ("x-gzipped", False)],
)  # fmt: skip
def test_who_takes_gzip_says_so(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


async def test_nothing_but_renditions_is_served(anybody: httpx.AsyncClient) -> None:
    for key, status in (
        ("originals/a/film.mp4", 422),
        ("renditions/a/none.mp4", 404),
        ("renditions/a/notes.txt", 404),
        ("renditions/a/%2e%2e/x.mp4", 404),
    ):
        answer = await anybody.get(f"/media/{key}")
        assert answer.status_code == status, key


async def test_pages_of_any_site_may_ask_for_ranges(anybody: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://tv.example", "Access-Control-Request-Headers": "range"}
    answer = await anybody.options(f"/media/{FILM}", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Range" in answer.headers["access-control-allow-headers"]
