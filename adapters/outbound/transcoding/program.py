"""A program as a bounded child: own process group, limits, and gone when we are done with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMITED = str(Path(__file__).with_name("limited.py"))
TAIL = 8_192
"""Bytes of its last words that are kept."""
LINE = 65_536


@dataclass(frozen=True)
class Limits:
    """``seconds``: wall time; the processor time may be as much on each of 64 processors.
    ``file_size``: bytes of any one file; ``memory``: bytes of address space."""

    seconds: float
    file_size: int = 2 * 1024**3
    memory: int = 8 * 1024**3
    nice: int = 10


@dataclass(frozen=True)
class Ended:
    """``code``: as the system tells it, negative for a signal; None: it was too slow and killed."""

    code: int | None
    out: bytes
    errors: str


Line = Callable[[str], None]


async def run(command: Sequence[str], limits: Limits, on_line: Line | None = None) -> Ended:
    """Run to the end. With ``on_line``, standard output goes there line by line, else into the
    answer (1 MB at most). Cancelled or too slow: its whole group is killed first."""
    process = await asyncio.create_subprocess_exec(
        *_limited(command, limits),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=LINE,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": "/nonexistent"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out, tail = bytearray(), bytearray()
    reading: Awaitable[None] = (
        _keep_first(process.stdout, out) if on_line is None else _lines(process.stdout, on_line)
    )
    try:
        async with asyncio.timeout(limits.seconds):
            await asyncio.gather(reading, _keep_last(process.stderr, tail))
            code: int | None = await process.wait()
    except TimeoutError:
        code = None
    finally:
        await _end(process)
    return Ended(code, bytes(out), tail.decode(errors="replace"))


def _limited(command: Sequence[str], limits: Limits) -> list[str]:
    processor = max(1, int(limits.seconds * 64))
    numbers = (os.getpid(), limits.nice, limits.memory, limits.file_size, processor)
    return [sys.executable, "-I", LIMITED, *map(str, numbers), *command]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its group too: also what outlived it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _keep_first(stream: asyncio.StreamReader, kept: bytearray, most: int = 1_000_000) -> None:
    while part := await stream.read(LINE):
        kept += part[: most - len(kept)]


async def _keep_last(stream: asyncio.StreamReader, kept: bytearray) -> None:
    while part := await stream.read(LINE):
        kept += part
        del kept[:-TAIL]


async def _lines(stream: asyncio.StreamReader, on_line: Line) -> None:
    async for line in stream:
        on_line(line.decode(errors="replace").strip())
