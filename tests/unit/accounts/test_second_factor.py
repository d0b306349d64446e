"""Codes of an authenticator app, and recovery codes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from commands.accounts import second_factor, signing_in
from commands.accounts.attempts import TooManyAttempts
from commands.accounts.entering import CODES, Entered
from commands.accounts.second_factor import EnrolmentOver, TotpIsOn, WrongCode
from commands.accounts.sign_in_sessions import SignInTooOld
from commands.accounts.signing_in import CodeNeeded, PendingSignInOver
from domain.accounts.account import Account
from domain.kernel.errors import HomecastError
from tests.support.accounts import CONTEXT, EMAIL, PASSWORD, VISITOR, World, no_apps


class App:
    """An authenticator app that has scanned the QR code."""

    def __init__(self, world: World, secret: str) -> None:
        self.world = world
        self.totp = pyotp.TOTP(secret)

    def code(self, *, drift: int = 0) -> str:
        return self.totp.at(self.world.clock.now(), counter_offset=drift)

    @property
    def wrong(self) -> str:
        near = {self.code(drift=drift) for drift in range(-3, 4)}
        return next(code for code in ("000000", "111111", "222222") if code not in near)


async def enrolled(world: World) -> tuple[Entered, App, tuple[str, ...]]:
    entered = await world.sign_up()
    enrolment = await second_factor.begin_totp(world.parts, entered.signed_in)
    app = App(world, enrolment.secret)
    codes = await second_factor.confirm_totp(world.parts, CONTEXT, entered.signed_in, app.code())
    world.clock.move(minutes=1)
    return entered, app, codes


async def pending(world: World) -> str:
    needed = await world.sign_in()
    assert isinstance(needed, CodeNeeded)
    return needed.pending


async def enter(world: World, token: str, code: str, device: str = "") -> Entered:
    return await signing_in.enter_code(
        world.parts, CONTEXT, pending=token, code=code, visitor=VISITOR
    )


async def account_of(world: World, entered: Entered) -> Account:
    return await world.account(entered.signed_in.account_id)


async def test_nothing_changes_until_the_app_has_shown_a_code(world: World) -> None:
    entered = await world.sign_up()
    enrolment = await second_factor.begin_totp(world.parts, entered.signed_in)
    uri = parse_qs(urlsplit(enrolment.uri).query)
    assert (uri["secret"], uri["issuer"]) == ([enrolment.secret], ["Homecast"])
    app = App(world, enrolment.secret)
    with pytest.raises(WrongCode):
        await second_factor.confirm_totp(world.parts, CONTEXT, entered.signed_in, app.wrong)
    assert not (await account_of(world, entered)).totp
    assert isinstance(await world.sign_in(), Entered)
    codes = await second_factor.confirm_totp(world.parts, CONTEXT, entered.signed_in, app.code())
    account = await account_of(world, entered)
    assert (account.totp, account.recovery_codes_left) == (True, 10)
    assert len(set(codes)) == 10
    assert "totp_enabled" in await world.mail_kinds()
    assert enrolment.secret not in str(world.vault.items), "the seed is sealed"
    with pytest.raises(TotpIsOn):
        await second_factor.begin_totp(world.parts, entered.signed_in)


async def test_an_enrolment_is_over_after_a_while(world: World) -> None:
    entered = await world.sign_up()
    await second_factor.begin_totp(world.parts, entered.signed_in)
    signed_in = entered.signed_in
    world.clock.move(minutes=11)
    with pytest.raises(SignInTooOld):
        await second_factor.confirm_totp(world.parts, CONTEXT, signed_in, "123456")
    world.clock.move(minutes=4)
    signed_in = await signing_in.confirm_identity(
        world.parts, CONTEXT, signed_in, password=PASSWORD, visitor=VISITOR
    )
    with pytest.raises(EnrolmentOver):
        await second_factor.confirm_totp(world.parts, CONTEXT, signed_in, "123456")


async def test_password_and_code_enter(world: World) -> None:
    _, app, _ = await enrolled(world)
    sessions = world.kinds().count("session")
    token = await pending(world)
    assert world.kinds().count("session") == sessions, "the password alone enters nowhere"
    entered = await enter(world, token, f" {app.code()[:3]} {app.code()[3:]} ")
    assert entered.signed_in.amr == ("pwd", "otp", "mfa")
    with pytest.raises(PendingSignInOver):
        await enter(world, token, app.code(drift=1))


@pytest.mark.parametrize(("drift", "enters"), [(-2, False), (-1, True), (1, True), (2, False)])
async def test_a_clock_may_be_wrong_by_one_step(world: World, drift: int, enters: bool) -> None:
    _, app, _ = await enrolled(world)
    token = await pending(world)
    if enters:
        await enter(world, token, app.code(drift=drift))
    else:
        with pytest.raises(WrongCode):
            await enter(world, token, app.code(drift=drift))


async def test_a_code_is_good_once(world: World) -> None:
    _, app, _ = await enrolled(world)
    await enter(world, await pending(world), app.code())
    with pytest.raises(WrongCode):
        await enter(world, await pending(world), app.code())
    with pytest.raises(WrongCode):
        await enter(world, await pending(world), app.code(drift=-1))
    await enter(world, await pending(world), app.code(drift=1))


async def test_a_code_enters_once_of_two_processes_at_the_same_time(world: World) -> None:
    _, app, _ = await enrolled(world)
    tokens = [await pending(world), await pending(world)]
    done = await asyncio.gather(
        *(
            enter(process, token, app.code())
            for process, token in zip(world.racing(), tokens, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["Entered", "WrongCode"]


async def test_a_code_confirms_once_of_two_processes_at_the_same_time(world: World) -> None:
    """No event is in these commits, so the condition of the vault's item is all there is."""
    entered, app, _ = await enrolled(world)
    done = await asyncio.gather(
        *(
            second_factor.prove_code(
                process.parts, CONTEXT, entered.signed_in.account_id, app.code()
            )
            for process in world.racing()
        ),
        return_exceptions=True,
    )
    assert min(str(one) for one in done) == "('otp',)"
    assert sum(isinstance(one, WrongCode) for one in done) == 1


