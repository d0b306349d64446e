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
    """``tier``: what was started together has the same. ``log_from``: bytes logged before it."""

    program: Program
    process: asyncio.subprocess.Process
    tier: int
    log_from: int
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
        await self._start(program, within, self._next_tier())

    def _next_tier(self) -> int:
        return 1 + max((child.tier for child in self._children.values()), default=0)

    async def _start(self, program: Program, within: float, tier: int) -> None:
        log = self.log(program.name)
        log_from = log.stat().st_size if log.exists() else 0
        child = Child(program, await self._launch(program), tier, log_from)
        self._children[program.name] = child
        try:
            async with asyncio.timeout(within):
                await self._until_ready(child)
        except TimeoutError:
            await self.stop(program.name)
            raise NotStarted(self._words(child, f"not ready within {within:.0f} s")) from None
        except BaseException:
            await self.stop(program.name)
            raise
        if self._restarts:
            child.watch = asyncio.create_task(self._watch(child), name=f"watch {program.name}")

    async def start_together(self, programs: Iterable[Program], *, within: float = 60.0) -> None:
        """At the same time; when one is ``NotStarted``, those still starting are stopped too."""
        tier = self._next_tier()
        starts = [asyncio.create_task(self._start(one, within, tier)) for one in programs]
        try:
            done, _ = await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
        for start in done:
            start.result()

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
        """Last started, first stopped; what was started together is stopped together."""
        tiers = sorted({child.tier for child in self._children.values()}, reverse=True)
        for tier in tiers:
            names = [name for name, child in self._children.items() if child.tier == tier]
            await asyncio.gather(*(self.stop(name) for name in names))

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
        child = self._children[name]
        await self.stop(name)
        await self._start(child.program, within, child.tier)

    def running(self) -> list[str]:
        return list(self._children)

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
                raise NotStarted(self._words(child, how(child.process.returncode)))
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

    def _words(self, child: Child, what: str) -> str:
        """What happened, and the end of what it logged since it was started."""
        log = self.log(child.program.name)
        said = log.read_bytes()[child.log_from :][-LOG_TAIL:].decode(errors="replace").strip()
        return f"{child.program.name} {what} ({log}):\n{said}"


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
