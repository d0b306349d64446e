"""``homecast client``: registered, shown, given secrets and retired in the stores themselves."""

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
from adapters.settings import Settings
from tests.support.oauth import Server


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    @asynccontextmanager
    async def operator(_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(
            settings=Settings(key_file=tmp_path / "keys" / "file"),
            vault=server.vault,
            clock=server.clock,
            ids=server.ids,
            accounts=SimpleNamespace(dispatcher=server.dispatcher, repository=server.repository),
        )

    monkeypatch.setattr(operators, "operator", operator)
    monkeypatch.setenv("HOMECAST_VAULT_TABLE", "vault")
    monkeypatch.chdir(tmp_path)
    return server


def run(*words: str) -> Result:
    return CliRunner().invoke(main.app, ["client", *words])


def found(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


ALEXA = ("add", "--profile", "alexa", "--vendor", "M2ABC")


def test_a_secret_stands_alone_on_standard_output_and_nowhere_else(server: Server) -> None:
    result = run(*ALEXA)
    secret = result.stdout.strip()
    assert (secret[:4], len(secret)) == ("hck_", 47)
    assert "alexa" in result.stderr
    assert secret not in result.stderr
    assert secret not in str(server.vault.items)
    assert secret not in run("show", "alexa").stdout


def test_a_client_without_a_secret_is_told_of() -> None:
    made = found("add", "--profile", "own-app", "--redirect-uri", "https://app.example/cb")
    assert made == {"client_id": "own-app", "client_secret": None}
    shown = found("show", "own-app")
    assert shown["redirect_uris"] == ["https://app.example/cb"]
    assert shown["first_party"] is True


def test_clients_are_listed_changed_and_retired() -> None:
    run(*ALEXA, "--name", "Alexa")
    run("add", "--profile", "service", "--id", "watcher", "--introspect", "--scope", "ads:read")
    assert [one["id"] for one in found("list")] == ["alexa", "watcher"]
    assert "watcher" in run("list").stdout
    assert run(*ALEXA).exit_code == 1, "it is there already"
    again = found(*ALEXA, "--replace", "--name", "Alexa again")
    assert again["client_secret"] is None, "the one that it has does"
    assert found("show", "alexa")["name"] == "Alexa again"
    assert "retired" in run("retire", "alexa").stdout
    assert [one["id"] for one in found("list")] == ["watcher"]
    assert run("show", "alexa").exit_code == 1


def test_a_new_secret_leaves_the_one_before(server: Server) -> None:
    first = found(*ALEXA)["client_secret"]
    second = found("rotate-secret", "alexa")["client_secret"]
    assert first != second
    assert len(found("show", "alexa")["secret_ids"]) == 2
    found("rotate-secret", "alexa")
    assert len(found("show", "alexa")["secret_ids"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("add", "--profile", "alexa"),
        ("add", "--profile", "web", "--redirect-uri", "http://a.example/"),
        ("add", "--profile", "web"),
        ("rotate-secret", "nobody"),
        ("retire", "nobody"),
        ("show", "nobody"),
        ("rotate-signing-key",),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert result.stderr.strip()


def test_an_unknown_profile_is_wrong_usage() -> None:
    assert run("add", "--profile", "other").exit_code == 2


def test_a_signing_key_is_withdrawn_at_once() -> None:
    rows = found("rotate-signing-key", "--withdraw")
    assert [one["state"] for one in rows] == ["withdrawn", "current", "next"]
    assert "current" in run("rotate-signing-key", "--withdraw").stdout
