"""The commands of ``docs/runbook.md``, run as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
HOMECAST = (sys.executable, "-m", "adapters.inbound.cli")
WITHIN = 120.0


@dataclass(frozen=True)
class Said:
    """``code``: the exit code."""

    command: str
    code: int
    text: str


def commands(section: str) -> list[str]:
    """Lines of a section's ``sh`` blocks, in order."""
    text = RUNBOOK.read_text()
    found = re.search(
        rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found, f"the runbook has no section {section!r}"
    blocks = re.findall(r"^```sh\n(.*?)^```", found[1], re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line]


class Operator:
    """Types what the runbook says, on a machine with the platform's settings."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        inherited = {name: os.environ[name] for name in kept if name in os.environ}
        self._environment = inherited | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        self._environment |= dict(environment)
        self._directory = directory

    async def follow(self, section: str, **values: str) -> list[Said]:
        """All commands of a section, with ``$NAMES`` filled in."""
        return [await self.type(command, **values) for command in commands(section)]

    async def type(self, command: str, **values: str) -> Said:
        words = shlex.split(Template(command).substitute(values))
        assert words[0] == "homecast", f"the runbook's commands are ours: {command}"
        process = await asyncio.create_subprocess_exec(
            *HOMECAST,
            *words[1:],
            cwd=self._directory,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        code = process.returncode
        assert code is not None
        return Said(command, code, said.decode())
