"""The platform with functions where it can have them, on the embedded AWS: deployed by `osls`.

``async with FunctionsPlatform(tmp_path) as platform``: ``local.FUNCTIONS`` are functions, the rest
are processes. Needs ``npm ci``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from adapters.inbound.cli import local
from tests.support.platform import Platform

PROCESSES = tuple(name for name in local.PLATFORM if name not in local.FUNCTIONS)
_numbers = itertools.count(1)


class FunctionsPlatform(Platform):
    def __init__(self, directory: Path, *, processes: Sequence[str] = PROCESSES) -> None:
        super().__init__(directory, processes=processes)
        self.engines = local.Engines.in_directory(directory, self.ports, persist=False, roles=True)
        self.stage = f"test{os.getpid()}x{next(_numbers)}"

    async def start(self) -> None:
        await self.engines.start(self.supervisor)
        self.environment = local.addresses(self.ports) | await self.engines.functions(self.stage)
        await self.supervisor.start_together(
            local.process(name, self.environment) for name in self.processes
        )

    async def lines(self, function: str, *, since: float) -> list[str]:
        """What the function has logged since then (seconds since the epoch)."""
        async with self.engines.place.client("logs") as client:
            found = await client.filter_log_events(
                logGroupName=f"/aws/lambda/homecast-{self.stage}-{function}",
                startTime=int(since * 1000),
            )
        return [one["message"] for one in found["events"]]
