"""``homecast forget`` on memory: what it asks for, what it says, and what it exits with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer import BadParameter
from typer.testing import CliRunner, Result

from adapters.bootstrap import operators
from adapters.inbound.cli import local, main
from adapters.inbound.cli.forget import duration
from adapters.outbound.system.clock import SystemClock, Ulids
from tests.support.write_side import WriteSide

ACCOUNT = "01M83HZ9BTRM3T4TJHKCWEYMQ9"


class Parts(SimpleNamespace):
    """One process on memory, which shares its streams with the next."""

    found: dict[str, int] = {}

    async def names_of(self, _: str) -> tuple[set[str], list[str]]:
        return {"Lamp"}, ["a"]

    async def find(self, texts: Collection[str], beside: Collection[str]) -> dict[str, int]:
        assert (set(texts), list(beside)) == ({"Lamp"}, [ACCOUNT, "a"])
        return self.found


@pytest.fixture(autouse=True)
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteSide:
    side = WriteSide()

    async def reapply() -> list[str]:
        return [ACCOUNT]

    @asynccontextmanager
    async def operator(_: Any) -> AsyncIterator[Any]:
        yield Parts(
            accounts=side,
            repository=side.repository,
            clock=SystemClock(),
            ids=Ulids(),
            keyring=SimpleNamespace(reapply=reapply),
        )

    monkeypatch.setattr(operators, "forgetting_operator", operator)
    monkeypatch.setenv("HOMECAST_VAULT_TABLE", "vault")
    monkeypatch.chdir(tmp_path)
    return side


def run(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main.app, ["forget", *words], input=answer)


def told(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_it_is_asked_for_with_a_waiting_time_and_can_be_called_off() -> None:
    assert told(ACCOUNT, "--status")["status"] is None
    asked = told(ACCOUNT, "--after", "365d", "--yes")
    assert asked["status"] == "REQUESTED"
    assert told(ACCOUNT, "--status") == asked
    assert told(ACCOUNT, "--cancel")["status"] == "CANCELED"


def test_for_people_it_says_when_it_starts() -> None:
    result = run(ACCOUNT, "--after", "365d", answer="y\n")
    assert result.exit_code == 0
    assert "until then --cancel calls it off" in result.stdout


def test_without_a_yes_nothing_is_asked_for() -> None:
    assert run(ACCOUNT, answer="n\n").exit_code == 1
    assert told(ACCOUNT, "--status")["status"] is None


def test_who_does_not_wait_for_the_end_learns_that_it_is_not_reached() -> None:
    result = run(ACCOUNT, "--after", "1m", "--yes", "--wait", "0", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "not_yet_forgotten"


def test_the_list_of_the_forgotten_is_applied_again() -> None:
    assert "1 accounts had to be forgotten again" in run("--reapply").stdout


@pytest.mark.parametrize("words", [(), ("--status",), ("no-account", "--yes", "--after", "1d")])
def test_a_call_that_names_no_account_is_refused(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code != 0


@pytest.mark.parametrize(
    ("text", "found"),
    [("14d", timedelta(days=14)), ("0s", timedelta(0)), ("90m", timedelta(minutes=90))],
)
def test_a_waiting_time_has_a_unit(text: str, found: timedelta) -> None:
    assert duration(text) == found


@pytest.mark.parametrize("text", ["14", "d", "-1d", "1w", "1.5h", "99999999s"])
def test_another_waiting_time_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        duration(text)


def test_the_webhooks_secret_reaches_the_outbox_and_no_other_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOMECAST_WEBHOOK_URL", "https://example.org/hook")
    monkeypatch.setenv("HOMECAST_WEBHOOK_SECRET", "whsec_secret")
    places = {
        "HOMECAST_API_URL": "http://127.0.0.1:1",
        "HOMECAST_GATEWAY_PORT": "2",
    }
    programs = {name: local.process(name, places) for name in local.PLATFORM}
    knowing = {name for name, one in programs.items() if "whsec_secret" in one.environment.values()}
    assert knowing == {"outbox"}
    assert programs["policies"].environment["HOMECAST_WEBHOOK_URL"] == "https://example.org/hook"
