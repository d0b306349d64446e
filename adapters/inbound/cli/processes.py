"""Processes of the operating system: who lives, what it runs, and that it ends with its parent."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.inbound.cli import tether

SECONDS_TO_END = 10.0


def tethered(command: Sequence[str]) -> tuple[str, ...]:
    """The same command, as one that ends when this process does."""
    return (sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command)


def command_of(pid: int) -> str | None:
    """The command line of a living process, its parts joined by blanks; None when there is none."""
    with contextlib.suppress(OSError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace") or None
    ps = shutil.which("ps")
    if ps is None:
        return None
    shown = subprocess.run(  # noqa: S603 a number is all that is passed
        [ps, "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


class PidFile:
    """A process and its command: a pid alone may belong to someone else by now."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, pid: int, command: Sequence[str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps({"pid": pid, "command": " ".join(command).rstrip()}))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def end_stale(self) -> bool:
        """End the process if it still runs that command; whether there was one."""
        pid, command = self._read()
        found = pid > 0 and command_of(pid) == command
        if found:
            end_by_pid(pid, command)
        self.remove()
        return found

    def _read(self) -> tuple[int, str]:
        try:
            kept = json.loads(self._path.read_text())
            return int(kept["pid"]), str(kept["command"])
        except (ValueError, KeyError, FileNotFoundError):
            return 0, ""


def end_by_pid(pid: int, command: str) -> None:
    """SIGTERM, then SIGKILL, as long as the pid runs the command."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kind)
        deadline = time.monotonic() + SECONDS_TO_END
        while time.monotonic() < deadline:
            if command_of(pid) != command:
                return
            time.sleep(0.05)


class AlreadyRunning(Exception):
    """Another process holds the directory; ``args[0]`` is its pid."""


class DirectoryLock:
    """One supervisor per directory. The kernel lets go of it, however its holder ends."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"

    def __enter__(self) -> DirectoryLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise AlreadyRunning(holder) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
