"""What a container of each function costs to start: its imports, and what is opened once."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from adapters.inbound.cli import local
from tests.bench.sizes import Sizes
from tests.support.archive import run
from tests.support.platform import Engines

PROGRAM = """
import json, time

def spent():
    return 1000 * time.process_time()

begun = spent()
handler = __import__(f"adapters.inbound.aws_lambda.{sys.argv[2]}", fromlist=["handler"])
imported = spent()
from tests.unit.aws_lambda.payloads import FakeContext, api_event
ready = spent()
handler.resident.take(FakeContext())
opened = spent()
calls = []
for _ in range(3 if sys.argv[2] == "api" else 0):
    before = spent()
    answer = handler.handler(api_event("GET", "/health/ready"), FakeContext())
    assert answer["statusCode"] == 200, answer
    calls.append(spent() - before)
    time.sleep(1.1)  # an answer of this route is kept for a second
print(json.dumps([imported - begun, opened - ready, calls[0] if calls else 0, len(sys.modules)]))
"""


@dataclass(frozen=True)
class Start:
    """Milliseconds of processor time, medians."""

    function: str
    imports: float
    opening: float
    first: float
    modules: int


@dataclass(frozen=True)
class Starts:
    rounds: int
    functions: list[Start]


async def measure(directory: Path, sizes: Sizes) -> Starts:
    async with Engines(directory) as engines:
        environment = os.environ | engines.environment | {"AWS_LAMBDA_FUNCTION_NAME": "bench"}
        found = []
        for name in local.FUNCTIONS:
            rounds = [
                json.loads(await asyncio.to_thread(run, PROGRAM, name, environment=environment))
                for _ in range(sizes.starts + 1)
            ][1:]  # the first one may have compiled what it imported
            imports, opening, first, modules = map(statistics.median, zip(*rounds, strict=True))
            found.append(Start(name, imports, opening, first, int(modules)))
    return Starts(sizes.starts, found)
