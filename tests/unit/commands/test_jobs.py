"""Creatives are carried on: asked twice, told twice, interrupted anywhere, with one job each."""

from __future__ import annotations

from typing import Any

import pytest

from commands.media import creatives
from commands.media.creatives import DiscoverCreative, RecordFetched
from commands.media.jobs import Transcodings
from commands.media.ports import Job, JobReport, JobStatus, Stage
from commands.media.transcoding import ContinueCreative, EndJob, LookAtJob
from domain.kernel.recorded import Context
from domain.media.creative import CREATIVE, Creative, CreativeStatus, JobNotRecorded
from domain.media.errors import CreativeNotFound, JobRefused, TranscoderUnavailable
from domain.media.ladder import LADDER
from tests.support.events import RENDITION, SHA256, SOURCE
from tests.support.write_side import WriteSide

CONTEXT = Context("c", "m", "policy:transcoding")
URL = "https://films.example/a.mp4"
FILM = DiscoverCreative(kind="url", identity=URL, media_url=URL)
ID = FILM.creative_id


class FakeTranscoder:
    """Jobs by token, as a transcoder that keeps its word."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.reports: dict[str, JobReport | None] = {}
        self.canceled: list[str] = []
        self.refuses: Exception | None = None

    async def submit(self, job: Job) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.jobs.setdefault(job.token, job)
        return job.token

    async def cancel(self, job_id: str) -> None:
        self.canceled.append(job_id)

    async def look(self, job_id: str) -> JobReport | None:
        return self.reports.get(job_id)


class FakeFetches:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def ask(self, creative_id: str, version: int) -> None:
        self.asked.append((creative_id, version))


class World:
    def __init__(self) -> None:
        self.write = WriteSide()
        self.transcoder, self.fetches = FakeTranscoder(), FakeFetches()
        self.work = self.process()

    def process(self) -> Transcodings:
        """Another one on the same store, which remembers nothing."""
        return Transcodings(
            dispatcher=self.write.beside().dispatcher,
            transcoder=self.transcoder,
            fetches=self.fetches,
            ladder=LADDER,
        )

    async def discover(self, message: DiscoverCreative = FILM) -> None:
        await self.write.run(lambda unit: creatives.discover(unit, message))

    async def fetch(self, creative_id: str = ID) -> None:
        message = RecordFetched(
            creative_id=creative_id, content=SHA256, size=1, original="o", source=SOURCE
        )
        await self.write.run(lambda unit: creatives.record_fetched(unit, message))

    async def go_on(self) -> None:
        await self.work.advance(CONTEXT, ContinueCreative(creative_id=ID))

    async def state(self, creative_id: str = ID) -> Creative:
        return (await self.write.beside().repository.load(CREATIVE, creative_id)).state

    async def under_way(self) -> str:
        await self.discover()
        await self.fetch()
        await self.go_on()
        return (await self.state()).job_id

    def report(self, job_id: str, status: JobStatus, **more: Any) -> JobReport:
        at = self.write.clock.now()
        return JobReport(job_id, ID, LADDER.version, 1, status, at, **more)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_discovered_film_is_fetched_and_a_fetched_one_is_rendered_once(
    world: World,
) -> None:
    await world.discover()
    await world.go_on()
    assert world.fetches.asked == [(ID, 1)]
    await world.fetch()
    for _ in range(3):
        await world.go_on()
    [job] = world.transcoder.jobs.values()
    assert (job.creative_id, job.ladder, job.attempt) == (ID, LADDER.version, 1)
    assert job.prefix == f"renditions/{SHA256}/{LADDER.version}/1/"
    assert len(job.token) <= 64
    assert (await world.state()).status == CreativeStatus.SUBMITTED


async def test_a_crash_between_the_job_and_its_record_makes_no_second_job(world: World) -> None:
    await world.discover()
    await world.fetch()
    state = await world.state()

    class Dies(Exception):
        pass

    async def die(*_: Any) -> None:
        raise Dies

    dispatcher: Any = world.work._dispatcher
    whole, calls = dispatcher.execute, 0

    async def execute(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        return await (whole(*given) if calls == 1 else die())

    dispatcher.execute = execute
    with pytest.raises(Dies):
        await world.go_on()
    assert (await world.state()).version == state.version
    world.work = world.process()
    await world.go_on()
    assert len(world.transcoder.jobs) == 1
    assert (await world.state()).jobs == 1


async def test_a_report_that_is_ahead_of_its_record_comes_again(world: World) -> None:
    await world.discover()
    await world.fetch()
    early = world.report("j-early", JobStatus.PROGRESSING)
    with pytest.raises(JobNotRecorded):
        await world.work.report(CONTEXT, early)


async def test_reports_move_a_job_on_and_stale_ones_nothing(world: World) -> None:
    job_id = await world.under_way()
    progress = world.report(job_id, JobStatus.PROGRESSING, stage=Stage.UPLOADING)
    done = world.report(job_id, JobStatus.COMPLETE, rendition=RENDITION)
    for report in (progress, done, progress, done, world.report(job_id, JobStatus.SUBMITTED)):
        await world.work.report(CONTEXT, report)
    state = await world.state()
    assert (state.status, state.rendition) == (CreativeStatus.COMPLETE, RENDITION)
    other = world.report("j-of-old", JobStatus.ERROR, error="x")
    await world.work.report(CONTEXT, other)
    assert (await world.state()).version == state.version


async def test_a_job_that_nobody_knows_is_lost_and_tried_again(world: World) -> None:
    job_id = await world.under_way()
    await world.work.look(CONTEXT, LookAtJob(creative_id=ID))
    state = await world.state()
    assert (state.status, state.attempts) == (CreativeStatus.FAILED, 1)
    assert state.job_id == job_id
    assert state.retry_at is not None
    world.write.clock.second += 60
    await world.go_on()
    assert len(world.transcoder.jobs) == 2


async def test_a_look_hears_what_reports_have_missed(world: World) -> None:
    job_id = await world.under_way()
    done = world.report(job_id, JobStatus.COMPLETE, rendition=RENDITION)
    world.transcoder.reports[job_id] = done
    await world.work.look(CONTEXT, LookAtJob(creative_id=ID))
    assert (await world.state()).status == CreativeStatus.COMPLETE


async def test_a_job_that_takes_for_ever_is_given_up(world: World) -> None:
    job_id = await world.under_way()
    world.transcoder.reports[job_id] = world.report(job_id, JobStatus.PROGRESSING)
    world.write.clock.second += 7 * 3600
    await world.work.look(CONTEXT, LookAtJob(creative_id=ID))
    assert (await world.state()).status == CreativeStatus.FAILED


async def test_a_job_that_is_refused_puts_the_film_aside_and_a_fault_waits(world: World) -> None:
    await world.discover()
    await world.fetch()
    world.transcoder.refuses = TranscoderUnavailable("busy")
    with pytest.raises(TranscoderUnavailable):
        await world.go_on()
    assert (await world.state()).status == CreativeStatus.FETCHED
    world.transcoder.refuses = JobRefused("never")
    await world.go_on()
    assert (await world.state()).status == CreativeStatus.QUARANTINED


async def test_of_two_films_with_the_same_bytes_one_is_linked(world: World) -> None:
    other = DiscoverCreative(kind="url", identity=f"{URL}?2", media_url=f"{URL}?2")
    await world.discover()
    await world.discover(other)
    await world.fetch()
    await world.fetch(other.creative_id)
    linked = await world.state(other.creative_id)
    assert (linked.status, linked.linked_to) == (CreativeStatus.LINKED, ID)


async def test_what_is_not_there_cannot_be_carried_on(world: World) -> None:
    with pytest.raises(CreativeNotFound):
        await world.go_on()
    await world.work.end(CONTEXT, EndJob(creative_id=ID, job_id="j"))
    assert world.transcoder.canceled == ["j"]


async def test_a_job_given_while_the_film_was_put_aside_is_ended(world: World) -> None:
    await world.discover()
    await world.fetch()
    submit = world.transcoder.submit

    async def slowly(job: Job) -> str:
        aside = creatives.QuarantineCreative(creative_id=ID, reason="ugly")
        await world.write.run(lambda unit: creatives.quarantine(unit, aside))
        return await submit(job)

    world.transcoder.submit = slowly  # type: ignore[method-assign]
    await world.go_on()
    [token] = world.transcoder.jobs
    assert world.transcoder.canceled == [token]
    astray = world.report(token, JobStatus.PROGRESSING)
    await world.work.report(CONTEXT, astray)
    assert world.transcoder.canceled == [token, token], "it is ended whoever comes across it"


async def test_a_film_that_nobody_ends_fetching_is_given_up_in_the_end(world: World) -> None:
    await world.discover()
    for _ in range(8):
        world.write.clock.second += 7 * 3600
        await world.go_on()
    assert (await world.state()).status == CreativeStatus.QUARANTINED
    assert world.fetches.asked == []
