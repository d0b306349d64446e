"""Jobs of the transcoder: once, canceled, died upon, and given up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer
from adapters.outbound.transcoding.job_table import SILENT_AFTER, JobLost, JobTable
from adapters.outbound.transcoding.jobs import Kept, from_text, to_text
from adapters.outbound.transcoding.queue import SqsJobQueue
from adapters.outbound.transcoding.transcoder import FfmpegTranscoder
from adapters.outbound.transcoding.uploads import FOREVER
from adapters.outbound.transcoding.worker import RenderWorker
from commands.media.ports import Job, JobReport, JobStatus, Stage
from domain.kernel.errors import Busy, StoreUnavailable
from domain.media.errors import JobRefused
from domain.media.ladder import LADDER
from domain.media.rendition import Caption, Source
from tests.support.films import film
from tests.support.media_objects import MemoryMediaObjects
from tests.support.ministack import ministack_url
from tests.support.tables import connect, create_table
from tests.support.waiting import eventually
from tests.support.write_side import SetClock

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

__all__ = ("ministack_url",)

FAST = Encoding(preset="ultrafast")
SLOW = Encoding(preset="placebo", threads=1)
"""Takes far longer than any test lasts."""


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return film(tmp_path_factory.mktemp("film") / "a.mp4", size="320x180").read_bytes()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "b.mp4"
    return film(path, size="1280x720", seconds=13).read_bytes()


SMALL = Source(width=320, height=180, duration_ms=3000, frame_rate=25, video_codec="h264",
               audio_codec="aac")  # fmt: skip
LARGE = SMALL.model_copy(update={"width": 1280, "height": 720, "duration_ms": 13000})


def job(source: Source = SMALL) -> Job:
    return Job(
        token=uuid4().hex,
        creative_id="creative-1",
        ladder=LADDER.version,
        attempt=1,
        original="originals/a",
        prefix="renditions/a/",
        source=source,
        captions=(Caption(language="en", media_type="application/x-subrip", key="captions/a"),),
    )


@dataclass
class Queue:
    sent: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, job_id: str, body: str) -> None:
        self.sent.append((job_id, body))


@dataclass
class Machine:
    """All parts of the transcoder over one table."""

    client: DynamoDBClient
    table_name: str
    folder: Path
    clock: SetClock
    objects: MemoryMediaObjects = field(default_factory=MemoryMediaObjects)
    queue: Queue = field(default_factory=Queue)
    reports: list[JobReport] = field(default_factory=list)

    @property
    def table(self) -> JobTable:
        return JobTable(self.client, self.table_name, self.clock)

    @property
    def transcoder(self) -> FfmpegTranscoder:
        return FfmpegTranscoder(self.table, self.queue, self.clock)

    def worker(self, encoding: Encoding = FAST) -> RenderWorker:
        return RenderWorker(
            self.table,
            self.objects,
            FfmpegRenderer(encoding),
            self._keep,
            self.clock,
            folder=self.folder,
            every=0.1,
        )

    async def _keep(self, report: JobReport) -> None:
        self.reports.append(report)

    @property
    def told(self) -> list[JobStatus]:
        return [one.status for one in self.reports]

    async def encoding(self) -> list[int]:
        """ffmpeg's processes that write below our folder."""
        return encoders(self.folder)

    def left(self) -> list[str]:
        return [one.name for one in self.folder.glob("*")]


