"""Writes ``docs/problems.md``: ``python -m adapters.inbound.http.problems_page``."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import adapters.inbound.http
import adapters.outbound
import commands
import domain
import projections
from adapters.inbound.http.problems import page

PAGE = Path(__file__).parents[3] / "docs" / "problems.md"
TREES: tuple[ModuleType, ...] = (
    domain,
    commands,
    projections,
    adapters.outbound,
    adapters.inbound.http,
)


def import_all() -> None:
    """So that every leaf of the tree of errors is known."""
    for tree in TREES:
        for found in pkgutil.walk_packages(tree.__path__, tree.__name__ + "."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


if __name__ == "__main__":
    import_all()
    PAGE.write_text(page(), encoding="utf-8")
