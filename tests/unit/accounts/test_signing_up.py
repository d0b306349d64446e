"""Signing up and getting back in, by links in mails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from commands.accounts import identity, signing_up
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.entering import OF_STRANGERS, Entered
from commands.accounts.links import InvalidLink
from commands.accounts.mail import TO_ADDRESS, MailKind
from commands.accounts.password_rules import WeakPassword
from commands.accounts.passwords import WrongCredentials
from commands.accounts.sign_in_sessions import SignedIn, current_session
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import InvalidInput
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, START, URL, VISITOR, World, no_apps
from tests.support.interleave import PassingStore

NEW = "another good password"


async def test_who_follows_the_link_has_an_account_and_is_signed_in(world: World) -> None:
    await world.ask("sign_up", " Jo@Home.Example ", return_to="/oauth2/authorize?x=1")
    assert await world.said("account-") == []
    mail = await world.last_mail()
    assert (mail.to, f"{URL}/signup/confirm?token=" in mail.text) == ("Jo@Home.Example", True)
    entered = await signing_up.confirm_sign_up(
        world.parts, CONTEXT, token=await world.last_token(), password=PASSWORD, visitor=VISITOR
    )
    assert entered.return_to == "/oauth2/authorize?x=1"
    account_id = entered.signed_in.account_id
    assert await world.said(f"account-{account_id}") == ["AccountRegistered", "PasswordSet"]
    assert await current_session(world.vault, entered.cookie, now=START) == entered.signed_in
    assert await world.is_known(entered.device_cookie, account_id)
    assert world.kinds() == ["password", "session"]
    assert (await world.account(account_id)).email == "Jo@Home.Example"


async def test_mails_go_to_the_spelling_that_the_account_has(world: World) -> None:
    """Another one may be another person's mailbox."""
    await world.sign_up("Jo@Home.Example")
    for wanted in ("reset", "sign_up"):
        await world.ask(wanted, "JO@home.example")
        assert (await world.last_mail()).to == "Jo@Home.Example"
    await world.entered(email="jo@home.example")


async def test_no_link_is_good_twice_or_for_something_else(world: World) -> None:
    await world.ask("sign_up")
    token = await world.last_token()

    async def confirm() -> Entered:
        return await signing_up.confirm_sign_up(
            world.parts, CONTEXT, token=token, password=PASSWORD, visitor=VISITOR
        )

    with pytest.raises(InvalidLink):
        await reset(world, token)
    with pytest.raises(InvalidLink):
        await confirm_change(world, SignedIn("a", "s", START, ("pwd",)), token)
    assert (await signing_up.look_at_link(world.parts, token, "sign_up")).email == EMAIL
    await confirm()
    for _ in range(2):
        with pytest.raises(InvalidLink):
            await confirm()


@pytest.mark.parametrize("token", ["", "short", "A" * 43, "A" * 42 + "ä", "../etc"])
async def test_an_invented_link_costs_no_hash(world: World, token: str) -> None:
    with pytest.raises(InvalidLink):
        await reset(world, token)
    assert world.passwords.work == []


@pytest.mark.parametrize(
    ("wanted", "hours", "good"),
    [("sign_up", 23.99, True), ("sign_up", 24, False), ("reset", 0.99, True), ("reset", 1, False)],
)
async def test_links_are_good_for_their_time(
    world: World, wanted: signing_up.Wanted, hours: float, good: bool
) -> None:
    if wanted == "reset":
        await world.sign_up()
    await world.ask(wanted)
    token = await world.last_token()
    world.clock.move(hours=hours)
    purpose: Any = wanted
    if good:
        await signing_up.look_at_link(world.parts, token, purpose)
    else:
        with pytest.raises(InvalidLink):
            await signing_up.look_at_link(world.parts, token, purpose)


async def confirm_change(world: World, signed_in: SignedIn, token: str) -> str:
    return await identity.confirm_email_change(world.parts, CONTEXT, signed_in, token=token)


async def reset(world: World, token: str, password: str = NEW) -> str:
    return await signing_up.reset_password(
        world.parts,
        CONTEXT,
        token=token,
        password=password,
        visitor=VISITOR,
        end_own_apps=no_apps,
    )


