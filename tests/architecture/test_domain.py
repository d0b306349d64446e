"""The domain is pure: what it may import is a list, and what it may not call is another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "domain").rglob("*.py"))
MAY_IMPORT = {
    "__future__",
    "base64",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "domain",
    "enum",
    "eventsourcing.domain",
    "eventsourcing.utils",
    "functools",
    "hashlib",
    "itertools",
    "pydantic",
    "re",
    "typing",
}
MAY_NOT_CALL = {"now", "utcnow", "today", "fromtimestamp", "time", "monotonic", "uuid4", "urandom"}
MAY_NOT_USE = {"open", "print", "input", "exec", "eval", "__import__"}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (one.name for one in node.names if not allowed(one.name))
            case ast.ImportFrom(level=0, module=str(module)) if not allowed(module):
                yield module
            case ast.Call(func=ast.Attribute(attr=name)) if name in MAY_NOT_CALL:
                yield f"{name}()"
            case ast.Call(func=ast.Name(id=name)) if name in MAY_NOT_USE:
                yield name


def allowed(module: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_of_the_domain_is_pure(path: Path) -> None:
    assert list(offences(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("import os", "os"),
        ("import asyncio as a", "asyncio"),
        ("from time import sleep", "time"),
        ("import eventsourcing.persistence", "eventsourcing.persistence"),
        ("from eventsourcing.application import Application", "eventsourcing.application"),
        ("from commands.kernel.ports import Clock", "commands.kernel.ports"),
        ("def f():\n    import redis", "redis"),
        ("at = datetime.now(UTC)", "now()"),
        ("at = datetime.datetime.utcnow()", "utcnow()"),
        ("at = date.today()", "today()"),
        ("at = datetime.fromtimestamp(0)", "fromtimestamp()"),
        ("text = open('file').read()", "open"),
        ("print(1)", "print"),
    ],
)
def test_an_offence_is_found(source: str, offence: str) -> None:
    assert list(offences(source)) == [offence]


def test_the_rule_looks_at_something() -> None:
    assert len(MODULES) > 8
