"""``homecast token``: made, listed and revoked in the vault itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.bootstrap import operators
from adapters.inbound.cli import main
from adapters.outbound.memory.store import MemoryVault
from adapters.outbound.memory.token_states import MemoryTokenStates
from adapters.outbound.system.clock import SystemClock, Ulids

ACCOUNT = "01M83HZ9BTRM3T4TJHKCWEYMQ9"


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryVault:
    vault = MemoryVault()

    @asynccontextmanager
    async def operator(_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(
            vault=vault, clock=SystemClock(), ids=Ulids(), revocations=MemoryTokenStates()
        )

    monkeypatch.setattr(operators, "operator", operator)
    monkeypatch.setenv("HOMECAST_VAULT_TABLE", "vault")
    monkeypatch.chdir(tmp_path)
    return vault


def run(*words: str) -> Result:
    return CliRunner().invoke(main.app, ["token", *words])


def made(*words: str) -> dict[str, Any]:
    result = run("create", "--json", *words)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_token_stands_alone_on_standard_output() -> None:
    result = run("create", "--account", ACCOUNT)
    token = result.stdout.strip()
    assert len(token) == 46
    assert token.startswith("hc_")
    assert ACCOUNT in result.stderr
    assert token not in result.stderr


def test_a_token_may_be_narrow_and_short_lived() -> None:
    grant = made("--scope", "devices:read", "--days", "2", "--label", "wall")
    assert grant["scopes"] == ["devices:read"]
    assert grant["label"] == "wall"
    assert grant["expires_at"] is not None


def test_the_demo_home_is_the_account_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / ".homecast").mkdir()
    (tmp_path / ".homecast" / "demo.json").write_text(json.dumps({"account_id": ACCOUNT}))
    assert made()["account_id"] == ACCOUNT


def test_tokens_are_listed_without_themselves_and_revoked_by_id() -> None:
    kept, gone = made("--label", "kept"), made("--label", "gone")
    for listed in (run("list").stdout, run("list", "--json").stdout):
        assert kept["token_id"] in listed
        assert kept["token"] not in listed
    assert gone["token_id"] in run("revoke", gone["token_id"]).stdout
    left = json.loads(run("list", "--json").stdout)
    assert [one["token_id"] for one in left] == [kept["token_id"]]


def test_an_unknown_id_or_scope_is_told_in_a_line() -> None:
    unknown = run("revoke", "nothing")
    assert unknown.exit_code == 1
    assert "no token has this id" in unknown.stderr
    scope = run("create", "--scope", "everything", "--json")
    assert scope.exit_code == 1
    assert json.loads(scope.stdout)["code"] == "invalid_input"