async def test_a_recovery_code_is_good_once_and_told_of(world: World) -> None:
    entered, _, codes = await enrolled(world)
    found = await enter(world, await pending(world), codes[3].upper().replace("-", " "))
    assert found.signed_in.amr == ("pwd", "kba", "mfa")
    assert (await account_of(world, entered)).recovery_codes_left == 9
    assert "9" in next(
        mail.text for kind, mail in await world.mails() if kind == "recovery_code_used"
    )
    with pytest.raises(WrongCode):
        await enter(world, await pending(world), codes[3])
    await enter(world, await pending(world), codes[4])


async def test_new_recovery_codes_void_the_old_ones(world: World) -> None:
    entered, _, old = await enrolled(world)
    new = await second_factor.new_recovery_codes(world.parts, CONTEXT, entered.signed_in)
    with pytest.raises(WrongCode):
        await enter(world, await pending(world), old[0])
    await enter(world, await pending(world), new[0])


@pytest.mark.parametrize("code", ["", "x", "12345", "1234567", "aaaa-bbbb-cccc-dddd", "٠١٢٣٤٥"])
async def test_what_is_no_code_is_wrong(world: World, code: str) -> None:
    await enrolled(world)
    with pytest.raises(WrongCode):
        await enter(world, await pending(world), code)


async def test_codes_cannot_be_guessed(world: World) -> None:
    entered, app, codes = await enrolled(world)
    token = await pending(world)
    for _ in range(CODES.most):
        with pytest.raises(WrongCode):
            await enter(world, token, app.wrong)
    for code in (app.code(), codes[0]):
        with pytest.raises(TooManyAttempts):
            await enter(world, await pending(world), code)
    known = type(VISITOR)(VISITOR.address, device=entered.device_cookie)
    with pytest.raises(TooManyAttempts):
        await signing_in.enter_code(
            world.parts, CONTEXT, pending=token, code=app.code(), visitor=known
        )


@pytest.mark.parametrize("token", ["", "x", "A" * 43])
async def test_an_invented_pending_sign_in_is_over(world: World, token: str) -> None:
    with pytest.raises(PendingSignInOver):
        await enter(world, token, "123456")


async def test_a_pending_sign_in_ends_by_itself_and_with_the_password(world: World) -> None:
    _, app, _ = await enrolled(world)
    token = await pending(world)
    world.clock.move(minutes=10)
    with pytest.raises(PendingSignInOver):
        await enter(world, token, app.code())
    token = await pending(world)
    await world.ask("reset")
    from commands.accounts.signing_up import reset_password

    reset_token = await world.last_token()
    await reset_password(
        world.parts,
        CONTEXT,
        token=reset_token,
        password="quite another one",
        visitor=VISITOR,
        end_own_apps=no_apps,
    )
    with pytest.raises(PendingSignInOver):
        await enter(world, token, app.code())
    assert isinstance(await world.sign_in("quite another one"), CodeNeeded)


async def test_who_confirms_needs_both(world: World) -> None:
    entered, app, _ = await enrolled(world)

    async def confirm(code: str) -> Any:
        return await signing_in.confirm_identity(
            world.parts, CONTEXT, entered.signed_in, password=PASSWORD, code=code, visitor=VISITOR
        )

    with pytest.raises(WrongCode):
        await confirm("")
    assert (await confirm(app.code())).amr == ("pwd", "otp", "mfa")
    with pytest.raises(WrongCode):
        await confirm(app.code())


async def test_without_the_app_the_password_is_enough_again(world: World) -> None:
    entered, _, codes = await enrolled(world)
    for _ in range(2):
        await second_factor.disable_totp(world.parts, CONTEXT, entered.signed_in)
    assert world.kinds() == ["password", "session"]
    assert isinstance(await world.sign_in(email=EMAIL), Entered)
    with pytest.raises(HomecastError):
        await second_factor.new_recovery_codes(world.parts, CONTEXT, entered.signed_in)
    assert (await world.mail_kinds()).count("totp_disabled") == 1
    assert codes
