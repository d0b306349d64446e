"""An e-mail address, held by one account at a time.

Stream ``email-{keyed hash}``: reserving it in the commit that makes or changes the account is what
makes addresses unique, and the address itself stands nowhere in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, assert_never, cast

from domain.kernel.errors import Conflict
from domain.kernel.event import Aggregate, Event, State, next_event, register


class EmailTaken(Conflict):
    """Another account has the address. Only told to who has shown that it is theirs."""

    code = "email_taken"
    retryable = False


class EmailReserved(Event):
    TOPIC: ClassVar[str] = "accounts.email_reserved"
    account_id: str


class EmailReleased(Event):
    TOPIC: ClassVar[str] = "accounts.email_released"
    account_id: str


EmailAddressEvent = EmailReserved | EmailReleased
register(EmailReserved, EmailReleased)


class EmailAddress(State):
    """``account_id``: who holds it."""

    account_id: str | None = None


def fold(state: EmailAddress, event: Event) -> EmailAddress:
    known = cast("EmailAddressEvent", event)
    version = event.originator_version
    match known:
        case EmailReserved():
            holder: str | None = known.account_id
        case EmailReleased():
            holder = None
        case _:
            assert_never(known)
    return EmailAddress(stream=state.stream, version=version, account_id=holder)


EMAIL_ADDRESS = Aggregate("email", EmailAddress, fold, snapshot_every=100)


def reserve(state: EmailAddress, *, account_id: str, at: datetime) -> list[Event]:
    if state.account_id == account_id:
        return []
    if state.account_id is not None:
        raise EmailTaken("the address has an account already")
    return [next_event(EmailReserved, state, at, account_id=account_id)]


def release(state: EmailAddress, *, account_id: str, at: datetime) -> list[Event]:
    if state.account_id != account_id:
        return []
    return [next_event(EmailReleased, state, at, account_id=account_id)]
