"""What the handlers import: no more than the archive holds, and nothing without use."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OURS = {"adapters", "commands", "domain", "projections"}
PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the archive", name=name)

absent = set(sys.argv[2].split())
sys.meta_path.insert(0, Absent())
__import__(f"adapters.inbound.aws_lambda.{sys.argv[1]}")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@cache
def absent() -> frozenset[str]:
    """Top-level modules of everything installed here that the functions' lock does not name."""
    lock = (ROOT / "requirements" / "lambda.txt").read_text()
    present = set(re.findall(r"^([a-z0-9.-]+)==", lock, flags=re.MULTILINE))
    return frozenset(
        module
        for module, distributions in packages_distributions().items()
        if module not in OURS and not {canonical(one) for one in distributions} & present
    )


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(handler: str) -> set[str]:
    """Top-level modules in a process that has imported the handler alone."""
    command = (sys.executable, "-c", PROGRAM, handler, " ".join(absent()))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("handler", ["api", "projector"])
def test_a_handler_finds_all_that_it_imports_in_the_archive(handler: str) -> None:
    assert {"pytest", "ministack", "uvicorn", "rich"} <= absent()
    assert "aiobotocore" in imported(handler)


def test_the_api_starts_without_the_parts_of_the_workers() -> None:
    """Each costs processor time at the start of every container: import them in the functions of
    ``adapters/bootstrap.py`` that need them."""
    assert not imported("api") & {"faststream", "joserfc", "httpx", "aws_xray_sdk"}
