"""``homecast parked`` and ``homecast dead-letters``, on the operations themselves."""

from __future__ import annotations

import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.bootstrap import operations
from adapters.inbound.cli import main
from projections.devices.remote_commands import REMOTE_COMMANDS
from projections.kernel.parked_rows import ParkedRows
from tests.unit.http.test_operations import letter
from tests.unit.http.world import FakeDeadLetters, FakeOperations
from tests.unit.projections.test_parked_rows import Desk
from tests.unit.projections.test_parking import EVERYTHING, ROW, poisoned

MODEL = "remote_commands"


class Operator:
    """``code``: what the command line folds with."""

    def __init__(self) -> None:
        self.desk, self.letters = Desk(), FakeDeadLetters()
        self.code = REMOTE_COMMANDS

    @property
    def parked(self) -> ParkedRows:
        return self.desk.operator(self.code)


@pytest.fixture(autouse=True)
async def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One row is parked, by its second event."""
    operator = Operator()
    broken = operator.desk.gate(poisoned("fold", 3))
    for one in EVERYTHING[1:]:
        await broken.apply([one])

    @asynccontextmanager
    async def operating(_: Any) -> AsyncIterator[FakeOperations]:
        yield FakeOperations(operator.parked, operator.letters)

    monkeypatch.setattr(operations, "operating", operating)
    monkeypatch.setenv("HOMECAST_VAULT_TABLE", "vault")
    monkeypatch.chdir(tmp_path)
    return operator


def run(*words: str) -> Result:
    return CliRunner().invoke(main.app, words)


def test_parked_rows_are_listed_for_people_and_programs() -> None:
    told = run("parked", "list")
    assert told.exit_code == 0, told.output
    assert f"{MODEL} {ROW}" in told.stdout
    assert "Poison" in told.stdout
    [row] = json.loads(run("parked", "list", "--json").stdout)
    assert (row["status"], row["attempts"]) == ("PARKED", 1)
    assert "No parked rows." in run("parked", "list", "--model", "devices").stdout


def test_a_parked_row_is_shown_with_its_event_and_what_was_done() -> None:
    assert run("parked", "drop", MODEL, ROW, "--yes").exit_code == 0
    told = run("parked", "show", MODEL, ROW)
    assert told.exit_code == 0, told.output
    for part in ("Poison", '"sequence": "3"', f"cli:{getpass.getuser()} drop: done"):
        assert part in told.stdout


def test_a_retry_says_whether_the_row_goes_on(operator: Operator) -> None:
    operator.code = poisoned("fold", 3)
    assert run("parked", "retry", MODEL, ROW).exit_code == 1
    operator.code = REMOTE_COMMANDS
    told = run("parked", "retry", MODEL, ROW, "--json")
    assert told.exit_code == 0, told.output
    [row] = json.loads(told.stdout)
    assert row["status"] == "RETRIED"
    assert {one["who"] for one in row["actions"]} == {f"cli:{getpass.getuser()}"}
    again = run("parked", "retry", MODEL, ROW)
    assert again.exit_code == 1
    assert "the row is RETRIED" in again.stderr


@pytest.mark.parametrize("of", [(), ("--model", MODEL), (MODEL,)])
def test_all_parked_rows_are_retried_at_once(operator: Operator, of: tuple[str, ...]) -> None:
    told = run("parked", "retry", "--all", *of, "--json")
    assert told.exit_code == 0, told.output
    assert [one["row"] for one in json.loads(told.stdout)] == [ROW]
    assert not operator.desk.rows.parked
    assert json.loads(run("parked", "retry", "--all", "--json").stdout) == []


@pytest.mark.parametrize("words", [(), (MODEL,), (MODEL, ROW, "--all")])
def test_a_retry_wants_one_row_or_all(words: tuple[str, ...]) -> None:
    assert run("parked", "retry", *words).exit_code == 2


def test_a_skip_is_asked_about_first(operator: Operator) -> None:
    operator.code = poisoned("fold", 3)
    assert run("parked", "skip", MODEL, ROW).exit_code == 1
    assert operator.desk.rows.parked
    told = run("parked", "skip", MODEL, ROW, "--yes")
    # What follows needs the event that was skipped.
    assert (told.exit_code, operator.desk.row.applied) == (1, 2)


def test_an_unknown_row_is_told_in_a_line() -> None:
    told = run("parked", "show", MODEL, "nothing")
    assert told.exit_code == 1
    assert "no such row was parked" in told.stderr


def test_dead_letters_by_the_command_line(operator: Operator) -> None:
    operator.letters.letters = {one: letter(one) for one in ("L1", "L2", "L3")}
    assert "devices" in run("dead-letters", "list").stdout
    assert json.loads(run("dead-letters", "list", "--json").stdout)[0]["waiting"] == 3
    told = run("dead-letters", "show", "devices").stdout
    assert "not a CloudEvent of ours" in told
    assert "no event" in told
    assert run("dead-letters", "drop", "devices", "L1").exit_code == 1
    assert run("dead-letters", "drop", "devices", "L1", "--yes").exit_code == 0
    moved = json.loads(run("dead-letters", "redrive", "devices", "--limit", "1", "--json").stdout)
    assert moved == {"moved": 1, "task": None}
    assert list(operator.letters.letters) == ["L3"]
    assert {by for _, by in operator.letters.acts} == {f"cli:{getpass.getuser()}"}
    assert run("dead-letters", "show", "nothing").exit_code == 1