def encoders(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"filter_complex" in line and str(folder).encode() in line:
            found.append(int(entry.name))
    return found


@pytest.fixture
async def machine(ministack_url: str, tmp_path: Path, short: bytes) -> AsyncIterator[Machine]:
    async with connect(ministack_url).dynamodb() as client:
        table = f"transcoding-{uuid4().hex[:12]}"
        await create_table(client, table, ("job_id", "S"))
        machine = Machine(client, table, tmp_path / "work", SetClock())
        machine.objects.bodies["originals/a"] = short
        machine.objects.bodies["captions/a"] = b"1\n00:00:00,500 --> 00:00:02,000\nHello\n"
        yield machine


async def test_a_job_goes_from_the_queue_to_a_rendition_in_the_bucket(machine: Machine) -> None:
    order = job()
    assert await machine.transcoder.submit(order) == order.token
    ((job_id, body),) = machine.queue.sent
    assert (job_id, from_text(body)) == (order.token, order)
    submitted = await machine.transcoder.look(order.token)
    assert submitted is not None
    assert submitted.status == JobStatus.SUBMITTED

    await machine.worker().handle(from_text(body))

    last = machine.reports[-1]
    assert last.status == JobStatus.COMPLETE
    assert last.rendition is not None
    assert last.rendition.captions == ("en",)
    assert machine.reports[0].stage == Stage.PROBING
    assert set(machine.told[:-1]) == {JobStatus.PROGRESSING}
    assert await machine.transcoder.look(order.token) == last
    assert {last.rendition.hls, last.rendition.dash} <= machine.objects.bodies.keys()
    assert machine.left() == []


async def test_files_come_with_their_types_and_playlists_come_last(machine: Machine) -> None:
    await machine.worker().handle(job())
    kinds = {key.removeprefix("renditions/a/"): kind for key, kind in machine.objects.kinds.items()}
    assert {cache for _, cache in kinds.values()} == {FOREVER}
    types = {name: kind for name, (kind, _) in kinds.items()}
    assert types["main.m3u8"] == "application/vnd.apple.mpegurl"
    assert types["manifest.mpd"] == "application/dash+xml"
    assert types["video/0/1.m4s"] == "video/iso.segment"
    assert types["video/0/init.mp4"] == types["preview.mp4"] == "video/mp4"
    assert types["audio/init.mp4"] == "audio/mp4"
    assert types["poster.jpg"] == "image/jpeg"
    assert types["text/en/captions.vtt"] == "text/vtt"
    order = list(types)
    playlists = [name for name in order if name.endswith((".m3u8", ".mpd"))]
    assert order[-len(playlists) :] == playlists
    assert set(order[-2:]) == {"main.m3u8", "manifest.mpd"}


async def test_the_same_token_is_the_same_job_and_an_ended_one_is_told_again(
    machine: Machine,
) -> None:
    order = job()
    await machine.transcoder.submit(order)
    await machine.transcoder.submit(order)
    assert len(machine.queue.sent) == 2
    await machine.worker().handle(order)
    first = machine.reports[-1]
    machine.reports.clear()
    machine.objects.kinds.clear()
    await machine.transcoder.submit(order)
    await machine.worker().handle(order)
    assert len(machine.queue.sent) == 2
    assert machine.reports == [first]
    assert machine.objects.kinds == {}


async def test_a_running_job_is_canceled_with_its_processes_and_files(
    machine: Machine, long: bytes
) -> None:
    machine.objects.bodies["originals/a"] = long
    order = job(LARGE)
    running = asyncio.create_task(machine.worker(SLOW).handle(order))
    await eventually(machine.encoding, within=15, what="ffmpeg runs")
    await machine.transcoder.cancel(order.token)
    await asyncio.wait_for(running, 10)
    assert machine.told[-1] == JobStatus.CANCELED
    assert await machine.encoding() == []
    assert machine.left() == []
    found = await machine.transcoder.look(order.token)
    assert found is not None
    assert found.status == JobStatus.CANCELED


async def test_a_job_canceled_before_it_began_never_begins(machine: Machine) -> None:
    order = job()
    await machine.transcoder.submit(order)
    await machine.transcoder.cancel(order.token)
    await machine.worker().handle(order)
    assert machine.told == [JobStatus.CANCELED]
    assert machine.objects.kinds == {}


async def test_cancelling_what_is_not_there_does_nothing(machine: Machine) -> None:
    await machine.transcoder.cancel("nobody")
    assert await machine.transcoder.look("nobody") is None


async def test_a_worker_that_is_stopped_gives_its_job_back(machine: Machine, long: bytes) -> None:
    machine.objects.bodies["originals/a"] = long
    order = job(LARGE)
    running = asyncio.create_task(machine.worker(SLOW).handle(order))
    await eventually(machine.encoding, within=15, what="ffmpeg runs")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await machine.encoding() == []
    assert machine.left() == []
    kept = await machine.table.get(order.token)
    assert kept is not None
    assert (kept.status, kept.attempts) == (JobStatus.SUBMITTED, 0)


async def test_a_killed_ffmpeg_is_worth_another_attempt(machine: Machine, long: bytes) -> None:
    machine.objects.bodies["originals/a"] = long
    running = asyncio.create_task(machine.worker(SLOW).handle(job(LARGE)))
    (process,) = await eventually(machine.encoding, within=15, what="ffmpeg runs")
    os.kill(process, signal.SIGKILL)
    await asyncio.wait_for(running, 10)
    last = machine.reports[-1]
    assert (last.status, last.error, last.retryable) == (JobStatus.ERROR, "render_killed", True)
    assert machine.left() == []


async def test_a_job_is_not_taken_from_a_worker_that_lives(machine: Machine) -> None:
    order = job()
    await machine.table.take(await machine.table.create(order), "another")
    with pytest.raises(Busy):
        await machine.worker().handle(order)
    machine.clock.second += SILENT_AFTER.total_seconds()
    await machine.worker().handle(order)
    assert machine.told[-1] == JobStatus.COMPLETE


async def test_a_job_that_three_workers_died_with_is_given_up(machine: Machine) -> None:
    order = job()
    for _ in range(3):
        await machine.table.take(await machine.table.create(order), "dead")
        machine.clock.second += SILENT_AFTER.total_seconds()
    await machine.worker().handle(order)
    (last,) = machine.reports
    assert (last.status, last.error, last.retryable) == (JobStatus.ERROR, "crashed", False)


async def test_a_worker_that_lost_its_job_says_nothing_more(machine: Machine, long: bytes) -> None:
    machine.objects.bodies["originals/a"] = long
    order = job(LARGE)
    running = asyncio.create_task(machine.worker(SLOW).handle(order))
    await eventually(machine.encoding, within=15, what="ffmpeg runs")
    kept = await machine.table.get(order.token)
    assert kept is not None
    await steal(machine, kept)
    await asyncio.wait_for(running, 10)
    assert set(machine.told) == {JobStatus.PROGRESSING}
    assert await machine.encoding() == []


async def steal(machine: Machine, kept: Kept) -> None:
    """As another worker does that believes the first one dead; the first writes all the time."""
    while True:
        try:
            await machine.table.take(kept, "thief")
        except JobLost:
            again = await machine.table.get(kept.job.token)
            assert again is not None
            kept = again
        else:
            return


async def test_a_bucket_that_is_away_brings_the_job_back(machine: Machine) -> None:
    order = job()
    machine.objects.away = 1
    with pytest.raises(StoreUnavailable):
        await machine.worker().handle(order)
    await machine.worker().handle(order)
    assert machine.told[-1] == JobStatus.COMPLETE


@pytest.mark.parametrize(
    ("change", "error"),
    [({"original": "originals/none"}, "original_missing"), ({"ladder": "old"}, "ladder_changed")],
)
async def test_what_no_attempt_can_cure_is_told_so(
    machine: Machine, change: dict[str, Any], error: str
) -> None:
    await machine.worker().handle(replace(job(), **change))
    last = machine.reports[-1]
    assert (last.status, last.error, last.retryable) == (JobStatus.ERROR, error, False)


@pytest.mark.parametrize(
    "change", [{"token": "x" * 65}, {"token": "ä"}, {"ladder": "old"}, {"prefix": "no-slash"}]
)
async def test_a_job_that_can_never_be_done_is_refused(
    machine: Machine, change: dict[str, Any]
) -> None:
    with pytest.raises(JobRefused):
        await machine.transcoder.submit(replace(job(), **change))
    assert machine.queue.sent == []


async def test_folders_of_dead_workers_are_swept(machine: Machine) -> None:
    ours = machine.folder / f"homecast-render-{os.getppid()}-x"
    dead = machine.folder / "homecast-render-4194999-y"
    for one in (ours, dead):
        one.mkdir(parents=True)
    await machine.worker().start()
    assert machine.left() == [ours.name]


async def test_the_queue_takes_a_job_once(ministack_url: str) -> None:
    order = job()
    async with connect(ministack_url).sqs() as client:
        name = f"jobs-{uuid4().hex[:12]}.fifo"
        made = await client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        queue = SqsJobQueue(client, made["QueueUrl"])
        for _ in range(2):
            await queue.send(order.token, to_text(order))
        answer = await client.receive_message(QueueUrl=made["QueueUrl"], MaxNumberOfMessages=10)
    (message,) = answer["Messages"]
    assert from_text(message["Body"]) == order


async def test_ffmpeg_dies_with_a_worker_that_is_killed(
    machine: Machine, long: bytes, tmp_path: Path
) -> None:
    """A worker in a process of its own, killed in the middle."""
    path = tmp_path / "film.mp4"
    path.write_bytes(long)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ALONE, str(path), str(machine.folder)
    )
    try:
        await eventually(machine.encoding, within=20, what="ffmpeg runs")
    finally:
        worker.kill()
        await worker.wait()

    async def gone() -> bool:
        return not encoders(machine.folder)

    await eventually(gone, within=10, what="ffmpeg is gone")
    await machine.worker().start()
    assert machine.left() == []


ALONE = """
import asyncio, sys
from pathlib import Path
from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer, Film
from adapters.outbound.transcoding.folders import working_folder
from adapters.outbound.transcoding.probe import Probe

async def main():
    path, root = Path(sys.argv[1]), Path(sys.argv[2])
    with working_folder(root) as folder:
        film = Film(path, await Probe().probe(path), folder / "t", folder / "o", "")
        renderer = FfmpegRenderer(Encoding(preset="placebo", threads=1))
        await renderer.render(film, lambda stage, percent: None)

asyncio.run(main())
"""
