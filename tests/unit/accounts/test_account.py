"""The aggregates of an account: every decision in every state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain.accounts import account, email_address, mail, sessions
from domain.accounts.account import (
    ACCOUNT,
    BURST,
    MACHINE,
    MOST_PASSKEYS,
    Account,
    AccountClosed,
    AccountExists,
    AccountNotFound,
    AccountRegistered,
    AccountStatus,
    EmailChanged,
    PasskeyAdded,
    PasskeyRemoved,
    PasswordSet,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    SignInLocked,
    SignInsFailed,
    SignInUnlocked,
    TooManyPasskeys,
    TotpDisabled,
    TotpEnabled,
)
from domain.accounts.email_address import (
    EMAIL_ADDRESS,
    EmailAddress,
    EmailReleased,
    EmailReserved,
    EmailTaken,
)
from domain.accounts.mail import MAIL, MailRequested
from domain.accounts.sessions import (
    MOST_SESSIONS,
    SESSIONS,
    Sessions,
    SessionsEnded,
    SessionStarted,
)
from domain.kernel.event import Event
from domain.kernel.machine import IllegalMoveError
from tests.support.given import given, happened
from tests.support.streams import at

ME, OTHER = "01KA0000000000000000000009", "01KA0000000000000000000008"
Step = Callable[[Account], list[Event]]


def opened(account_id: str = ME) -> Step:
    return lambda state: account.open_account(
        state, account_id=account_id, email="jo@home.example", email_hash="h1", at=at(0)
    )


def moved(email_hash: str = "h2") -> Step:
    return lambda state: account.change_email(
        state, email="new@home.example", email_hash=email_hash, at=at(1)
    )


def password(how: account.PasswordHow = "change") -> Step:
    return lambda state: account.set_password(state, how=how, at=at(2))


def totp_on(state: Account) -> list[Event]:
    return account.enable_totp(state, at=at(3))


def totp_off(state: Account) -> list[Event]:
    return account.disable_totp(state, at=at(4))


def codes(state: Account) -> list[Event]:
    return account.issue_recovery_codes(state, count=10, at=at(3))


def code_used(left: int = 9) -> Step:
    return lambda state: account.use_recovery_code(state, left=left, at=at(4))


def passkey(name: str = "a") -> Step:
    return lambda state: account.add_passkey(state, credential_id=name, name="phone", at=at(5))


def no_passkey(name: str = "a") -> Step:
    return lambda state: account.remove_passkey(state, credential_id=name, at=at(6))


def failed(second: float = 7) -> Step:
    return lambda state: account.sign_in_failed(state, at=at(second))


def locked(until: float = 900, second: float = 8) -> Step:
    return lambda state: account.lock(state, until=at(until), at=at(second))


def unlocked(state: Account) -> list[Event]:
    return account.unlock(state, by="sign_in", at=at(9))


def closed(state: Account) -> list[Event]:
    return account.close(state, at=at(10))


DECISIONS: dict[str, tuple[Step, type[Event] | None]] = {
    "email": (moved(), EmailChanged),
    "password": (password(), PasswordSet),
    "totp": (totp_on, TotpEnabled),
    "no totp": (totp_off, None),
    "codes": (codes, RecoveryCodesIssued),
    "code": (code_used(), None),
    "passkey": (passkey(), PasskeyAdded),
    "no passkey": (no_passkey(), None),
    "failed": (failed(), SignInsFailed),
    "locked": (locked(), SignInLocked),
    "unlocked": (unlocked, None),
    "closed": (closed, AccountClosed),
}
"""What each decides on an account that is open and new."""
REPEATED = {"password", "codes"}
SILENT = {"no totp", "code", "no passkey", "failed", "locked", "unlocked", "closed"}
"""What an account that is not open answers with nothing; all else it refuses."""


@pytest.mark.parametrize("name", DECISIONS)
def test_what_an_open_account_decides(name: str) -> None:
    step, event = DECISIONS[name]
    expected = [event] if event else []
    given(ACCOUNT, opened()).when(step).then(*expected, repeats=name in REPEATED)


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("steps", [(), (opened(), closed)], ids=["none", "closed"])
def test_what_an_account_that_is_not_open_decides(name: str, steps: tuple[Step, ...]) -> None:
    step, _ = DECISIONS[name]
    if name in SILENT:
        given(ACCOUNT, *steps).when(step).then()
    else:
        given(ACCOUNT, *steps).when(step).then_raises(AccountNotFound)


def test_an_account_is_registered_once() -> None:
    (event,) = opened()(given(ACCOUNT).state)
    assert isinstance(event, AccountRegistered)
    assert (event.account_id, event.email, event.email_hash) == (ME, "jo@home.example", "h1")
    for steps in ((opened(),), (opened(), closed)):
        given(ACCOUNT, *steps).when(opened()).then_raises(AccountExists)


@pytest.mark.parametrize("source", [None, *AccountStatus])
@pytest.mark.parametrize("target", list(AccountStatus))
def test_every_cell_of_the_table(source: AccountStatus | None, target: AccountStatus) -> None:
    allowed = {(None, AccountStatus.OPEN), (AccountStatus.OPEN, AccountStatus.CLOSED)}
    if (source, target) in allowed:
        assert MACHINE.enter(source, target) == target
    else:
        with pytest.raises(IllegalMoveError):
            MACHINE.enter(source, target)


def test_the_same_address_again_is_no_change() -> None:
    given(ACCOUNT, opened()).when(moved("h1")).then()
    state = given(ACCOUNT, opened()).when(moved()).then(happened(EmailChanged, email_hash="h2"))
    assert (state.email, state.email_hash) == ("new@home.example", "h2")


def test_recovery_codes_only_ever_get_fewer_until_there_are_new_ones() -> None:
    ready = given(ACCOUNT, opened(), totp_on, codes)
    ready.when(code_used(9)).then(happened(RecoveryCodeUsed, left=9))
    ready.after(code_used(8)).when(code_used(9)).then()
    assert ready.after(code_used(0), codes).state.recovery_codes_left == 10
    assert ready.after(totp_off).state.recovery_codes_left == 0


def test_the_authenticator_app_goes_once() -> None:
    given(ACCOUNT, opened(), totp_on).when(totp_off).then(TotpDisabled)
    given(ACCOUNT, opened(), totp_on).when(totp_on).then()


def test_passkeys_are_added_removed_and_bounded() -> None:
    full = given(ACCOUNT, opened(), *(passkey(str(number)) for number in range(MOST_PASSKEYS)))
    full.when(passkey("more")).then_raises(TooManyPasskeys)
    full.when(passkey("0")).then()
    state = full.when(no_passkey("0")).then(happened(PasskeyRemoved, credential_id="0"))
    assert not state.has_passkey("0")
    assert (state.name_of("0"), state.name_of("1")) == ("", "phone")


def test_only_the_first_failure_of_a_burst_is_told() -> None:
    after = given(ACCOUNT, opened(), failed(0))
    after.when(failed(BURST.total_seconds() - 1)).then()
    after.when(failed(BURST.total_seconds())).then(SignInsFailed)
    after.after(locked(), unlocked).when(failed(20)).then(SignInsFailed)


def test_a_lock_is_told_again_when_it_lasts_longer() -> None:
    given(ACCOUNT, opened(), locked(900)).when(locked(900, second=100)).then()
    given(ACCOUNT, opened(), locked(900)).when(locked(1800)).then(
        happened(SignInLocked, until=at(1800))
    )
    state = given(ACCOUNT, opened(), locked()).when(unlocked).then(SignInUnlocked)
    assert state.locked_until is None


# --- addresses ------------------------------------------------------------------------------------


def reserved(account_id: str = ME) -> Callable[[EmailAddress], list[Event]]:
    return lambda state: email_address.reserve(state, account_id=account_id, at=at(0))


def released(account_id: str = ME) -> Callable[[EmailAddress], list[Event]]:
    return lambda state: email_address.release(state, account_id=account_id, at=at(1))


def test_an_address_belongs_to_one_account_at_a_time() -> None:
    given(EMAIL_ADDRESS).when(reserved()).then(happened(EmailReserved, account_id=ME))
    given(EMAIL_ADDRESS, reserved()).when(reserved(OTHER)).then_raises(EmailTaken)
    given(EMAIL_ADDRESS, reserved(), released()).when(reserved(OTHER)).then(EmailReserved)


def test_only_its_holder_gives_an_address_back() -> None:
    given(EMAIL_ADDRESS).when(released()).then()
    given(EMAIL_ADDRESS, reserved()).when(released(OTHER)).then()
    given(EMAIL_ADDRESS, reserved()).when(released()).then(happened(EmailReleased, account_id=ME))


# --- sessions -------------------------------------------------------------------------------------


def started(session_id: str, *, second: float = 0, lasts: float = 1000) -> Any:
    return lambda state: sessions.start(
        state,
        account_id=ME,
        session_id=session_id,
        amr=("pwd",),
        expires_at=at(second + lasts),
        address="203.0.113.7",
        agent="Firefox",
        country="DE",
        at=at(second),
    )


def ended(*session_ids: str) -> Callable[[Sessions], list[Event]]:
    return lambda state: sessions.end(
        state, account_id=ME, session_ids=session_ids or None, reason="ended", at=at(5)
    )


def shut(state: Sessions) -> list[Event]:
    return sessions.close(state, account_id=ME, at=at(6))


def test_a_session_begins_once_and_is_known_by_its_place() -> None:
    state = given(SESSIONS).when(started("a")).then(happened(SessionStarted, session_id="a"))
    place = state.place_of("a")
    assert place is not None
    assert (place.address, place.agent, place.country) == ("203.0.113.7", "Firefox", "DE")


def test_one_session_too_many_ends_the_oldest() -> None:
    full = given(SESSIONS, *(started(f"{number}") for number in range(MOST_SESSIONS)))
    state = full.when(started("new")).then(
        happened(SessionsEnded, session_ids=("0",), reason="too_many"),
        happened(SessionStarted, session_id="new"),
    )
    assert len(state.live) == MOST_SESSIONS
    assert state.place_of("0") is None


def test_expired_sessions_make_room_without_a_word() -> None:
    full = given(SESSIONS, *(started(f"{number}", lasts=10) for number in range(MOST_SESSIONS)))
    state = full.when(started("new", second=10)).then(SessionStarted)
    assert [one.session_id for one in state.live] == ["new"]


def test_those_that_are_named_end_or_all_of_them() -> None:
    three = given(SESSIONS, started("a"), started("b"), started("c"))
    three.when(ended("b", "x")).then(happened(SessionsEnded, session_ids=("b",)))
    state = three.when(ended()).then(happened(SessionsEnded, session_ids=("a", "b", "c")))
    assert (state.live, state.places) == ((), ())
    three.when(ended("x")).then()
    given(SESSIONS).when(ended()).then()


def test_nothing_begins_after_the_account_was_closed() -> None:
    for steps in ((), (started("a"),)):
        given(SESSIONS, *steps).when(shut).then(happened(SessionsEnded, reason="account_closed"))
        given(SESSIONS, *steps, shut).when(started("b")).then_raises(AccountNotFound)


def test_a_session_is_over_at_its_time() -> None:
    state = given(SESSIONS, started("a", lasts=10)).state
    assert state.at(at(10) - timedelta(microseconds=1)) != ()
    assert state.at(at(10)) == ()


# --- mail -----------------------------------------------------------------------------------------


def test_a_mail_is_asked_for_once() -> None:
    given(MAIL).when(
        lambda state: mail.request(state, kind="sign_up", account_id=None, at=at(0))
    ).then(happened(MailRequested, kind="sign_up", account_id=None))
