"""The demo's home on the engines: whose account it is, whatever became of its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.bootstrap.operators import account_operator
from adapters.inbound.cli import demo
from adapters.inbound.cli.demo import EMAIL, Home, find_or_make_home, read_home, write_home
from adapters.settings import Settings
from commands.accounts.entering import Entered
from commands.accounts.sign_in_sessions import Visitor
from commands.accounts.signing_in import sign_in
from domain.kernel.recorded import Context
from tests.support.platform import settings_from

CONTEXT = Context("correlation", "causation", "browser")
VISITOR = Visitor("203.0.113.7", "Firefox")


@pytest.fixture
def settings(
    stack_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """With an API that takes every token."""

    async def accepted(*_: object) -> bool:
        return True

    monkeypatch.setattr(demo, "accepted", accepted)
    return settings_from(stack_environment).model_copy(update={"key_file": tmp_path / "key"})


async def owner(settings: Settings, home: Home) -> str:
    """The account that its e-mail address and password open."""
    assert home.email
    assert home.password
    async with account_operator(settings) as parts:
        entered = await sign_in(
            parts, CONTEXT, email=home.email, password=home.password, visitor=VISITOR
        )
    assert isinstance(entered, Entered)
    return entered.signed_in.account_id


async def test_the_demos_home_has_an_owner_who_stays(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    home = await find_or_make_home(settings, file)
    assert home.email == EMAIL
    assert await owner(settings, home) == home.account_id
    assert file.stat().st_mode & 0o777 == 0o600
    assert await find_or_make_home(settings, file) == home == read_home(file)


async def test_a_home_of_before_there_were_accounts_gets_its_owner(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "demo.json"
    before = Home("01M83HZ9BTRM3T4TJHKCWEYMQ9", "hc_" + "x" * 43)
    file.write_text(f'{{"account_id": "{before.account_id}", "token": "{before.token}"}}')
    home = await find_or_make_home(settings, file)
    assert replace(home, email=None, password=None) == before
    assert await owner(settings, home) == before.account_id


async def test_a_lost_file_costs_the_password_and_nothing_else(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "demo.json"
    first = await find_or_make_home(settings, file)
    write_home(file, replace(first, email=None, password=None))
    assert await find_or_make_home(settings, file) == replace(first, email=None, password=None)
    file.unlink()
    another = await find_or_make_home(settings, file)
    assert another.account_id != first.account_id
    assert another.email != EMAIL
    assert await owner(settings, another) == another.account_id
