"""From a film on disk to everything that is served of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg

from adapters.outbound.transcoding.captions.files import CaptionFile
from adapters.outbound.transcoding.ffmpeg import arguments
from adapters.outbound.transcoding.ffmpeg.failures import RenderFailed, failure
from adapters.outbound.transcoding.ffmpeg.loudness import (
    PASSES,
    Correction,
    Loudness,
    correction,
    measured,
    near,
)
from adapters.outbound.transcoding.ffmpeg.plan import Plan, plan
from adapters.outbound.transcoding.packaging.package import Films, package
from adapters.outbound.transcoding.program import Limits, run
from commands.media.ports import Stage
from domain.media.ladder import LADDER
from domain.media.rendition import Rendition, Source

Progress = Callable[[Stage, int], None]
"""Stage, and percent of it."""
Sound = tuple[Correction, Loudness]
"""How it is corrected, and how loud it is then."""


@dataclass(frozen=True)
class Encoding:
    """``preset``: of x264, how much time it takes for how small a file. ``threads``: of each
    encoder. ``slowest``: seconds that a second of film may take, beside a minute for anything.
    ``file_size``: bytes of the largest file that may come out."""

    preset: str = "medium"
    threads: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))
    nice: int = 10
    slowest: float = 60.0
    file_size: int = 2 * 1024**3


@dataclass(frozen=True)
class Film:
    """``scratch``: a folder for what is not served; the caller removes it. ``prefix``: of the keys
    in the rendition."""

    path: Path
    source: Source
    scratch: Path
    target: Path
    prefix: str
    captions: tuple[CaptionFile, ...] = ()


class FfmpegRenderer:
    """Raises ``RenderFailed``. Cancelled, it ends ffmpeg with its process group first."""

    def __init__(self, encoding: Encoding = Encoding(), program: str | None = None) -> None:
        self._encoding = encoding
        self._program = program or imageio_ffmpeg.get_ffmpeg_exe()

    async def render(self, film: Film, progress: Progress) -> Rendition:
        began = time.monotonic()
        planned = plan(film.source)
        limit = 60 + film.source.duration_ms / 1000 * self._encoding.slowest
        progress(Stage.PROBING, 0)
        sound = await self._sound(film, limit) if planned.audio else None
        progress(Stage.TRANSCODING, 0)
        left = max(1.0, limit - (time.monotonic() - began))
        await self._encode(film, planned, sound, left, progress)
        await self._run(arguments.preview(film.scratch, film.target / "preview.mp4"), 120)
        films = Films(
            film.scratch,
            film.target,
            film.prefix,
            LADDER.version,
            film.captions,
            sound[1] if sound else None,
        )
        try:
            return await _packaged(films, planned)
        except OSError as error:
            raise RenderFailed("disk_full", str(error.strerror), retryable=True) from error

    async def _sound(self, film: Film, seconds: float) -> Sound | None:
        """None for silence. A limiter's effect can only be measured."""
        found = await self._measured(film, seconds)
        if found is None:
            return None
        needed = correction(found)
        told = needed.of(found)
        for _ in range(PASSES if needed.limited else 0):
            after = await self._measured(film, seconds, needed)
            if after is None:
                break
            told = after
            if near(after):
                break
            needed = needed.again(after)
        return needed, told

    async def _measured(
        self, film: Film, seconds: float, by: Correction | None = None
    ) -> Loudness | None:
        return measured(await self._run(arguments.measure(film.path, by), seconds))

    async def _encode(
        self, film: Film, planned: Plan, sound: Sound | None, seconds: float, told: Progress
    ) -> None:
        film.scratch.mkdir(parents=True, exist_ok=True)
        film.target.mkdir(parents=True, exist_ok=True)
        own = self._encoding
        command = arguments.render(
            film.path, planned, sound[0] if sound else None, film.scratch, own.preset, own.threads
        )
        whole = float(planned.seconds) * 1_000_000

        def on_line(line: str) -> None:
            name, _, value = line.partition("=")
            if name == "out_time_us" and value.lstrip("-").isdigit():
                told(Stage.TRANSCODING, min(99, max(0, int(100 * int(value) / whole))))

        await self._run(command, seconds, on_line)
        told(Stage.TRANSCODING, 100)

    async def _run(
        self, command: list[str], seconds: float, on_line: Callable[[str], None] | None = None
    ) -> str:
        limits = Limits(seconds, self._encoding.file_size, nice=self._encoding.nice)
        ended = await run([self._program, *command], limits, on_line)
        if failed := failure(ended):
            raise failed
        return ended.errors


async def _packaged(films: Films, planned: Plan) -> Rendition:
    """In a thread. A thread cannot be stopped, and may not write into folders that are removed."""
    task = asyncio.ensure_future(asyncio.to_thread(package, films, planned))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
