"""The import rules hold, and each of them fails on an offence planted in a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("domain", "commands", "projections", "adapters")
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"
CONTRACTS: dict[str, str] = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}
# Contract, planted in, what it imports.
OFFENCES = [
    ("one-direction", "domain.devices", "commands.devices.ports"),
    ("one-direction", "domain.kernel", "projections.kernel.gate"),
    ("one-direction", "domain.devices", "adapters.settings"),
    ("one-direction", "commands.devices", "projections.devices.devices"),
    ("one-direction", "projections.devices", "commands.devices.ports"),
    ("one-direction", "commands.kernel", "adapters.settings"),
    ("one-direction", "projections.kernel", "adapters.settings"),
    ("contexts", "domain.devices", "domain.accounts"),
    ("contexts", "domain.accounts", "domain.devices.device"),
    ("contexts", "commands.devices", "commands.accounts"),
    ("contexts", "domain.kernel", "domain.devices.device"),
    ("contexts", "projections.kernel", "projections.devices.devices"),
    ("devices-alone", "commands.devices", "domain.accounts"),
    ("devices-alone", "projections.devices", "domain.accounts"),
    ("accounts-alone", "commands.accounts", "domain.devices.device"),
    ("media-alone", "commands.media", "domain.devices.device"),
    ("media-alone", "projections.media", "domain.accounts"),
    ("kernel-alone", "commands.kernel", "domain.devices.lane"),
    ("kernel-alone", "projections.kernel", "domain.accounts"),
    *(
        ("pure-domain", "domain.devices", module)
        for module in ("asyncio", "httpx", "os", "random", "redis", "socket", "time", "uuid")
    ),
    ("drivers", "commands.devices", "aiobotocore"),
    ("drivers", "projections.devices", "redis"),
    ("pynamodb", "commands.devices", "pynamodb"),
    ("pynamodb", "adapters.inbound.http", "pynamodb"),
    ("faststream-aws", "adapters.faststream_aws", "domain.kernel.errors"),
    ("faststream-aws", "adapters.faststream_aws", "adapters.settings"),
    ("vast", "adapters.vast", "domain.kernel.errors"),
    ("composition-root", "adapters.inbound.http", "adapters.outbound.dynamodb.vault"),
    ("composition-root", "adapters.inbound.gateway", "adapters.outbound.embedded.redis"),
    ("composition-root", "adapters.inbound.cli", "adapters.outbound.dynamodb.vault"),
    ("ports-only", "adapters.outbound.redis", "adapters.inbound.workers.relay"),
    ("ports-only", "adapters.outbound.memory", "adapters.bootstrap"),
]


def lint(root: Path) -> tuple[int, str]:
    done = subprocess.run(
        [str(LINT_IMPORTS), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "1000"},  # else long lines are wrapped
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def module_of(package: str, imported: str) -> str:
    return f"planted_{package}_{imported}".replace(".", "_")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said about each broken contract in a tree with all offences."""
    root = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", root)
    for tree in TREES:
        ignored = shutil.ignore_patterns("__pycache__", "assets")
        shutil.copytree(ROOT / tree, root / tree, ignore=ignored)
    for _, package, imported in OFFENCES:
        file = root / package.replace(".", "/") / f"{module_of(package, imported)}.py"
        file.write_text(f"import {imported}\n")
    (root / "domain" / "stray.py").write_text("")
    status, text = lint(root)
    assert status == 1
    _, _, broken = text.partition("Broken contracts")
    places = sorted((broken.find(name), key) for key, name in CONTRACTS.items() if name in broken)
    ends = [start for start, _ in places[1:]] + [len(broken)]
    return {key: broken[start:end] for (start, key), end in zip(places, ends, strict=True)}


def test_the_tree_keeps_every_rule() -> None:
    status, text = lint(ROOT)
    assert status == 0, text
    assert f"{len(CONTRACTS)} kept, 0 broken" in text


@pytest.mark.parametrize(("contract", "package", "imported"), OFFENCES)
def test_a_planted_offence_breaks_its_rule(
    verdicts: dict[str, str], contract: str, package: str, imported: str
) -> None:
    said = verdicts[contract]
    assert f"{package}.{module_of(package, imported)} -> {imported}" in said


def test_every_rule_has_an_offence() -> None:
    assert {contract for contract, _, _ in OFFENCES} == set(CONTRACTS)


def test_a_module_outside_context_and_kernel_breaks_the_rule(verdicts: dict[str, str]) -> None:
    assert "domain.stray" in verdicts["contexts"]
