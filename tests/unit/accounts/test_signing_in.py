"""Signing in with a password: what strangers learn, and who is locked out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from commands.accounts import signing_in
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.entering import OF_KNOWN_BROWSER, OF_STRANGERS, OF_VISITOR, WINDOW
from commands.accounts.known_browsers import MOST, with_account
from commands.accounts.passwords import WrongCredentials
from commands.accounts.sign_in_sessions import (
    NotSignedIn,
    SignInTooOld,
    current_session,
    end_sessions,
    list_sessions,
    sign_out,
)
from domain.kernel.errors import HomecastError
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, VISITOR, World
from tests.unit.accounts.test_signing_up import Counting

WRONG = "a wrong password"
NOBODY = "nobody@home.example"


async def refused(world: World, **more: Any) -> HomecastError:
    with pytest.raises(HomecastError) as raised:
        await world.sign_in(WRONG, **more)
    await world.parts.later.settled()
    return raised.value


async def test_the_right_password_enters(world: World) -> None:
    await world.sign_up()
    entered = await world.entered(email=" JO@home.example")
    assert entered.signed_in.amr == ("pwd",)
    assert entered.signed_in.auth_time == world.clock.now()
    now = world.clock.now()
    assert await current_session(world.vault, entered.cookie, now=now) == entered.signed_in


async def test_a_stranger_cannot_tell_whether_there_is_an_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same error, hashes, reads and vault items for an address with and without one."""
    await world.sign_up()
    looked: list[str] = []
    get = world.vault.get

    async def noted(key: str) -> Any:
        looked.append(key.partition("#")[0])
        return await get(key)

    monkeypatch.setattr(world.vault, "get", noted)
    seen = []
    for email in (EMAIL, NOBODY, "no address"):
        looked.clear()
        world.passwords.work.clear()
        counting = Counting(world.memory)
        process = world.beside(counting)
        with pytest.raises(WrongCredentials) as raised:
            await process.sign_in(WRONG, email=email)
        answer = (raised.value.detail, raised.value.extra)
        seen.append((answer, list(counting.calls), list(looked), list(world.passwords.work)))
        await process.parts.later.settled()
    assert seen[0][1:] == ([("read", 1)], ["password"], ["compare"])
    assert seen == [seen[0]] * 3


async def test_strangers_are_locked_out_alike_with_and_without_an_account(world: World) -> None:
    await world.sign_up()
    for email in (EMAIL, NOBODY):
        errors = [await refused(world, email=email) for _ in range(OF_STRANGERS.most + 2)]
        kinds = [type(error) for error in errors]
        assert kinds == [WrongCredentials] * OF_STRANGERS.most + [TooManyAttempts] * 2
    assert world.passwords.work.count("compare") == 2 * OF_STRANGERS.most


async def test_a_lock_of_strangers_is_not_one_of_the_owners_browser(world: World) -> None:
    """Counted over two processes."""
    entered = await world.sign_up()
    account_id = entered.signed_in.account_id
    processes = (world, world.beside())
    attacker = replace(VISITOR, address="198.51.100.9")
    for number in range(OF_STRANGERS.most):
        await refused(processes[number % 2], visitor=attacker)
    for process in processes:
        with pytest.raises(TooManyAttempts) as raised:
            await process.sign_in(PASSWORD, visitor=attacker)
        assert 0 < raised.value.extra["retry_after"] <= WINDOW
        await process.entered(device=entered.device_cookie)
    told = await world.said(f"account-{account_id}")
    assert told == ["AccountRegistered", "PasswordSet", "SignInsFailed", "SignInLocked"]
    world.clock.move(seconds=WINDOW)
    await world.entered(visitor=attacker)
    assert (await world.said(f"account-{account_id}"))[-1] == "SignInUnlocked"


async def test_a_known_browser_has_a_limit_of_its_own(world: World) -> None:
    entered = await world.sign_up()
    for _ in range(OF_KNOWN_BROWSER.most):
        assert isinstance(await refused(world, device=entered.device_cookie), WrongCredentials)
    with pytest.raises(TooManyAttempts):
        await world.sign_in(PASSWORD, device=entered.device_cookie)
    await world.entered()
    told = await world.said(f"account-{entered.signed_in.account_id}")
    assert "SignInLocked" not in told, "other browsers are not locked"


async def test_a_browser_is_known_to_whom_it_signed_in_and_nobody_else(world: World) -> None:
    first, second = await world.sign_up(), await world.sign_up("mo@home.example")
    one, two = first.signed_in.account_id, second.signed_in.account_id

    async def known_to(cookie: str, account_id: str) -> str:
        mark, now = await world.mark(account_id), world.clock.now()
        return with_account(world.keys, cookie, account_id, mark=mark, now=now)

    both = await known_to(first.device_cookie, two)
    assert await world.is_known(both, one)
    assert await world.is_known(both, two)
    assert not await world.is_known(first.device_cookie, two)
    assert not await world.is_known(first.device_cookie.replace(one, two), two)
    assert await known_to(both, one) == both
    for number in range(MOST):
        both = await known_to(both, f"{number:026}")
    assert not await world.is_known(both, one)
    for broken in ("", "~", ".", "a.b", "a.b.c", "a.b.c.d~", f"{one}.b.x.d", "." * 10_000):
        assert not await world.is_known(broken, one)


