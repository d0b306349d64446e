"""``python -m tests.bench``: measure the platform on the embedded engines, on the loopback only.

``--only PART`` (may be repeated; ``--help`` lists the parts), ``--quick``, ``--json``; ``--write``
puts the tables into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import uvloop

from adapters.outbound.embedded.ministack import CREDENTIALS
from tests.bench import (
    accounts,
    ads,
    connections,
    core,
    cost,
    cpu,
    latency,
    printed,
    rebuild,
    report,
    starts,
)
from tests.bench.sizes import FULL, QUICK, Sizes
from tests.bench.stage import stage

PRINTED = {
    "vast": ("ad_break",),
    "films": ("transcoding",),
    "statistics": ("statistics",),
}
"""By part, the module and its arguments."""
QUICKLY = {"vast": (), "films": ("5", "1"), "statistics": ("200000", "4", "1")}
PARTS = (
    "core",
    "rebuild",
    "cost",
    "latency",
    "cpu",
    "gateway",
    "starts",
    "ads",
    "accounts",
    *PRINTED,
)


Done = Callable[[str, Any], None]


async def measure(directory: Path, wanted: Sequence[str], sizes: Sizes, done: Done) -> None:
    """Platforms one after the other: each starts with empty tables."""
    if "core" in wanted:
        say("event store …")
        done("core", await core.measure(directory / "core", sizes))
    if "rebuild" in wanted:
        say("rebuild …")
        done("rebuild", await rebuild.measure(directory / "rebuild", sizes))
    if "latency" in wanted or "cpu" in wanted:
        say("latency and processor time …")
        async with stage(directory / "direct") as one:
            if "latency" in wanted:
                done("latency", await latency.measure(one, sizes))
            if "cpu" in wanted:
                done("cpu", await cpu.measure(one, sizes))
    if "cost" in wanted:
        say("cost …")
        done("cost", await cost.measure(directory / "proxied", sizes))
    if "gateway" in wanted:
        say("idle connections …")
        done("gateway", await connections.measure(directory / "gateway", sizes))
    if "starts" in wanted:
        say("starts of functions …")
        done("starts", await starts.measure(directory / "starts", sizes))
    if "ads" in wanted:
        say("ad breaks …")
        done("ads", await ads.measure(directory / "ads", sizes))
    if "accounts" in wanted:
        say("accounts …")
        done("accounts", await accounts.measure(directory / "accounts", sizes))
    for name, command in PRINTED.items():
        if name in wanted:
            say(f"{name} …")
            more = QUICKLY[name] if sizes.quick else ()
            done(name, await asyncio.to_thread(printed.measure, *command, *more))


def say(text: str) -> None:
    load = os.getloadavg()[0]
    print(f"{text} (load average {load:.1f})", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer samples, a minute and a half")
    parser.add_argument("--json", action="store_true", help="plain numbers instead of tables")
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    os.environ.update(CREDENTIALS)
    results: dict[str, Any] = {}

    def done(name: str, result: Any) -> None:
        results[name] = asdict(result)
        tables = report.TABLES[name](result)
        if not asked.json:
            print(f"{tables}\n", flush=True)
        if asked.write:
            report.write(name, tables)

    with tempfile.TemporaryDirectory(prefix="homecast-bench-") as directory:
        sizes = QUICK if asked.quick else FULL
        uvloop.run(measure(Path(directory), asked.only or PARTS, sizes, done))
    if asked.json:
        print(orjson.dumps(results, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    main()
