"""Runs programs beside each other: starts, watches, restarts, and stops them in reverse order.

Programs are in sessions of their own, so a Ctrl-C in the terminal reaches only the supervisor. On
Linux the kernel ends them when the supervisor dies; elsewhere the next start does, by pid files.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from adapters.inbound.cli.processes import PidFile, tethered
from adapters.outbound.embedded.program import Program

BACKOFF_FIRST, BACKOFF_LAST = 0.5, 30.0
STEADY_AFTER = 60.0
"""Seconds after which a crash counts as the first one again."""
LOOK_EVERY = 0.05
LOG_LIMIT = 10_000_000
LOG_TAIL = 2_000


class NotStarted(Exception):
    """A program ended, or was not ready in time; the message holds its last words."""


@dataclass
class Child:
    program: Program
    process: asyncio.subprocess.Process
    wanted: bool = True
    watch: asyncio.Task[None] | None = None


def quiet(_: str) -> None: ...


class Supervisor:
    """``directory`` holds ``logs/`` and ``run/``. ``say`` tells a person what happened."""

    def __init__(
        self, directory: Path, say: Callable[[str], None] = quiet, *, restarts: bool = True
    ) -> None:
        self._logs = directory / "logs"
        self._run = directory / "run"
        self._say = say
        self._restarts = restarts
        self._children: dict[str, Child] = {}

    def clean_up(self) -> list[str]:
        """End what a killed supervisor left behind in this directory; the names of it."""
        files = sorted(self._run.glob("*.pid"))
        return [file.stem for file in files if PidFile(file).end_stale()]

    async def start(self, program: Program, *, within: float = 30.0) -> None:
        """Return when it is ready; raises ``NotStarted``, and then it does not run."""
        child = Child(program, await self._launch(program))
        self._children[program.name] = child
        try:
            async with asyncio.timeout(within):
                await self._until_ready(child)
        except TimeoutError:
            await self.stop(program.name)
            raise NotStarted(self._words(program, f"not ready within {within:.0f} s")) from None
        except BaseException:
            await self.stop(program.name)
            raise
        if self._restarts:
            child.watch = asyncio.create_task(self._watch(child), name=f"watch {program.name}")

    async def start_together(self, programs: Iterable[Program], *, within: float = 60.0) -> None:
        """At the same time; when one is ``NotStarted``, those still starting are stopped too."""
        starts = [asyncio.create_task(self.start(one, within=within)) for one in programs]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL after its grace."""
        child = self._children.pop(name, None)
        if child is None:
            return
        child.wanted = False
        if child.watch is not None:
            child.watch.cancel()
            await asyncio.gather(child.watch, return_exceptions=True)
        await end(child.process, child.program.grace)
        PidFile(self._run / f"{name}.pid").remove()

    async def stop_all(self) -> None:
        """Last started, first stopped."""
        for name in reversed(list(self._children)):
            await self.stop(name)

    async def kill(self, name: str) -> None:
        """SIGKILL and forget: for tests. ``restart`` brings it back."""
        child = self._children[name]
        child.wanted = False
        if child.watch is not None:
            child.watch.cancel()
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        await child.process.wait()

    async def restart(self, name: str, *, within: float = 30.0) -> None:
        program = self._children[name].program
        await self.stop(name)
        await self.start(program, within=within)

    def pid(self, name: str) -> int:
        return self._children[name].process.pid

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def _launch(self, program: Program) -> asyncio.subprocess.Process:
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self.log(program.name)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *tethered(program.command),
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        PidFile(self._run / f"{program.name}.pid").write(process.pid, program.command)
        return process

    async def _until_ready(self, child: Child) -> None:
        while not await child.program.ready():
            if child.process.returncode is not None:
                ended = how(child.process.returncode)
                raise NotStarted(self._words(child.program, ended))
            await asyncio.sleep(LOOK_EVERY)

    async def _watch(self, child: Child) -> None:
        """Until it is stopped on purpose: wait for its end, start it again, ever more slowly."""
        pause, name = BACKOFF_FIRST, child.program.name
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            code = await child.process.wait()
            if not child.wanted:
                return
            if loop.time() - since > STEADY_AFTER:
                pause = BACKOFF_FIRST
            self._say(f"{name} {how(code)}; starting it again in {pause:g} s ({self.log(name)})")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_LAST)
            child.process = await self._launch(child.program)
            self._say(f"{name} started again")

    def _words(self, program: Program, what: str) -> str:
        log = self.log(program.name)
        tail = log.read_bytes()[-LOG_TAIL:].decode(errors="replace").strip()
        return f"{program.name}: {what}. The end of {log}:\n{tail}"


async def end(process: asyncio.subprocess.Process, grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def how(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
