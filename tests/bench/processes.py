"""What a process has used, as the kernel counts it (Linux only)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


class CpuMeter:
    """Processor seconds of each named process since ``start``."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._from: dict[str, float] = {}

    def start(self) -> None:
        self._from = self._read()

    def spent(self) -> dict[str, float]:
        return {name: now - self._from[name] for name, now in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}