async def test_success_gives_the_attempt_back(world: World) -> None:
    await world.sign_up()
    for _ in range(3 * OF_STRANGERS.most):
        await world.entered()


async def test_one_visitor_does_not_try_all_accounts(world: World) -> None:
    for number in range(OF_VISITOR.most):
        assert isinstance(await refused(world, email=f"jo{number}@home.example"), WrongCredentials)
    assert isinstance(await refused(world, email="more@home.example"), TooManyAttempts)


async def test_without_shared_counters_a_process_counts_by_itself(world: World) -> None:
    await world.sign_up()
    world.counters.away = True
    for _ in range(OF_STRANGERS.most):
        assert isinstance(await refused(world), WrongCredentials)
    assert isinstance(await refused(world), TooManyAttempts)


async def test_attempts_are_counted_without_addresses(world: World) -> None:
    await refused(world)
    keys = " ".join(world.counters.values)
    assert EMAIL not in keys
    assert VISITOR.address not in keys


async def test_a_hash_is_brought_up_to_date_at_the_next_sign_in(world: World) -> None:
    entered = await world.sign_up()
    key = f"password#{entered.signed_in.account_id}"
    world.passwords.parameters = "2"
    await world.entered()
    held = await world.vault.get(key)
    assert held is not None
    assert held["hash"].startswith("quick$2$")
    made = world.passwords.work.count("hash")
    await world.entered()
    assert world.passwords.work.count("hash") == made
    assert (await world.said(f"account-{entered.signed_in.account_id}")).count("PasswordSet") == 1


async def test_a_password_that_changes_while_it_is_compared_does_not_enter(world: World) -> None:
    entered = await world.sign_up()
    key = f"password#{entered.signed_in.account_id}"
    compare = world.passwords.verify

    async def slow(hashed: str, password: str) -> bool:
        fits = await compare(hashed, password)
        held = await world.vault.get(key)
        await world.vault.put(key, {**(held or {}), "mark": "another"})
        return fits

    world.passwords.verify = slow  # type: ignore[method-assign]
    with pytest.raises(WrongCredentials):
        await world.sign_in()


async def test_a_browser_that_is_not_known_is_told_of_by_mail(world: World) -> None:
    entered = await world.sign_up()
    before = await world.mail_kinds()
    await world.entered(device=entered.device_cookie)
    assert await world.mail_kinds() == before
    await world.entered(visitor=replace(VISITOR, address="192.0.2.1", agent="<b>Firefox</b>"))
    kind, mail = (await world.mails())[-1]
    assert (kind, mail.to) == ("sign_in_notice", EMAIL)
    assert "192.0.2.1" in mail.text
    assert "<b>" not in mail.html


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", "x", "hcs_01KA0000000000000000000009_short"])
async def test_what_is_no_session_is_none(world: World, cookie: str) -> None:
    assert await current_session(world.vault, cookie, now=world.clock.now()) is None


async def test_a_session_takes_its_secret_and_ends_by_itself(world: World) -> None:
    entered = await world.sign_up()
    now = world.clock.now()
    other = entered.cookie[:-43] + "A" * 43
    assert await current_session(world.vault, other, now=now) is None
    world.clock.move(days=30)
    assert await current_session(world.vault, entered.cookie, now=world.clock.now()) is None


async def test_sessions_are_listed_and_ended(world: World) -> None:
    first = await world.sign_up()
    account_id = first.signed_in.account_id
    others = [await world.entered() for _ in range(3)]
    now = world.clock.now()
    listed = await list_sessions(world.parts.repository, account_id, now=now)
    assert [one.session.session_id for one in listed] == [
        *(one.signed_in.session_id for one in reversed(others)),
        first.signed_in.session_id,
    ]
    assert listed[0].place is not None
    assert listed[0].place.address == VISITOR.address
    await sign_out(world.dispatcher, CONTEXT, others[0].signed_in)
    mine = first.signed_in.session_id
    await world.dispatcher.execute(
        CONTEXT, lambda unit: end_sessions(unit, account_id, None, but=mine)
    )
    listed = await list_sessions(world.parts.repository, account_id, now=now)
    assert [one.session.session_id for one in listed] == [mine]
    assert world.kinds() == ["password", "session"]
    for one in others:
        assert await current_session(world.vault, one.cookie, now=now) is None


async def test_what_is_sensitive_takes_a_recent_sign_in(world: World) -> None:
    entered = await world.sign_up()
    signed_in = entered.signed_in
    world.clock.move(minutes=10)
    signed_in.require_recent(world.clock.now())
    world.clock.move(seconds=1)
    with pytest.raises(SignInTooOld):
        signed_in.require_recent(world.clock.now())

    async def confirm(password: str) -> Any:
        return await signing_in.confirm_identity(
            world.parts, CONTEXT, signed_in, password=password, visitor=VISITOR
        )

    with pytest.raises(WrongCredentials):
        await confirm(WRONG)
    renewed = await confirm(PASSWORD)
    renewed.require_recent(world.clock.now())
    now = world.clock.now()
    assert await current_session(world.vault, entered.cookie, now=now) == renewed
    await sign_out(world.dispatcher, CONTEXT, signed_in)
    with pytest.raises(NotSignedIn):
        await confirm(PASSWORD)
