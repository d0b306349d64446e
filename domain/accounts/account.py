"""An account: the person behind it, and by what they sign in.

Stream ``account-{account id}``. Secrets and their hashes are in the vault, changed in the same
commit as the event that speaks of them. Failed sign-ins are counted outside: only the first of a
burst, a lock and its end are events, so that a stranger cannot make the stream grow.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, assert_never, cast

from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.errors import Conflict, NotFound, Refused
from domain.kernel.event import Aggregate, Event, State, next_event, register
from domain.kernel.machine import Machine, Move
from domain.kernel.personal import Personal


class AccountStatus(StrEnum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"


OPEN, CLOSED = AccountStatus.OPEN, AccountStatus.CLOSED
MACHINE = Machine(
    (
        Move(None, OPEN, "person", "the mail's link was followed and a password chosen"),
        Move(OPEN, CLOSED, "platform", "forgetting has started: nobody signs in any more"),
    )
)
MOST_PASSKEYS = 20
BURST = timedelta(hours=1)
"""Failed sign-ins within so long after the first of them are no event of their own."""

PasswordHow = Literal["sign_up", "change", "reset"]


class AccountNotFound(NotFound):
    """No account, or one that was closed."""

    code = "account_not_found"


class AccountExists(Conflict):
    """The id has an account already."""

    code = "account_exists"
    retryable = False


class TooManyPasskeys(Refused):
    """Remove one of the account's passkeys first."""

    code = "too_many_passkeys"


class PasskeyNotFound(NotFound):
    """The account has no such passkey."""

    code = "passkey_not_found"


Email = Annotated[str, Field(min_length=3, max_length=254), Personal()]
EmailHash = Annotated[str, Field(description="Keyed; names the reservation's stream")]
PasskeyName = Annotated[str, Field(min_length=1, max_length=64), Personal()]


class AccountRegistered(Event):
    TOPIC: ClassVar[str] = "accounts.account_registered"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    email_hash: EmailHash
    email: Email


class EmailChanged(Event):
    TOPIC: ClassVar[str] = "accounts.email_changed"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    email_hash: EmailHash
    email: Email


class PasswordSet(Event):
    """``how`` reset: by a link in a mail, so whatever was given before may be an intruder's."""

    TOPIC: ClassVar[str] = "accounts.password_set"
    account_id: str
    how: PasswordHow


class TotpEnabled(Event):
    TOPIC: ClassVar[str] = "accounts.totp_enabled"
    account_id: str


class TotpDisabled(Event):
    TOPIC: ClassVar[str] = "accounts.totp_disabled"
    account_id: str


class RecoveryCodesIssued(Event):
    """Those that were left before are void."""

    TOPIC: ClassVar[str] = "accounts.recovery_codes_issued"
    account_id: str
    count: int = Field(ge=1)


class RecoveryCodeUsed(Event):
    TOPIC: ClassVar[str] = "accounts.recovery_code_used"
    account_id: str
    left: int = Field(ge=0)


class PasskeyAdded(Event):
    TOPIC: ClassVar[str] = "accounts.passkey_added"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    credential_id: str = Field(description="base64url, without padding")
    name: PasskeyName


class PasskeyRemoved(Event):
    TOPIC: ClassVar[str] = "accounts.passkey_removed"
    account_id: str
    credential_id: str


class SignInsFailed(Event):
    """The first failed sign-in of a burst."""

    TOPIC: ClassVar[str] = "accounts.sign_ins_failed"
    account_id: str


class SignInLocked(Event):
    """So many sign-ins failed that browsers which are not known have to wait."""

    TOPIC: ClassVar[str] = "accounts.sign_in_locked"
    account_id: str
    until: datetime


class SignInUnlocked(Event):
    """Somebody signed in, or set a new password by mail."""

    TOPIC: ClassVar[str] = "accounts.sign_in_unlocked"
    account_id: str
    by: str


class AccountClosed(Event):
    TOPIC: ClassVar[str] = "accounts.account_closed"
    account_id: str


AccountEvent = (
    AccountRegistered
    | EmailChanged
    | PasswordSet
    | TotpEnabled
    | TotpDisabled
    | RecoveryCodesIssued
    | RecoveryCodeUsed
    | PasskeyAdded
    | PasskeyRemoved
    | SignInsFailed
    | SignInLocked
    | SignInUnlocked
    | AccountClosed
)
register(
    AccountRegistered,
    EmailChanged,
    PasswordSet,
    TotpEnabled,
    TotpDisabled,
    RecoveryCodesIssued,
    RecoveryCodeUsed,
    PasskeyAdded,
    PasskeyRemoved,
    SignInsFailed,
    SignInLocked,
    SignInUnlocked,
    AccountClosed,
)


class Passkey(BaseModel):
    model_config = ConfigDict(frozen=True)

    credential_id: str
    added_at: datetime


class Account(State):
    SUBJECT: ClassVar[str | None] = "account_id"

    status: AccountStatus | None = None
    account_id: str | None = None
    registered_at: datetime | None = None
    email: Annotated[str, Personal()] = ""
    email_hash: str = ""
    password_set_at: datetime | None = None
    password_reset_at: datetime | None = None
    """By a mail's link, unless it was changed since by who knew it."""
    totp: bool = False
    recovery_codes_left: int = 0
    passkeys: tuple[Passkey, ...] = ()
    passkey_names: Annotated[tuple[tuple[str, str], ...], Personal(erased=())] = ()
    """Pairs of credential id and name."""
    failed_at: datetime | None = None
    """The first failed sign-in of the last burst."""
    locked_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status == OPEN

    def require_open(self) -> str:
        """Its id. Raises ``AccountNotFound``."""
        if self.status != OPEN or self.account_id is None:
            raise AccountNotFound("there is no such account")
        return self.account_id

    def has_passkey(self, credential_id: str) -> bool:
        return any(one.credential_id == credential_id for one in self.passkeys)

    @property
    def passkeys_to_review(self) -> bool:
        """Whether some are older than a reset: they may be an intruder's."""
        at = self.password_reset_at
        return at is not None and any(one.added_at < at for one in self.passkeys)

    def name_of(self, credential_id: str) -> str:
        return dict(self.passkey_names).get(credential_id, "")


