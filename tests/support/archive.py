"""A Python that has of all installed packages only those that the functions' archive holds."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"adapters", "commands", "domain", "projections", "tests"}
ABSENT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the archive", name=name)

absent = set(sys.argv[1].split())
sys.meta_path.insert(0, Absent())
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


def run(program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What the program prints; its arguments begin at ``sys.argv[2]``."""
    command = (sys.executable, "-c", ABSENT + program, " ".join(sorted(absent())), *arguments)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
