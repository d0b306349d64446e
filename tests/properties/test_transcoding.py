"""Whatever is doubled, late, lost or interrupted: every film comes to an end, by one job at a time.

A schedule decides what happens next until it is used up; then what is still to be done is done
without further faults, and hours pass. Each planted defect shows that the checks see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from commands.kernel.policy import Schedule, Send, Timeout
from commands.media import creatives as commands
from commands.media.creatives import DiscoverCreative, RecordFetched, RecordFetchFailure
from commands.media.jobs import Transcodings
from commands.media.ports import Job, JobReport, JobStatus, Stage
from commands.media.transcoding import (
    TRANSCODING,
    ContinueCreative,
    EndJob,
    LookAtJob,
)
from domain.kernel.event import Event
from domain.kernel.recorded import Context
from domain.media.creative import (
    CREATIVE,
    MOST_ATTEMPTS,
    STAGES,
    Creative,
    CreativeStatus,
    JobNotRecorded,
    JobProgressed,
    JobSubmitted,
    NextStep,
    next_step,
)
from domain.media.ladder import LADDER
from tests.support.events import RENDITION, SOURCE
from tests.support.streams import at
from tests.support.write_side import WriteSide

CREATED = at(0)
CONTEXT = Context("c", "m", "platform")
FILMS = [
    DiscoverCreative(
        kind="url", identity=f"https://f.example/{n}", media_url=f"https://f.example/{n}"
    )
    for n in range(3)
]
CONTENTS: dict[str, str] = {FILMS[0].creative_id: "a" * 64, FILMS[1].creative_id: "a" * 64}
ENDED = {CreativeStatus.COMPLETE, CreativeStatus.LINKED, CreativeStatus.QUARANTINED}
LATEST = 600
"""Rounds after the schedule that everything must have ended in."""


class Crash(Exception):
    """A process dies."""


@dataclass(frozen=True)
class Fault:
    """``pick``: which of what waits. The others are what befalls it."""

    pick: int
    doubled: bool = False
    lost: bool = False
    crash: bool = False
    broken: bool = False
    seconds: int = 1


@dataclass
class Running:
    """A job at the transcoder. ``steps``: of its reports, that have been told."""

    job: Job
    status: JobStatus = JobStatus.SUBMITTED
    told: int = 0


class Transcoder:
    """Keeps its word: a token is a job."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.jobs: dict[str, Running] = {}
        self.forgetful = forgetful
        self.submitted = 0

    async def submit(self, job: Job) -> str:
        self.submitted += 1
        job_id = f"{job.token}#{self.submitted}" if self.forgetful else job.token
        self.jobs.setdefault(job_id, Running(job))
        return job_id

    async def cancel(self, job_id: str) -> None:
        found = self.jobs.get(job_id)
        if found and found.status in (JobStatus.SUBMITTED, JobStatus.PROGRESSING):
            found.status = JobStatus.CANCELED

    async def look(self, job_id: str) -> JobReport | None:
        found = self.jobs.get(job_id)
        return report_of(job_id, found) if found else None


def report_of(job_id: str, running: Running) -> JobReport:
    job, complete = running.job, running.status == JobStatus.COMPLETE
    return JobReport(
        job_id,
        job.creative_id,
        job.ladder,
        job.attempt,
        running.status,
        CREATED,
        stage=STAGES[min(running.told, 2)] if running.status == JobStatus.PROGRESSING else None,
        error="worn_out" if running.status == JobStatus.ERROR else None,
        retryable=True,
        rendition=RENDITION.model_copy(update={"ladder": job.ladder}) if complete else None,
    )


class Fetches:
    def __init__(self, world: World) -> None:
        self.world = world

    async def ask(self, creative_id: str, version: int) -> None:
        self.world.waiting.append(("fetch", creative_id))


