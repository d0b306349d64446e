"""A mail that somebody is to get.

Stream ``mail-{mail id}``, one event. To whom and what it says is in the vault (``mail#{mail id}``)
until it was sent: it may hold the secret part of a link.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, cast

from domain.kernel.event import Aggregate, Event, State, next_event, register


class MailRequested(Event):
    """``account_id`` None: the address had none when the mail was asked for."""

    TOPIC: ClassVar[str] = "accounts.mail_requested"
    kind: str
    account_id: str | None = None


MailEvent = MailRequested
register(MailRequested)


class Mail(State):
    kind: str = ""


def fold(state: Mail, event: Event) -> Mail:
    known = cast("MailEvent", event)
    return Mail(stream=state.stream, version=event.originator_version, kind=known.kind)


MAIL = Aggregate("mail", Mail, fold, snapshot_every=100)


def request(state: Mail, *, kind: str, account_id: str | None, at: datetime) -> list[Event]:
    """Once: a mail has an id of its own."""
    if state.version:
        return []
    return [next_event(MailRequested, state, at, kind=kind, account_id=account_id)]
