"""What an intruder kept does not outlast the owner's new password, and guesses are counted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pyotp
import pytest

from commands.accounts import identity, second_factor, signing_in, signing_up
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.entering import (
    CODES,
    CODES_A_DAY,
    OF_BOTH,
    OF_VISITOR,
    Entered,
)
from commands.accounts.known_browsers import LASTS
from commands.accounts.links import InvalidLink
from commands.accounts.mail import TO_ADDRESS
from commands.accounts.passwords import WrongCredentials
from commands.accounts.second_factor import WrongCode
from commands.accounts.sign_in_sessions import (
    SignedIn,
    Visitor,
    current_session,
    end_sessions,
    list_sessions,
    sign_out,
)
from commands.accounts.signing_in import CodeNeeded
from domain.accounts import account as accounts
from domain.accounts.email_address import EmailTaken
from domain.kernel.errors import Busy
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, VISITOR, World, no_apps
from tests.support.interleave import PassingStore
from tests.unit.accounts.test_second_factor import enrolled

NEW, WRONG = "another fine sentence", "a wrong password"
INTRUDERS = "intruder@else.example"
Work = Callable[[], Coroutine[Any, Any, object]]


class Meanwhile(PassingStore):
    """``work`` is done when the first commit is about to be."""

    def __init__(self, world: World, work: Work) -> None:
        super().__init__(world.memory)
        self._work: Work | None = work

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        work, self._work = self._work, None
        if work is not None:
            await work()
        return await super().commit(*args, **kwargs)


async def reset(world: World, token: str | None = None, **more: Any) -> str:
    if token is None:
        await world.ask("reset")
        token = await world.last_token("password_reset")
    return await signing_up.reset_password(
        world.parts,
        CONTEXT,
        token=token,
        password=more.pop("password", NEW),
        visitor=VISITOR,
        end_own_apps=more.pop("end_own_apps", no_apps),
    )


async def change(world: World, signed_in: SignedIn, **more: Any) -> str:
    return await identity.change_password(
        world.parts,
        CONTEXT,
        signed_in,
        current=PASSWORD,
        new=NEW,
        visitor=more.pop("visitor", VISITOR),
        end_own_apps=more.pop("end_own_apps", no_apps),
    )


async def asked(world: World, signed_in: SignedIn, email: str = INTRUDERS) -> str:
    await identity.ask_for_email_change(world.parts, CONTEXT, signed_in, email)
    return await world.last_token("email_change")


async def confirm(world: World, signed_in: SignedIn, token: str) -> str:
    return await identity.confirm_email_change(world.parts, CONTEXT, signed_in, token=token)


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "change", "end", "sign_out"])
async def test_a_link_to_a_new_address_dies_with_the_session_and_the_password(
    world: World, how: str
) -> None:
    owners = await world.sign_up()
    intruders = await world.entered()
    token = await asked(world, intruders.signed_in)
    account_id = owners.signed_in.account_id
    if how == "reset":
        await reset(world)
    elif how == "change":
        await change(world, owners.signed_in)
    elif how == "end":
        await world.dispatcher.execute(CONTEXT, lambda unit: end_sessions(unit, account_id))
    else:
        await sign_out(world.dispatcher, CONTEXT, intruders.signed_in)
    with pytest.raises(InvalidLink):
        await confirm(world, intruders.signed_in, token)
    assert (await world.account(account_id)).email == EMAIL


async def test_the_session_that_asked_changes_the_password_and_its_link_is_void(
    world: World,
) -> None:
    mine = (await world.sign_up()).signed_in
    token = await asked(world, mine)
    await change(world, mine)
    with pytest.raises(InvalidLink):
        await confirm(world, mine, token)


async def test_another_session_does_not_follow_the_link_to_a_new_address(world: World) -> None:
    mine = (await world.sign_up()).signed_in
    token = await asked(world, mine)
    other = (await world.entered()).signed_in
    strangers = (await world.sign_up("mo@home.example")).signed_in
    for signed_in in (other, strangers):
        with pytest.raises(InvalidLink):
            await confirm(world, signed_in, token)
    await confirm(world, mine, token)
    assert (await world.account(mine.account_id)).email == INTRUDERS


async def test_a_session_that_ends_while_its_link_is_followed_changes_nothing(
    world: World,
) -> None:
    mine = (await world.sign_up()).signed_in
    token = await asked(world, mine)
    process = world.beside(Meanwhile(world, lambda: sign_out(world.dispatcher, CONTEXT, mine)))
    with pytest.raises(InvalidLink):
        await confirm(process, mine, token)
    assert (await world.account(mine.account_id)).email == EMAIL


@pytest.mark.parametrize("how", ["reset", "change", "address"])
@pytest.mark.parametrize("wanted", ["reset", "sign_up"])
async def test_older_links_to_a_new_password_are_void_after_any_change(
    world: World, how: str, wanted: signing_up.Wanted
) -> None:
    mine = (await world.sign_up()).signed_in
    await world.ask(wanted)
    old = await world.last_token()
    if how == "reset":
        await reset(world)
    elif how == "change":
        await change(world, mine)
    else:
        await confirm(world, mine, await asked(world, mine, "new@home.example"))
    work = len(world.passwords.work)
    with pytest.raises(InvalidLink):
        await reset(world, old, password="the intruder's own words")
    assert len(world.passwords.work) == work, "it costs no hash"


@pytest.mark.parametrize("how", ["reset", "address"])
async def test_a_link_to_a_new_password_is_compared_where_it_is_decided(
    world: World, how: str
) -> None:
    mine = (await world.sign_up()).signed_in
    await world.ask("reset")
    old = await world.last_token()
    await world.ask("reset")
    newer = await world.last_token()
    change_link = await asked(world, mine, "new@home.example")

    async def meanwhile() -> None:
        if how == "reset":
            await reset(world, newer)
        else:
            await confirm(world, mine, change_link)

    with pytest.raises(InvalidLink):
        await reset(world.beside(Meanwhile(world, meanwhile)), old, password="intruder's words")


async def with_app(world: World, signed_in: SignedIn) -> Callable[[], str]:
    """Its next code."""
    seed = (await second_factor.begin_totp(world.parts, signed_in)).secret
    app = pyotp.TOTP(seed)
    code = app.at(world.clock.now())
    await second_factor.confirm_totp(world.parts, CONTEXT, signed_in, code)
    world.clock.move(minutes=1)
    return lambda: app.at(world.clock.now())


async def test_mails_to_a_strangers_address_are_counted_whatever_they_are(world: World) -> None:
    """Over all accounts, and in all spellings."""
    for number in range(TO_ADDRESS.most):
        one = (await world.sign_up(f"jo{number}@home.example")).signed_in
        await identity.ask_for_email_change(world.parts, CONTEXT, one, "Victim@Else.example")
    last = (await world.sign_up()).signed_in
    await identity.ask_for_email_change(world.parts, CONTEXT, last, "victim@else.example")
    await world.ask("sign_up", "VICTIM@else.example")
    to = [mail.to.lower() for _, mail in await world.mails()]
    assert to.count("victim@else.example") == TO_ADDRESS.most


# --- races and own apps ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", [False, True])
async def test_no_session_of_the_old_password_outlasts_a_reset(world: World, code: bool) -> None:
    """Not even of a sign-in that was decided before."""
    entered, app = await world.sign_up(), None
    if code:
        app = await with_app(world, entered.signed_in)
    needed = await world.sign_in()
    account_id = entered.signed_in.account_id
    await world.dispatcher.execute(CONTEXT, lambda unit: end_sessions(unit, account_id))
    await world.ask("reset")
    token = await world.last_token("password_reset")
    process = world.beside(Meanwhile(world, lambda: reset(world, token)))

    async def enter() -> object:
        if app is None:
            return await process.sign_in()
        assert isinstance(needed, CodeNeeded)
        return await signing_in.enter_code(
            process.parts, CONTEXT, pending=needed.pending, code=app(), visitor=VISITOR
        )

    with pytest.raises((WrongCredentials, signing_in.PendingSignInOver)):
        await enter()
    assert "session" not in world.kinds()
    now = world.clock.now()
    assert await list_sessions(world.parts.repository, account_id, now=now) == ()


@pytest.mark.parametrize("how", ["reset", "change"])
async def test_own_apps_end_before_and_after_a_new_password(world: World, how: str) -> None:
    mine = (await world.sign_up()).signed_in
    marks: list[str] = []

    async def end_own_apps(account_id: str) -> None:
        marks.append(await world.mark(account_id))

    before = await world.mark(mine.account_id)
    if how == "reset":
        await reset(world, end_own_apps=end_own_apps)
    else:
        with pytest.raises(WrongCredentials):
            await identity.change_password(
                world.parts, CONTEXT, mine, current=WRONG, new=NEW, visitor=VISITOR,
                end_own_apps=end_own_apps,
            )  # fmt: skip
        assert marks == []
        await change(world, mine, end_own_apps=end_own_apps)
    assert marks == [before, await world.mark(mine.account_id)]
    assert len(set(marks)) == 2


async def test_passkeys_from_before_a_reset_are_to_be_reviewed(world: World) -> None:
    mine = (await world.sign_up()).signed_in

    async def add(name: str) -> None:
        async def decide(unit: Any) -> None:
            state = await unit.load(accounts.ACCOUNT, mine.account_id)
            unit.append(
                state, accounts.add_passkey(state, credential_id=name, name=name, at=unit.at)
            )

        await world.dispatcher.execute(CONTEXT, decide)

    async def to_review() -> bool:
        return (await world.account(mine.account_id)).passkeys_to_review

    world.clock.move(minutes=1)
    await reset(world)
    world.clock.move(minutes=1)
    await add("after")
    assert not await to_review()
    await reset_again(world)
    assert await to_review()


async def reset_again(world: World) -> None:
    world.clock.move(minutes=1)
    await reset(world, password="yet another sentence")


# --- guesses --------------------------------------------------------------------------------------


async def guess(world: World, visitor: Visitor) -> None:
    needed = await world.sign_in(visitor=visitor, device=visitor.device)
    assert isinstance(needed, CodeNeeded)
    with pytest.raises(WrongCode):
        await signing_in.enter_code(
            world.parts, CONTEXT, pending=needed.pending, code="000000", visitor=visitor
        )
    await world.parts.later.settled()


async def test_codes_are_counted_by_account_whatever_the_browser(world: World) -> None:
    entered, _, _ = await enrolled(world)
    for number in range(CODES.most):
        device = entered.device_cookie if number % 2 else ""
        await guess(world, replace(VISITOR, device=device, address=f"198.51.100.{number}"))
    assert (await world.mail_kinds())[-1] == "codes_locked"
    for device in ("", entered.device_cookie):
        with pytest.raises(TooManyAttempts):
            await guess(world, replace(VISITOR, device=device))


async def test_codes_are_counted_over_the_day(world: World) -> None:
    await enrolled(world)
    windows = CODES_A_DAY.most // CODES.most
    for _ in range(windows):
        world.clock.move(seconds=CODES.seconds)
        for _ in range(CODES.most):
            await guess(world, VISITOR)
    world.clock.move(seconds=CODES.seconds)
    with pytest.raises(TooManyAttempts):
        await guess(world, VISITOR)


async def test_a_browser_is_known_until_the_password_is_another(world: World) -> None:
    mine = await world.sign_up()
    account_id = mine.signed_in.account_id
    assert await world.is_known(mine.device_cookie, account_id)
    world.clock.move(days=LASTS.days)
    assert not await world.is_known(mine.device_cookie, account_id), "it is too long ago"
    mine = await world.entered()
    device = await change(
        world, mine.signed_in, visitor=replace(VISITOR, device=mine.device_cookie)
    )
    assert not await world.is_known(mine.device_cookie, account_id)
    assert await world.is_known(device, account_id)
    await reset(world, password="yet another sentence")
    assert not await world.is_known(device, account_id)


# --- slow hashes ----------------------------------------------------------------------------------


async def test_a_link_of_an_address_that_is_taken_costs_no_hash(world: World) -> None:
    await world.ask("sign_up")
    late = await world.last_token()
    await world.sign_up()
    work = len(world.passwords.work)
    with pytest.raises(EmailTaken):
        await signing_up.confirm_sign_up(
            world.parts, CONTEXT, token=late, password=PASSWORD, visitor=VISITOR
        )
    assert len(world.passwords.work) == work


async def test_passwords_chosen_by_link_are_counted_by_link_and_by_network(world: World) -> None:
    async def follow(token: str, visitor: Visitor = VISITOR) -> Entered:
        return await signing_up.confirm_sign_up(
            world.parts, CONTEXT, token=token, password=PASSWORD, visitor=visitor
        )

    for number in range(signing_up.LINKS_OF_VISITOR.most):
        email = f"jo{number}@home.example"
        await world.ask("sign_up", email, visitor=replace(VISITOR, address=f"192.0.2.{number}"))
        await follow(await world.last_token())
    await world.ask("sign_up", visitor=replace(VISITOR, address="192.0.2.250"))
    token = await world.last_token()
    with pytest.raises(TooManyAttempts):
        await follow(token)
    world.passwords.busy = 100
    for _ in range(signing_up.USES_OF_LINK.most + 1):
        with pytest.raises(Busy):
            await follow(token, replace(VISITOR, address="192.0.2.250"))
    world.passwords.busy = 0
    await follow(token, replace(VISITOR, address="192.0.2.250"))


async def test_right_passwords_count_too_by_account_and_network(world: World) -> None:
    await world.sign_up()
    for _ in range(OF_BOTH.most):
        await world.entered()
    with pytest.raises(TooManyAttempts):
        await world.sign_in()
    await world.entered(visitor=replace(VISITOR, address="198.51.100.1"))


async def test_what_could_not_be_compared_was_no_attempt(world: World) -> None:
    await world.sign_up()
    world.passwords.busy = OF_BOTH.most + 2
    for _ in range(OF_BOTH.most + 2):
        with pytest.raises(Busy):
            await world.sign_in()
    await world.entered()


async def test_all_addresses_of_one_network_are_one_visitor(world: World) -> None:
    for number in range(OF_VISITOR.most):
        visitor = replace(VISITOR, address=f"2001:db8::{number:x}")
        with pytest.raises(WrongCredentials):
            await world.sign_in(WRONG, email=f"u{number}@home.example", visitor=visitor)
    with pytest.raises(TooManyAttempts):
        await world.sign_in(WRONG, visitor=replace(VISITOR, address="2001:db8::ffff"))
    for number in range(signing_up.MAILS_FROM_VISITOR.most):
        visitor = replace(VISITOR, address=f"2001:db8::{number:x}")
        await world.ask("sign_up", f"v{number}@home.example", visitor=visitor)
    with pytest.raises(TooManyAttempts):
        await world.ask("sign_up", visitor=replace(VISITOR, address="2001:db8::ffff"))
    one = replace(VISITOR, address="2001:db8:1::7")
    await world.ask("sign_up", visitor=one)
    entered = await signing_up.confirm_sign_up(
        world.parts, CONTEXT, token=await world.last_token(), password=PASSWORD, visitor=one
    )
    now = world.clock.now()
    assert await current_session(world.vault, entered.cookie, now=now)
    listed = await list_sessions(world.parts.repository, entered.signed_in.account_id, now=now)
    assert [one.place.address for one in listed if one.place] == ["2001:db8:1::7"]
