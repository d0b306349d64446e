"""Parts that are programs of their own and print their tables."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

TIME_LIMIT = 1_800


@dataclass(frozen=True)
class Printed:
    text: str


def measure(module: str, *arguments: str) -> Printed:
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    return Printed(done.stdout.strip())


def tables(found: Printed) -> str:
    return found.text
