"""``homecast account``: opened in the stores themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.bootstrap import operators
from adapters.inbound.cli import main
from tests.support.accounts import EMAIL, PASSWORD, World

ID = "01M83HZ9BTRM3T4TJHKCWEYMQ9"


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    @asynccontextmanager
    async def account_operator(_: Any) -> AsyncIterator[Any]:
        yield world.parts

    monkeypatch.setattr(operators, "account_operator", account_operator)
    monkeypatch.setenv("HOMECAST_VAULT_TABLE", "vault")
    monkeypatch.chdir(tmp_path)
    return world


def create(*words: str, typed: str = "") -> Result:
    words = ("account", "create", "--email", EMAIL, *words)
    return CliRunner().invoke(main.app, [*words], input=typed)


def signs_in(world: World, password: str) -> str:
    return asyncio.run(world.entered(password)).signed_in.account_id


def test_a_password_that_is_asked_for_is_shown_nowhere(world: World) -> None:
    result = create("--account", ID, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == ""
    assert ID in result.stderr
    assert PASSWORD not in result.output
    assert signs_in(world, PASSWORD) == ID


def test_a_made_password_stands_alone_on_standard_output(world: World) -> None:
    result = create("--generate")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() not in result.stderr
    assert signs_in(world, result.stdout.strip()) in result.stderr


def test_programs_get_it_as_json(world: World) -> None:
    made = json.loads(create("--generate", "--account", ID, "--json").stdout)
    assert made == {"account_id": ID, "email": EMAIL, "password": made["password"]}
    assert signs_in(world, made["password"]) == ID


def test_what_is_refused_is_told_in_a_line() -> None:
    assert create("--generate").exit_code == 0
    taken = create("--generate")
    assert taken.exit_code == 1
    assert "the address has an account already" in taken.stderr
    weak = create(typed="12345678\n12345678\n")
    assert weak.exit_code == 1
    assert "password" in weak.stderr
    assert create("--generate", "--account", "demo").exit_code == 1
