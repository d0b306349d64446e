"""Films are fetched once, and what goes wrong with one is recorded or comes again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.inbound.workers.fetcher import Fetcher, creative_id_of, vast_code
from commands.media import creatives
from commands.media.creatives import DiscoverCreative
from domain.kernel.errors import ContractError, HomecastError, StoreUnavailable, Unavailable
from domain.media.creative import CREATIVE, MOST_ATTEMPTS, Creative, CreativeStatus
from domain.media.rendition import CaptionLink, Source
from domain.media.unusable import NoPicture, TooLong, Undecodable
from tests.support.events import SHA256, SOURCE
from tests.support.write_side import WriteSide

URL, CAPTIONS = "https://films.example/a.mp4", "https://films.example/a.vtt"
FILM = DiscoverCreative(
    kind="url",
    identity=URL,
    media_url=URL,
    captions=(CaptionLink(language="en", media_type="text/vtt", url=CAPTIONS),),
)
ID = FILM.creative_id
BODY = {"creative_id": ID}


@dataclass
class File:
    path: Path
    sha256: str = SHA256
    size: int = 4
    content_type: str = "video/mp4"


@dataclass
class Host:
    """Downloads, probe and bucket in one."""

    folder: Path
    away: dict[str, HomecastError] = field(default_factory=dict)
    unusable: HomecastError | None = None
    full: HomecastError | None = None
    most: int = 9
    fetched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    async def fetch(self, url: str) -> File:
        self.fetched.append(url)
        if url in self.away:
            raise self.away[url]
        path = self.folder / str(len(self.fetched))
        path.write_bytes(b"film")
        return File(path)

    async def probe(self, path: Path) -> Source:
        assert str(path.parent) == str(self.folder)
        if self.unusable is not None:
            raise self.unusable
        return SOURCE

    async def put_file(self, key: str, file: Path, **_: Any) -> None:
        if self.full is not None:
            raise self.full
        if len(self.kept) >= self.most:
            raise StoreUnavailable("full")
        self.kept.append(key)


class World:
    def __init__(self, folder: Path) -> None:
        self.write = WriteSide()
        self.host, self.texts = Host(folder / "films"), Host(folder / "texts")
        for host in (self.host, self.texts):
            host.folder.mkdir()
        self.fetcher = Fetcher(
            dispatcher=self.write.dispatcher,
            downloads=self.host,
            captions=self.texts,
            probes=self.host,
            originals=self.host,
            ids=self.write.ids,
        )

    async def state(self) -> Creative:
        return (await self.write.beside().repository.load(CREATIVE, ID)).state


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    await world.write.run(lambda unit: creatives.discover(unit, FILM))
    return world


async def test_a_message_that_comes_twice_fetches_once(world: World) -> None:
    await world.fetcher.handle(BODY)
    await world.fetcher.handle(BODY)
    state = await world.state()
    assert (state.status, state.content, state.source) == (CreativeStatus.FETCHED, SHA256, SOURCE)
    assert (world.host.fetched, world.texts.fetched) == ([URL], [CAPTIONS])
    assert [one.language for one in state.captions] == ["en"]


async def test_no_file_is_left_whatever_happens(world: World) -> None:
    for most in (0, 1):  # the film or the captions find no place
        world.host.kept.clear()
        world.host.most = most
        with pytest.raises(StoreUnavailable):
            await world.fetcher.handle(BODY)
    world.host.most = 9
    world.host.unusable = Undecodable("broken")
    await world.fetcher.handle(BODY)
    assert (await world.state()).status == CreativeStatus.QUARANTINED
    assert [*world.host.folder.iterdir(), *world.texts.folder.iterdir()] == []


async def test_captions_that_cannot_be_had_are_left_out(world: World) -> None:
    world.texts.away[CAPTIONS] = Unavailable("away")
    await world.fetcher.handle(BODY)
    state = await world.state()
    assert (state.status, state.captions) == (CreativeStatus.FETCHED, ())


async def test_a_host_that_stays_away_is_asked_so_often_and_no_more(world: World) -> None:
    world.host.away[URL] = Unavailable("away")
    for _ in range(MOST_ATTEMPTS + 3):
        await world.fetcher.handle(BODY)
        await world.fetcher.handle(BODY)
        world.write.clock.second += 3600
    assert len(world.host.fetched) == MOST_ATTEMPTS
    assert (await world.state()).status == CreativeStatus.QUARANTINED


async def test_a_film_that_cannot_be_rendered_is_put_aside_at_once(world: World) -> None:
    world.host.unusable = TooLong("an hour")
    await world.fetcher.handle(BODY)
    assert (await world.state()).status == CreativeStatus.QUARANTINED


async def test_a_bucket_that_is_away_is_no_fault_of_the_film(world: World) -> None:
    world.host.full = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await world.fetcher.handle(BODY)
    assert (await world.state()).version == 1
    assert list(world.host.folder.iterdir()) == []


@pytest.mark.parametrize("body", [None, [], "x", {}, {"creative_id": "../x"}, {"creative_id": 7}])
def test_what_names_no_creative_is_a_broken_contract(body: Any) -> None:
    with pytest.raises(ContractError):
        creative_id_of(body)


def test_each_fault_has_its_code_of_vast() -> None:
    assert vast_code(NoPicture("none")) == 403
    assert vast_code(TooLong("long")) == 202
    assert vast_code(Undecodable("broken")) == 405
    assert vast_code(Unavailable("late", vast_code=402)) == 402
    assert vast_code(Unavailable("late")) == 405
