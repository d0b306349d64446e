"""Films on their way, in real processes: each rendered once, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.bootstrap.core import Core, core
from adapters.settings import Settings
from commands.media import creatives
from commands.media.creatives import DiscoverCreative
from domain.kernel.recorded import Context
from domain.media.creative import CREATIVE, Creative, CreativeStatus, JobSubmitted
from domain.media.identity import identity_of
from tests.support import film_host
from tests.support.platform import LoopThread, Platform
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PROCESSES = ("relay", "projector", "policies", "transcoder")
CONTEXT = Context("c", "c", "test")
WITHIN = 150.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    film_host.make(folder / "short.mp4", "testsrc2=size=640x360:rate=25", seconds=6)
    film_host.make(folder / "long.mp4", "testsrc2=size=1280x720:rate=30", seconds=10)
    (folder / "copy.mp4").write_bytes((folder / "short.mp4").read_bytes())
    whole = (folder / "short.mp4").read_bytes()
    (folder / "broken.mp4").write_bytes(whole[: len(whole) // 3])
    return folder


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[tuple[str, list[str]]]:
    with film_host.served(folder) as one:
        yield one


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, host: tuple[str, list[str]]
) -> Iterator[Platform]:
    extra = {"HOMECAST_ALLOWED_PRIVATE_HOSTS": host[0]}
    one = Platform(tmp_path_factory.mktemp("platform"), processes=PROCESSES, extra=extra)
    with LoopThread() as thread:
        thread.run(one.__aenter__())
        try:
            yield one
        finally:
            thread.run(one.__aexit__())


class Studio:
    """The write side of films, as the API has it."""

    def __init__(self, parts: Core, settings: Settings, host: str) -> None:
        self._parts = parts
        self._settings = settings
        self._host = host

    def about(self, name: str) -> DiscoverCreative:
        url = f"http://{self._host}/{name}"
        identity = identity_of([], broker=None, media_url=url)
        return DiscoverCreative(kind=identity.kind, identity=identity.text, media_url=url)

    async def seen(self, name: str) -> str:
        message = self.about(name)
        await self._parts.media.dispatcher.execute(
            CONTEXT, lambda unit: creatives.discover(unit, message)
        )
        return message.creative_id

    async def state(self, creative_id: str) -> Creative:
        return (await self._parts.media.repository.load(CREATIVE, creative_id)).state

    async def comes_to(self, creative_id: str, *wanted: CreativeStatus) -> Creative:
        async def reached() -> Creative | None:
            state = await self.state(creative_id)
            return state if state.status in wanted else None

        found: Creative = await eventually(reached, within=WITHIN, what=f"{wanted}")
        return found

    async def begun_again(self, creative_id: str) -> None:
        """The dead worker's job is another one's."""

        async def taken() -> bool:
            return any(
                one["job_id"]["S"].startswith(creative_id)
                and int(one["attempts"]["N"]) > 1
                and one["status"]["S"] == "PROGRESSING"
                for one in await self.jobs()
            )

        await eventually(taken, within=WITHIN, what="a second worker")

    async def jobs(self) -> list[dict[str, Any]]:
        """All that the transcoder's table has."""
        answer = await self._parts.dynamodb.scan(TableName=self._settings.renders_table)
        return list(answer["Items"])

    async def submitted(self, creative_id: str) -> int:
        events = await self._parts.media.store.read(CREATIVE.stream(creative_id))
        return sum(isinstance(one.event, JobSubmitted) for one in events)


@asynccontextmanager
async def studio_of(platform: Platform, host: str) -> AsyncIterator[Studio]:
    async with core(platform.settings, "test") as parts:
        yield Studio(parts, platform.settings, host)


@pytest.fixture
async def studio(platform: Platform, host: tuple[str, list[str]]) -> AsyncIterator[Studio]:
    async with studio_of(platform, host[0]) as one:
        yield one


async def test_two_hundred_who_see_a_film_at_once_make_one_job(
    studio: Studio, host: tuple[str, list[str]]
) -> None:
    before = host[1].count("/short.mp4")  # of another test's platform
    ids = await asyncio.gather(*(studio.seen("short.mp4") for _ in range(200)))
    assert len(set(ids)) == 1
    state = await studio.comes_to(ids[0], CreativeStatus.COMPLETE)
    assert state.rendition is not None
    assert await studio.submitted(ids[0]) == 1
    mine = [one for one in await studio.jobs() if one["job_id"]["S"].startswith(ids[0])]
    assert len(mine) == 1
    assert host[1].count("/short.mp4") == before + 1

    copy = await studio.seen("copy.mp4")
    linked = await studio.comes_to(copy, CreativeStatus.LINKED)
    assert linked.linked_to == ids[0]
    assert await studio.submitted(copy) == 0


async def test_a_film_that_nobody_can_decode_is_put_aside(studio: Studio) -> None:
    broken = await studio.seen("broken.mp4")
    state = await studio.comes_to(broken, CreativeStatus.QUARANTINED)
    assert state.rendition is None
    assert await studio.submitted(broken) == 0
    missing = await studio.seen("no-such-film.mp4")
    await studio.comes_to(missing, CreativeStatus.QUARANTINED)


@pytest.fixture
async def mortal(tmp_path: Path, host: tuple[str, list[str]]) -> AsyncIterator[Platform]:
    """A platform of the test's own, whose processes it kills."""
    extra = {"HOMECAST_ALLOWED_PRIVATE_HOSTS": host[0]}
    async with Platform(tmp_path, processes=PROCESSES, extra=extra) as one:
        yield one


async def test_what_is_killed_in_the_middle_of_a_film_loses_nothing_and_doubles_nothing(
    mortal: Platform, host: tuple[str, list[str]]
) -> None:
    async with studio_of(mortal, host[0]) as studio:
        film = await studio.seen("long.mp4")
        await studio.comes_to(film, CreativeStatus.PROGRESSING)
        await mortal.kill("transcoder")
        await mortal.restart("transcoder")
        await studio.begun_again(film)
        short = await studio.seen("short.mp4")
        await asyncio.gather(*(mortal.kill(name) for name in PROCESSES))
        for name in PROCESSES:
            await mortal.restart(name)
        for one in (film, short):
            state = await studio.comes_to(one, CreativeStatus.COMPLETE)
            assert state.rendition is not None
            assert await studio.submitted(one) == 1
        jobs = Counter(one["job_id"]["S"].rsplit("-", 2)[0] for one in await studio.jobs())
        assert jobs == {film: 1, short: 1}
