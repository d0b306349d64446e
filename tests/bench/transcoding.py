"""Our render beside plain ffmpeg commands with the same encodes, side by side in one run.

``python -m tests.bench.transcoding [SECONDS] [ROUNDS]`` prints a table. The plain command decodes
once and encodes the same rungs and sound into HLS by ffmpeg's own muxer; the second one measures
the loudness before, as everybody has to who wants it right.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from adapters.outbound.transcoding.ffmpeg import arguments
from adapters.outbound.transcoding.ffmpeg.loudness import correction, measured
from adapters.outbound.transcoding.ffmpeg.plan import plan
from adapters.outbound.transcoding.ffmpeg.render import Encoding, FfmpegRenderer, Film
from adapters.outbound.transcoding.probe import Probe
from domain.media.rendition import Source
from tests.bench.markdown import aim, table
from tests.support.films import ffmpeg, film

ENCODING = Encoding(nice=0)


@dataclass(frozen=True)
class Spent:
    """Seconds."""

    wall: float
    processor: float


def spent(work: Callable[[], object]) -> Spent:
    began, before = time.perf_counter(), _processor()
    work()
    return Spent(time.perf_counter() - began, _processor() - before)


def ours(path: Path, source: Source, folder: Path) -> None:
    order = Film(path, source, folder / "tracks", folder / "out", "")
    asyncio.run(FfmpegRenderer(ENCODING).render(order, lambda stage, percent: None))


def plain(path: Path, source: Source, folder: Path, *, loudness: bool) -> None:
    """The same filters and encoders, into HLS segments of six seconds."""
    planned = plan(source)
    needed = None
    if loudness and (found := measured(ffmpeg(*arguments.measure(path)[3:]))):
        needed = correction(found)
    command = arguments.render(path, planned, needed, folder, ENCODING.preset, ENCODING.threads)
    ffmpeg(*_hls(command[3:], folder))


def _hls(command: list[str], folder: Path) -> list[str]:
    """Each output file as a playlist with segments beside it."""
    changed: list[str] = []
    dropped = {"-movflags", "-frag_duration", "-video_track_timescale", "-f"}
    skip = False
    for one in command:
        if skip:
            skip = False
        elif one in dropped:
            skip = True
        elif one.startswith(str(folder)) and one.endswith(".mp4"):
            name = Path(one).stem
            changed += ["-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod",
                        "-hls_segment_type", "fmp4",
                        "-hls_fmp4_init_filename", f"{name}-init.mp4",
                        "-hls_segment_filename", str(folder / f"{name}-%d.m4s"),
                        str(folder / f"{name}.m3u8")]  # fmt: skip
        else:
            changed.append(one)
    return changed


def _processor() -> float:
    """Of this process and its ended children."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def measure(seconds: float, rounds: int) -> dict[str, list[Spent]]:
    """Each kind once per round, in turns, so that a busy machine is busy for all of them."""
    found: dict[str, list[Spent]] = {}
    with tempfile.TemporaryDirectory() as root:
        path = film(
            Path(root) / "film.mp4", size="1280x720", rate="30000/1001", seconds=seconds,
            more=["-vf", "noise=alls=12:allf=t"],
        )  # fmt: skip
        source = asyncio.run(Probe().probe(path))
        kinds: dict[str, Callable[[Path], None]] = {
            "plain ffmpeg": lambda folder: plain(path, source, folder, loudness=False),
            "plain ffmpeg, loudness in two passes": lambda folder: plain(
                path, source, folder, loudness=True
            ),
            "ours": lambda folder: ours(path, source, folder),
        }
        for _ in range(rounds):
            for name, work in kinds.items():
                folder = Path(root) / "work"
                folder.mkdir()
                found.setdefault(name, []).append(spent(lambda: work(folder)))  # noqa: B023 - called at once
                shutil.rmtree(folder)
    return found


def report(found: dict[str, list[Spent]]) -> str:
    base = median(one.wall for one in found["plain ffmpeg"])
    rows = []
    for name, every in found.items():
        wall = median(one.wall for one in every)
        processor = median(one.processor for one in every)
        rows.append([name, f"{wall:.1f}", f"{processor:.1f}", f"{wall / base:.2f}"])
    ours = median(one.wall for one in found["ours"])
    aims = [aim("our render, times the plain command", ours / base, 1.1)]
    return "\n\n".join(
        [
            table(["", "wall s", "processor s", "× plain"], rows),
            table(["aim", "at most", "measured", ""], aims),
        ]
    )


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(report(measure(length, rounds)))
