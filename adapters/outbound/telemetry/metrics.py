"""Numbers for CloudWatch, as lines of the log in its Embedded Metric Format.

CloudWatch Logs makes metrics of such lines by itself, from a process and from a Lambda alike; no
API is called. Where nobody does that, they are readable lines of a log.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

NAMESPACE = "Homecast"
FLUSH_EVERY = 10.0
"""Seconds."""

Dimensions = tuple[tuple[str, str], ...]


def to_log(line: str) -> None:
    """Where the other lines of the log go."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class EmbeddedMetrics:
    """Port ``Metrics``. Any thread may call it; one line per set of dimensions and flush."""

    def __init__(
        self,
        service: str,
        *,
        write: Callable[[str], None] = to_log,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._write = write
        self._clock = clock
        self._monotonic = monotonic
        self._flushed_at = -FLUSH_EVERY
        self._values: dict[Dimensions, dict[str, float]] = {}
        self._units: dict[str, str] = {}
        self._lock = threading.Lock()

    def count(self, name: str, value: int = 1, **dimensions: str) -> None:
        with self._lock:
            values = self._of(name, "Count", dimensions)
            values[name] = values.get(name, 0) + value

    def gauge(self, name: str, value: float, unit: str = "None", **dimensions: str) -> None:
        with self._lock:
            values = self._of(name, unit, dimensions)
            values[name] = max(values.get(name, value), value)

    def send(self) -> None:
        """Where no task can flush in between: after each piece of work, flush when it is time."""
        if self._monotonic() - self._flushed_at >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what came since the last time; nothing, when nothing came."""
        with self._lock:
            self._flushed_at = self._monotonic()
            taken, self._values = self._values, {}
        for dimensions, values in taken.items():
            self._write(
                json.dumps(self._line({"service": self._service, **dict(dimensions)}, values))
            )

    @contextlib.asynccontextmanager
    async def flushed(self) -> AsyncIterator[EmbeddedMetrics]:
        """Flush regularly until the end of the block, and then once more."""
        task = asyncio.create_task(self._flush_for_ever())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task  # an error of it is told, late as it is
            self.flush()

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            self.flush()

    def _of(self, name: str, unit: str, dimensions: Mapping[str, str]) -> dict[str, float]:
        self._units[name] = unit
        return self._values.setdefault(tuple(sorted(dimensions.items())), {})

    def _line(self, dimensions: Mapping[str, str], values: Mapping[str, float]) -> dict[str, Any]:
        metrics = [{"Name": name, "Unit": self._units[name]} for name in values]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(dimensions)],
            "Metrics": metrics,
        }
        metadata = {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [directive]}
        return {"_aws": metadata, "event": "metrics", **dimensions, **values}
