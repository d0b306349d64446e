"""Where the command line finds the platform and its token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.inbound.cli.connection import Connection, Trouble, find_connection, run_directory
from adapters.inbound.cli.edge import as_trouble
from domain.kernel.errors import NotFound, StoreUnavailable


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder below the one with ``.homecast``, and nothing in the environment."""
    (tmp_path / "below" / "it").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "below" / "it")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("HOMECAST_TOKEN", "HOMECAST_API_URL"):
        monkeypatch.delenv(name, raising=False)


def write_run(folder: Path, url: str) -> None:
    directory = folder / ".homecast"
    directory.mkdir()
    (directory / "demo.json").write_text(json.dumps({"account_id": "A", "token": "hc_demo"}))
    (directory / "environment").write_text(f"# written by up\nHOMECAST_API_URL={url}\n")


def test_the_run_directory_is_found_from_below(tmp_path: Path) -> None:
    write_run(tmp_path, "http://127.0.0.1:4711")
    assert run_directory() == tmp_path.resolve() / ".homecast"
    assert find_connection() == Connection("http://127.0.0.1:4711", "hc_demo")


def test_an_empty_run_directory_does_not_hide_one_above(tmp_path: Path) -> None:
    write_run(tmp_path, "http://127.0.0.1:4711")
    Path(".homecast").mkdir()
    assert run_directory() == tmp_path.resolve() / ".homecast"


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, "http://127.0.0.1:4711")
    monkeypatch.setenv("HOMECAST_TOKEN", "hc_mine")
    assert find_connection() == Connection("http://127.0.0.1:4711", "hc_mine")
    monkeypatch.setenv("HOMECAST_API_URL", "https://home.example")
    assert find_connection() == Connection("https://home.example", "hc_mine")


def test_a_folder_cannot_send_my_token_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, "https://somewhere.example")
    monkeypatch.setenv("HOMECAST_TOKEN", "hc_mine")
    assert find_connection() == Connection("http://127.0.0.1:8080", "hc_mine")


def test_the_token_is_in_no_representation() -> None:
    assert "hc_secret" not in repr(Connection("http://127.0.0.1", "hc_secret"))


def test_without_a_token_it_is_wrong_usage() -> None:
    with pytest.raises(Trouble) as caught:
        find_connection()
    assert caught.value.exit_code == 2


def test_errors_of_the_platform_keep_their_codes() -> None:
    unreachable = as_trouble(StoreUnavailable("away"))
    assert (unreachable.exit_code, unreachable.problem["code"]) == (3, "store_unavailable")
    missing = as_trouble(NotFound("no such token"))
    assert (missing.exit_code, missing.problem["retryable"]) == (1, False)
