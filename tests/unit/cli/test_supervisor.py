"""Children that are real, tiny processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.inbound.cli.processes import (
    AlreadyRunning,
    DirectoryLock,
    PidFile,
    command_of,
)
from adapters.inbound.cli.supervisor import NotStarted, Supervisor
from adapters.outbound.embedded.program import Program, Ready, at_once

WAIT = "import signal; signal.pause()"
ORDERLY = """
import pathlib, signal, sys
def stop(*_):
    with open("{file}", "a") as out: out.write("{name} ")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("{file}.{name}").touch()
signal.pause()
"""
STUBBORN = """
import pathlib, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("{file}").touch()
while True: signal.pause()
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, said: list[str]) -> AsyncIterator[Supervisor]:
    running = Supervisor(tmp_path, said.append)
    yield running
    await running.stop_all()


async def test_a_crashed_child_is_said_and_started_again(
    supervisor: Supervisor, said: list[str]
) -> None:
    await supervisor.start(python("worker", WAIT))
    first = supervisor.pid("worker")
    os.kill(first, signal.SIGKILL)
    await until(lambda: "worker started again" in said)
    assert supervisor.pid("worker") != first
    assert said[0].startswith("worker was ended by SIGKILL; starting it again in 0.5 s (")


async def test_children_are_stopped_in_reverse_order(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    file = tmp_path / "stopped"
    for name in ("one", "two", "three"):
        source = ORDERLY.format(file=file, name=name)
        await supervisor.start(python(name, source, ready=exists(tmp_path / f"stopped.{name}")))
    await supervisor.stop_all()
    assert file.read_text() == "three two one "
    assert said == []


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    file = tmp_path / "listening"
    source = STUBBORN.format(file=file)
    await supervisor.start(python("stubborn", source, ready=exists(file), grace=0.1))
    pid = supervisor.pid("stubborn")
    await supervisor.stop("stubborn")
    assert command_of(pid) is None


async def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_last_words(
    supervisor: Supervisor,
) -> None:
    program = python("hopeless", "raise SystemExit('no such table')", ready=never)
    with pytest.raises(NotStarted, match=r"(?s)ended with exit code 1.*no such table"):
        await supervisor.start(program)


async def test_a_child_that_does_not_get_ready_in_time_is_stopped(supervisor: Supervisor) -> None:
    with pytest.raises(NotStarted, match="not ready within"):
        await supervisor.start(python("slow", WAIT, ready=never), within=0.2)
    with pytest.raises(KeyError):
        supervisor.pid("slow")


async def test_when_one_of_several_does_not_start_the_others_are_stopped(
    supervisor: Supervisor,
) -> None:
    waiting = python("waiting", WAIT, ready=never)
    with pytest.raises(NotStarted, match="hopeless ended with exit code 1"):
        await supervisor.start_together([waiting, python("hopeless", "exit(1)", ready=never)])
    assert supervisor.running() == []


async def test_the_last_words_are_of_this_start_and_not_of_an_earlier_one(
    supervisor: Supervisor,
) -> None:
    supervisor.log("worker").parent.mkdir()
    supervisor.log("worker").write_text("of yesterday\n")
    with pytest.raises(NotStarted, match="of today") as raised:
        await supervisor.start(python("worker", "raise SystemExit('of today')", ready=never))
    assert "of yesterday" not in str(raised.value)


async def test_a_killed_child_comes_back_only_when_it_is_asked_for(
    supervisor: Supervisor, said: list[str]
) -> None:
    await supervisor.start(python("worker", WAIT))
    first = supervisor.pid("worker")
    await supervisor.kill("worker")
    assert command_of(first) is None
    await supervisor.restart("worker")
    assert supervisor.pid("worker") != first
    assert said == []


async def test_the_next_start_ends_what_a_killed_supervisor_left_behind(tmp_path: Path) -> None:
    command = (sys.executable, "-c", WAIT)
    left = await asyncio.create_subprocess_exec(*command)
    file = tmp_path / "run" / "worker.pid"
    PidFile(file).write(left.pid, command)
    await until(lambda: command_of(left.pid) == " ".join(command))
    found = await asyncio.to_thread(Supervisor(tmp_path).clean_up)
    assert (found, await left.wait()) == (["worker"], -signal.SIGTERM)
    assert not file.exists()


async def test_a_pid_that_belongs_to_someone_else_by_now_is_left_alone(tmp_path: Path) -> None:
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", WAIT)
    PidFile(tmp_path / "run" / "worker.pid").write(other.pid, ("redis-server", "--port", "1"))
    assert Supervisor(tmp_path).clean_up() == []
    assert other.returncode is None
    other.kill()
    await other.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's part is Linux only")
async def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    source = f"""
import asyncio, pathlib, sys
from adapters.inbound.cli.supervisor import Supervisor
from adapters.outbound.embedded.program import Program
async def main():
    supervisor = Supervisor(pathlib.Path({str(tmp_path)!r}))
    await supervisor.start(Program("worker", (sys.executable, "-c", {WAIT!r})))
    print(supervisor.pid("worker"), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 10))
    await until(lambda: WAIT in (command_of(child) or ""))
    parent.kill()
    await parent.wait()
    await until(lambda: command_of(child) is None)


def test_a_directory_has_one_supervisor(tmp_path: Path) -> None:
    with (
        DirectoryLock(tmp_path),
        pytest.raises(AlreadyRunning, match=str(os.getpid())),
        DirectoryLock(tmp_path),
    ):
        pass
    with DirectoryLock(tmp_path):
        pass


def python(name: str, source: str, *, ready: Ready = at_once, grace: float = 5.0) -> Program:
    return Program(name, (sys.executable, "-c", source), dict(os.environ), ready, grace)


def exists(file: Path) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await asyncio.to_thread(file.exists)

    return look


async def never() -> bool:
    return False


async def until(true: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 processes set no event
            await asyncio.sleep(0.02)