def fold(state: Account, event: Event) -> Account:
    known = cast("AccountEvent", event)
    version = {"version": event.originator_version}
    return state.model_copy(update=version | _changes(state, known))


def _changes(state: Account, event: AccountEvent) -> dict[str, Any]:
    match event:
        case AccountRegistered():
            return {
                "status": MACHINE.enter(state.status, OPEN),
                "account_id": event.account_id,
                "registered_at": event.timestamp,
                "email": event.email,
                "email_hash": event.email_hash,
            }
        case EmailChanged():
            return {"email": event.email, "email_hash": event.email_hash}
        case PasswordSet():
            at = event.timestamp
            return {
                "password_set_at": at,
                "password_reset_at": at if event.how == "reset" else None,
            }
        case TotpEnabled():
            return {"totp": True}
        case TotpDisabled():
            return {"totp": False, "recovery_codes_left": 0}
        case RecoveryCodesIssued():
            return {"recovery_codes_left": event.count}
        case RecoveryCodeUsed():
            return {"recovery_codes_left": event.left}
        case PasskeyAdded() | PasskeyRemoved():
            return _passkeys(state, event)
        case SignInsFailed():
            return {"failed_at": event.timestamp}
        case SignInLocked():
            return {"locked_until": event.until}
        case SignInUnlocked():
            return {"locked_until": None, "failed_at": None}
        case AccountClosed():
            return {"status": MACHINE.enter(state.status, CLOSED), "totp": False, "passkeys": ()}
        case _:
            assert_never(event)


def _passkeys(state: Account, event: PasskeyAdded | PasskeyRemoved) -> dict[str, Any]:
    mine = event.credential_id
    passkeys = tuple(one for one in state.passkeys if one.credential_id != mine)
    names = tuple(pair for pair in state.passkey_names if pair[0] != mine)
    if isinstance(event, PasskeyAdded):
        passkeys += (Passkey(credential_id=mine, added_at=event.timestamp),)
        names += ((mine, event.name),)
    return {"passkeys": passkeys, "passkey_names": names}


ACCOUNT = Aggregate("account", Account, fold, snapshot_every=50, code_version=2)


def open_account(
    state: Account, *, account_id: str, email: str, email_hash: str, at: datetime
) -> list[Event]:
    if state.status is not None:
        raise AccountExists("the id has an account already")
    fields = {"account_id": account_id, "email": email, "email_hash": email_hash}
    return [next_event(AccountRegistered, state, at, **fields)]


def change_email(state: Account, *, email: str, email_hash: str, at: datetime) -> list[Event]:
    if state.require_open() and state.email_hash == email_hash:
        return []
    return [_next(state, EmailChanged, at, email=email, email_hash=email_hash)]


def set_password(state: Account, *, how: PasswordHow, at: datetime) -> list[Event]:
    """Each time an event: whether it is the same password is nobody's to know."""
    return [_next(state, PasswordSet, at, how=how)]


def enable_totp(state: Account, *, at: datetime) -> list[Event]:
    return [] if state.totp else [_next(state, TotpEnabled, at)]


def disable_totp(state: Account, *, at: datetime) -> list[Event]:
    return [_next(state, TotpDisabled, at)] if state.totp else []


def issue_recovery_codes(state: Account, *, count: int, at: datetime) -> list[Event]:
    return [_next(state, RecoveryCodesIssued, at, count=count)]


def use_recovery_code(state: Account, *, left: int, at: datetime) -> list[Event]:
    if left >= state.recovery_codes_left:
        return []
    return [_next(state, RecoveryCodeUsed, at, left=left)]


def add_passkey(state: Account, *, credential_id: str, name: str, at: datetime) -> list[Event]:
    if state.has_passkey(credential_id):
        return []
    if len(state.passkeys) >= MOST_PASSKEYS:
        raise TooManyPasskeys(f"an account has {MOST_PASSKEYS} passkeys at most")
    return [_next(state, PasskeyAdded, at, credential_id=credential_id, name=name)]


def remove_passkey(state: Account, *, credential_id: str, at: datetime) -> list[Event]:
    if not state.has_passkey(credential_id):
        return []
    return [_next(state, PasskeyRemoved, at, credential_id=credential_id)]


def sign_in_failed(state: Account, *, at: datetime) -> list[Event]:
    """An event for the first of a burst only."""
    if not state.is_open or (state.failed_at is not None and at < state.failed_at + BURST):
        return []
    return [_next(state, SignInsFailed, at)]


def lock(state: Account, *, until: datetime, at: datetime) -> list[Event]:
    if not state.is_open or (state.locked_until is not None and until <= state.locked_until):
        return []
    return [_next(state, SignInLocked, at, until=until)]


def unlock(state: Account, *, by: str, at: datetime) -> list[Event]:
    """After a lock, though it may be over by itself."""
    if not state.is_open or state.locked_until is None:
        return []
    return [_next(state, SignInUnlocked, at, by=by)]


def close(state: Account, *, at: datetime) -> list[Event]:
    return [_next(state, AccountClosed, at)] if state.is_open else []


def _next(state: Account, event_type: type[Event], at: datetime, **fields: Any) -> Event:
    """Raises ``AccountNotFound`` unless the account is open."""
    return next_event(event_type, state, at, account_id=state.require_open(), **fields)
