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

    async def start(self) -> None:
        await self.engines.start(self.supervisor)
        stage = f"test{os.getpid()}x{next(_numbers)}"
        self.environment = local.addresses(self.ports) | await self.engines.functions(stage)
        await self.supervisor.start_together(
            local.process(name, self.environment) for name in self.processes
        )
