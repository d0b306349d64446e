"""Accounts that operators open."""

from __future__ import annotations

import asyncio

import pytest

from commands.accounts.opening import new_password, open_account
from commands.accounts.password_rules import PasswordRules, WeakPassword
from domain.accounts.account import AccountExists
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import InvalidInput
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, World

ID = "01M83HZ9BTRM3T4TJHKCWEYMQ9"


async def opened(world: World, email: str = EMAIL, account_id: str | None = ID) -> str:
    return await open_account(
        world.parts, CONTEXT, email=email, password=PASSWORD, account_id=account_id
    )


async def test_a_known_account_gets_its_owner_who_signs_in_at_once(world: World) -> None:
    assert await opened(world, " Jo@Home.example ") == ID
    assert await world.said(f"account-{ID}") == ["AccountRegistered", "PasswordSet"]
    assert (await world.account(ID)).email == "Jo@Home.example"
    entered = await world.entered(PASSWORD)
    assert entered.signed_in.account_id == ID


async def test_a_new_account_gets_a_new_id(world: World) -> None:
    first, second = [await opened(world, f"{n}@home.example", None) for n in range(2)]
    assert len({first, second, ID}) == 3


async def test_neither_an_address_nor_an_id_is_given_twice(world: World) -> None:
    await opened(world)
    before = len(await world.events())
    with pytest.raises(EmailTaken):
        await opened(world, account_id=None)
    with pytest.raises(AccountExists):
        await opened(world, "other@home.example")
    with pytest.raises(AccountExists):
        await opened(world)
    assert len(await world.events()) == before


async def test_of_two_operators_at_once_one_opens_it(world: World) -> None:
    done = await asyncio.gather(
        *(opened(one, account_id=None) for one in world.racing()), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["EmailTaken", "str"]
    assert world.kinds() == ["password"]


async def test_what_is_no_address_no_id_or_no_password_changes_nothing(world: World) -> None:
    with pytest.raises(InvalidInput):
        await opened(world, "home.example")
    with pytest.raises(InvalidInput):
        await opened(world, account_id="demo")
    with pytest.raises(WeakPassword):
        await open_account(world.parts, CONTEXT, email=EMAIL, password="short")
    assert await world.events() == []
    assert world.kinds() == []


def test_a_made_password_is_always_good_enough() -> None:
    made = {new_password() for _ in range(200)}
    assert len(made) == 200
    for one in made:
        assert PasswordRules().accept(one, email="demo@homecast.example") == one