class World:
    """Queues without order, a clock, and one store; a process is made anew for each step."""

    def __init__(self, defect: str = "") -> None:
        self.defect = defect
        self.write = WriteSide()
        self.transcoder = Transcoder(forgetful=defect == "a job for each submission")
        self.waiting: list[tuple[str, Any]] = []
        self.timeouts: dict[tuple[str, str], Timeout] = {}
        self.seen: dict[str, int] = {}
        self.late: list[Any] = []

    def work(self, *, crash: bool = False) -> Transcodings:
        process = Transcodings(
            dispatcher=self.write.beside().dispatcher,
            transcoder=self.transcoder,
            fetches=Fetches(self),
            ladder=LADDER,
        )
        if crash:
            dies_before_recording(process)
        return process

    async def begin(self) -> None:
        for film in FILMS:
            await self.write.run(partial(commands.discover, message=film))
            await self.follow(film.creative_id)

    async def state(self, creative_id: str) -> Creative:
        return (await self.write.beside().repository.load(CREATIVE, creative_id)).state

    async def events(self, creative_id: str) -> list[Event]:
        return await self.write.events(CREATIVE.stream(creative_id))

    async def follow(self, creative_id: str) -> None:
        """The policy sees what was stored, in order."""
        following = TRANSCODING.state()
        for number, event in enumerate(await self.events(creative_id), 1):
            following = TRANSCODING.fold(following, event)
            if number > self.seen.get(creative_id, 0):
                self.seen[creative_id] = number
                self.act(creative_id, TRANSCODING.react(following, event))

    def act(self, creative_id: str, actions: Any) -> None:
        for action in actions:
            match action:
                case Send():
                    self.waiting.append(("command", action.command))
                case Schedule() if self.defect != "no time-outs":
                    stream = CREATIVE.stream(creative_id)
                    due = Timeout("transcoding", stream, action.name, action.due_at, "c")
                    self.timeouts[(creative_id, action.name)] = due

    async def ring(self, creative_id: str, name: str) -> None:
        due = self.timeouts.pop((creative_id, name))
        wait = (due.due_at - self.write.clock.now()).total_seconds()
        self.write.clock.second += max(wait, 0)
        following = TRANSCODING.state()
        for event in await self.events(creative_id):
            following = TRANSCODING.fold(following, event)
        assert TRANSCODING.on_timeout is not None
        self.act(creative_id, TRANSCODING.on_timeout(following, due))

    # --- one step ---------------------------------------------------------------------------------

    def choices(self) -> list[Callable[[Fault], Any]]:
        deliveries = [lambda fault, one=one: self.deliver(one, fault) for one in list(self.waiting)]
        jobs = [
            lambda fault, one=one: self.run_job(one, fault)
            for one, running in self.transcoder.jobs.items()
            if running.status in (JobStatus.SUBMITTED, JobStatus.PROGRESSING)
        ]
        return [*deliveries, *jobs]

    async def step(self, fault: Fault) -> bool:
        """Whether there was anything to do."""
        self.write.clock.second += fault.seconds
        chosen = self.choices()
        rings = sorted(self.timeouts, key=lambda one: self.timeouts[one].due_at)
        if not chosen and not rings:
            return False
        index = fault.pick % (len(chosen) + bool(rings))
        if index < len(chosen):
            await chosen[index](fault)
        else:
            await self.ring(*rings[0])
        for film in FILMS:
            await self.follow(film.creative_id)
        return True

    async def settle(self) -> bool:
        """A round without a fault: all that waits, all jobs by a stage, then what is due next."""
        for chosen in self.choices():
            self.write.clock.second += 1
            await chosen(Fault(pick=0))
            if self.defect == "a stage backwards":
                await go_backwards(self)
            for film in FILMS:
                await self.follow(film.creative_id)
        if self.timeouts:
            await self.ring(*min(self.timeouts, key=lambda one: self.timeouts[one].due_at))
        return bool(self.choices() or self.timeouts)

    async def deliver(self, one: tuple[str, Any], fault: Fault) -> None:
        """At least once; a queue of reports and of fetches may lose some, that of commands none."""
        kind, body = one
        if not fault.doubled:
            self.waiting.remove(one)
        if fault.lost and kind != "command":
            return
        try:
            await self.carry_out(kind, body, fault)
        except (Crash, JobNotRecorded):
            if one not in self.waiting:
                self.waiting.append(one)

    async def carry_out(self, kind: str, body: Any, fault: Fault) -> None:
        work = self.work(crash=fault.crash)
        match body:
            case ContinueCreative():
                await work.advance(CONTEXT, body)
            case LookAtJob():
                await work.look(CONTEXT, body)
            case EndJob():
                await work.end(CONTEXT, body)
            case JobReport():
                await work.report(CONTEXT, body)
            case str() if kind == "fetch":
                await self.fetch(body, fault)

    async def fetch(self, creative_id: str, fault: Fault) -> None:
        state = await self.state(creative_id)
        if next_step(state, now=self.write.clock.now()) != NextStep.FETCH:
            return
        message: BaseModel = RecordFetched(
            creative_id=creative_id,
            content=CONTENTS.get(creative_id, "b" * 64),
            size=1,
            original="o",
            source=SOURCE,
        )
        if fault.broken:
            message = RecordFetchFailure(
                creative_id=creative_id, error="away", detail="", vast_code=402, retryable=True
            )

        async def decide(unit: Any) -> None:
            if isinstance(message, RecordFetched):
                await commands.record_fetched(unit, message)
            elif isinstance(message, RecordFetchFailure):
                await commands.record_fetch_failure(unit, message)

        await self.write.run(decide)

    async def run_job(self, job_id: str, fault: Fault) -> None:
        """A job goes on by a stage, fails, or is forgotten with all it would have reported."""
        running = self.transcoder.jobs[job_id]
        if fault.broken:
            running.status = JobStatus.ERROR
        elif running.told == len(STAGES):
            running.status = JobStatus.COMPLETE
        else:
            running.status = JobStatus.PROGRESSING
        self.waiting.append(("report", report_of(job_id, running)))
        running.told += 1


