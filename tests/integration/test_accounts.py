"""A person's way on the engines: mails go by stream, relay, policy and outbox to the folder."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from adapters.bootstrap.accounts import Accounts, accounts
from adapters.bootstrap.http import api
from adapters.settings import Settings
from commands.accounts import signing_in, signing_up
from commands.accounts.entering import Entered
from commands.accounts.passwords import WrongCredentials
from commands.accounts.ports import Letter
from commands.accounts.sign_in_sessions import Visitor, current_session
from domain.kernel.recorded import Context
from tests.integration.test_pipeline import relay
from tests.integration.test_policies import outbox, policies
from tests.support.platform import settings_from
from tests.support.waiting import eventually

CONTEXT = Context("correlation", "causation", "browser")
EMAIL, PASSWORD = "jo@home.example", "correct horse battery"
VISITOR = Visitor("203.0.113.7", "Firefox")


@pytest.fixture
def settings(stack_environment: dict[str, str], tmp_path: Path) -> Settings:
    found = settings_from(stack_environment)
    more = {"mail_folder": tmp_path / "mail", "key_file": tmp_path / "key"}
    return found.model_copy(update=more)


async def letter(parts: Accounts, number: int) -> Letter:
    """The mail of this number, from 1."""

    async def arrived() -> bool:
        return len(await parts.recent_mails()) >= number

    await eventually(arrived, within=20, what="the mail")
    return (await parts.recent_mails())[-number]


async def test_a_person_signs_up_by_a_mail_and_signs_in(settings: Settings) -> None:
    async with (
        api(settings) as core,
        accounts(settings, core) as made,
        relay(settings),
        policies(settings),
        outbox(settings),
    ):
        parts = made.parts
        await signing_up.ask_for_link(parts, CONTEXT, "sign_up", email=EMAIL, visitor=VISITOR)
        mail = await letter(made, 1)
        assert (mail.to, mail.subject) == (EMAIL, "Finish your sign-up")
        found = re.search(r"token=([\w-]+)", mail.text)
        assert found
        done = await asyncio.gather(
            *(
                signing_up.confirm_sign_up(
                    parts, CONTEXT, token=found[1], password=PASSWORD, visitor=VISITOR
                )
                for _ in range(2)
            ),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in done) == ["Entered", "InvalidLink"]
        entered = await signing_in.sign_in(
            parts, CONTEXT, email=EMAIL, password=PASSWORD, visitor=VISITOR
        )
        assert isinstance(entered, Entered)
        now = made.clock.now()
        assert await current_session(made.vault, entered.cookie, now=now) == entered.signed_in
        with pytest.raises(WrongCredentials):
            await signing_in.sign_in(
                parts, CONTEXT, email=EMAIL, password="a wrong one", visitor=VISITOR
            )
        assert "203.0.113.7" in (await letter(made, 2)).text
        await emptied(made)


async def emptied(made: Accounts) -> None:
    async def gone() -> bool:
        return await made.vault.list("mail#") == []

    await eventually(gone, within=20, what="the vault's items of the mails to be deleted")