@pytest.mark.parametrize(
    ("wanted", "has_account", "kind"),
    [
        ("sign_up", False, "sign_up"),
        ("sign_up", True, "already_registered"),
        ("reset", True, "password_reset"),
        ("reset", False, "no_account"),
    ],
)
async def test_the_answer_and_the_work_are_the_same_whether_or_not_there_is_an_account(
    world: World, wanted: signing_up.Wanted, has_account: bool, kind: MailKind
) -> None:
    if has_account:
        await world.sign_up()
    counting = Counting(world.memory)
    process = world.beside(counting)
    work = len(world.passwords.work)
    await signing_up.ask_for_link(process.parts, CONTEXT, wanted, email=EMAIL, visitor=VISITOR)
    assert (await world.mails())[-1][0] == kind
    assert len(world.passwords.work) == work
    assert counting.calls == [("read", 3), ("commit", 1, 2)]


class Counting(PassingStore):
    """``calls``: reads in a row, and commits with their numbers of events and vault items."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.calls: list[Any] = []

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        if self.calls and self.calls[-1][0] == "read":
            self.calls[-1] = ("read", self.calls[-1][1] + 1)
        else:
            self.calls.append(("read", 1))
        return await super().read(*args, **kwargs)

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        events = sum(len(one.events) for one in args[0])
        self.calls.append(("commit", events, len(kwargs["vault"])))
        return await super().commit(*args, **kwargs)


async def test_each_of_the_four_mails_leads_somewhere(world: World) -> None:
    """Who wanted the wrong thing gets what helps."""
    await world.ask("reset")
    entered = await signing_up.confirm_sign_up(
        world.parts, CONTEXT, token=await world.last_token(), password=PASSWORD, visitor=VISITOR
    )
    await world.ask("sign_up")
    await reset(world, await world.last_token())
    assert (await world.entered(NEW)).signed_in.account_id == entered.signed_in.account_id


async def test_two_links_of_one_address_make_one_account(world: World) -> None:
    tokens = []
    for _ in range(2):
        await world.ask("sign_up")
        tokens.append(await world.last_token())
    processes = world.racing()
    done = await asyncio.gather(
        *(
            signing_up.confirm_sign_up(
                one.parts, CONTEXT, token=token, password=PASSWORD, visitor=VISITOR
            )
            for one, token in zip(processes, tokens, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["EmailTaken", "Entered"]
    registered = [one for one in await world.events() if type(one).__name__ == "AccountRegistered"]
    assert len(registered) == 1
    assert world.kinds() == ["password", "session"]


async def test_one_link_followed_twice_at_once_makes_one_account(world: World) -> None:
    await world.ask("sign_up")
    token = await world.last_token()
    done = await asyncio.gather(
        *(
            signing_up.confirm_sign_up(
                one.parts, CONTEXT, token=token, password=PASSWORD, visitor=VISITOR
            )
            for one in world.racing(3)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["Entered", "InvalidLink", "InvalidLink"]


async def test_a_bad_password_leaves_the_link_good(world: World) -> None:
    await world.ask("sign_up")
    token = await world.last_token()
    with pytest.raises(WeakPassword):
        await signing_up.confirm_sign_up(
            world.parts, CONTEXT, token=token, password="home.example1", visitor=VISITOR
        )
    await signing_up.confirm_sign_up(
        world.parts, CONTEXT, token=token, password=PASSWORD, visitor=VISITOR
    )


async def test_what_is_no_address_is_said_without_being_quoted(world: World) -> None:
    with pytest.raises(InvalidInput) as raised:
        await world.ask("sign_up", "jo@nowhere")
    assert "jo" not in str(raised.value)
    assert world.vault.items == {}


async def test_a_mailbox_is_not_filled_and_a_visitor_is_told(world: World) -> None:
    for _ in range(TO_ADDRESS.most + 3):
        await world.ask("sign_up")
    assert len(await world.mails()) == TO_ADDRESS.most
    for number in range(signing_up.MAILS_FROM_VISITOR.most - 8):
        await world.ask("sign_up", f"jo{number}@home.example")
    with pytest.raises(TooManyAttempts) as raised:
        await world.ask("sign_up", "more@home.example")
    assert 0 < raised.value.extra["retry_after"] <= 3600
    await world.ask("sign_up", "more@home.example", visitor=replace(VISITOR, address="192.0.2.1"))
    world.clock.move(hours=1)
    await world.ask("sign_up")


# --- a new password -------------------------------------------------------------------------------


async def test_a_reset_ends_all_sessions_and_leaves_the_second_step_to_sign_in(
    world: World,
) -> None:
    entered = await world.sign_up()
    await world.entered()
    await world.ask("reset")
    account_id = entered.signed_in.account_id
    assert await reset(world, await world.last_token()) == account_id
    assert await current_session(world.vault, entered.cookie, now=world.clock.now()) is None
    assert world.kinds() == ["password"]
    assert (await world.said(f"account-{account_id}"))[-1] == "PasswordSet"
    assert (await world.mail_kinds())[-1] == "password_changed"
    with pytest.raises(WrongCredentials):
        await world.sign_in(PASSWORD)
    await world.entered(NEW)


async def test_a_reset_ends_a_lock(world: World) -> None:
    entered = await world.sign_up()
    for _ in range(OF_STRANGERS.most):
        with pytest.raises(WrongCredentials):
            await world.sign_in("a wrong password")
    await world.parts.later.settled()
    assert (await world.account(entered.signed_in.account_id)).locked_until
    await world.ask("reset")
    with pytest.raises(TooManyAttempts):
        await world.sign_in()
    await reset(world, await world.last_token())
    account = await world.account(entered.signed_in.account_id)
    assert account.locked_until is None
    await world.entered(NEW)


async def test_a_password_is_changed_by_who_knows_it(world: World) -> None:
    mine, other = await world.sign_up(), await world.entered()

    async def change(current: str, new: str) -> None:
        await identity.change_password(
            world.parts,
            CONTEXT,
            mine.signed_in,
            current=current,
            new=new,
            visitor=VISITOR,
            end_own_apps=no_apps,
        )

    with pytest.raises(WrongCredentials):
        await change("a wrong password", NEW)
    with pytest.raises(WeakPassword):
        await change(PASSWORD, "short")
    await change(PASSWORD, NEW)
    now = world.clock.now()
    assert await current_session(world.vault, mine.cookie, now=now) == mine.signed_in
    assert await current_session(world.vault, other.cookie, now=now) is None
    await world.entered(NEW)


# --- a new address --------------------------------------------------------------------------------


async def test_an_address_is_changed_by_who_reads_its_mail(world: World) -> None:
    entered = await world.sign_up()
    account_id = entered.signed_in.account_id
    await identity.ask_for_email_change(world.parts, CONTEXT, entered.signed_in, "new@home.example")
    (_, to_new), (kind, to_old) = (await world.mails())[-2:]
    assert (to_new.to, to_old.to, kind) == ("new@home.example", EMAIL, "email_change_requested")
    token = to_new.text.split("token=")[1].split()[0]
    assert await confirm_change(world, entered.signed_in, token) == account_id
    assert (await world.account(account_id)).email == "new@home.example"
    assert (await world.last_mail()).to == EMAIL
    with pytest.raises(InvalidLink):
        await confirm_change(world, entered.signed_in, token)
    await world.entered(email="new@home.example")
    with pytest.raises(WrongCredentials):
        await world.sign_in()
    assert (await world.sign_up(EMAIL)).signed_in.account_id != account_id, "the old one is free"


async def test_an_address_that_was_taken_is_told_to_its_reader_only(world: World) -> None:
    await world.sign_up("taken@home.example")
    entered = await world.sign_up()
    for address in ("taken@home.example", "free@home.example"):
        await identity.ask_for_email_change(world.parts, CONTEXT, entered.signed_in, address)
    mails = (await world.mails())[-4:]
    assert [kind for kind, _ in mails] == [
        "email_change_taken",
        "email_change_requested",
        "email_change",
        "email_change_requested",
    ]
    assert "token=" not in mails[0][1].text


async def test_an_address_that_is_taken_meanwhile_stays_where_it_is(world: World) -> None:
    entered = await world.sign_up()
    await identity.ask_for_email_change(world.parts, CONTEXT, entered.signed_in, "new@home.example")
    token = (await world.mails())[-2][1].text.split("token=")[1].split()[0]
    await world.sign_up("new@home.example")
    with pytest.raises(EmailTaken):
        await confirm_change(world, entered.signed_in, token)
    assert (await world.account(entered.signed_in.account_id)).email == EMAIL