def dies_before_recording(work: Transcodings) -> None:
    dispatcher: Any = work._dispatcher
    whole, calls = dispatcher.execute, 0

    async def execute(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise Crash
        return await whole(*given)

    dispatcher.execute = execute


# --- what must hold -------------------------------------------------------------------------------


async def play(schedule: list[Fault], defect: str = "") -> World:
    world = World(defect)
    await world.begin()
    for fault in schedule:
        await world.step(fault)
    for _ in range(LATEST):
        if not await world.settle():
            break
    return world


async def go_backwards(world: World) -> None:
    """What an eager rule would do: believe a report whatever is known already."""
    for film in FILMS:
        state = await world.state(film.creative_id)
        if state.stage == Stage.UPLOADING and state.in_flight:
            await world.write.run(partial(append_probing, state=state))


async def append_probing(unit: Any, *, state: Creative) -> None:
    now = await unit.load(CREATIVE, state.id)
    fields = {"job_id": now.job_id, "stage": Stage.PROBING, "timestamp": unit.at}
    unit.append(
        now, [JobProgressed(originator_id=now.stream, originator_version=now.version + 1, **fields)]
    )


async def faults_of(world: World) -> list[str]:
    found = [f"{one} for ever" for one in (*world.waiting, *world.timeouts)]
    for film in FILMS:
        state = await world.state(film.creative_id)
        if state.status not in ENDED:
            found.append(f"{state.status} is no end")
        found += backwards(await world.events(film.creative_id))
    tokens = [running.job.token for running in world.transcoder.jobs.values()]
    if len(tokens) != len(set(tokens)):
        found.append("two jobs of one attempt")
    if any(running.status in (JobStatus.SUBMITTED, JobStatus.PROGRESSING)
           for running in world.transcoder.jobs.values()):  # fmt: skip
        found.append("a job that nobody ends")
    return found


def backwards(events: list[Event]) -> list[str]:
    found, stage, attempts = list[str](), -1, list[int]()
    for event in events:
        match event:
            case JobSubmitted():
                attempts.append(event.attempt)
                stage = -1
            case JobProgressed():
                if STAGES.index(event.stage) <= stage:
                    found.append("a stage backwards")
                stage = STAGES.index(event.stage)
    if attempts != list(range(1, len(attempts) + 1)):
        found.append("attempts out of order")
    if len(attempts) > MOST_ATTEMPTS:
        found.append("too many attempts")
    return found


SCHEDULES = st.lists(
    st.builds(
        Fault,
        pick=st.integers(0, 30),
        doubled=st.booleans(),
        lost=st.booleans(),
        crash=st.booleans(),
        broken=st.booleans(),
        seconds=st.sampled_from([0, 1, 20, 700, timedelta(hours=7) // timedelta(seconds=1)]),
    ),
    max_size=60,
)


@given(SCHEDULES)
def test_every_film_comes_to_an_end_whatever_befalls_it(schedule: list[Fault]) -> None:
    async def check() -> list[str]:
        return await faults_of(await play(schedule))

    assert asyncio.run(check()) == []


DEFECTS = ["a job for each submission", "no time-outs", "a stage backwards"]


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str) -> None:
    def fails(schedule: list[Fault]) -> bool:
        async def check() -> list[str]:
            return await faults_of(await play(schedule, defect))

        return asyncio.run(check()) != []

    find(
        SCHEDULES,
        fails,
        settings=settings(
            max_examples=300,
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
