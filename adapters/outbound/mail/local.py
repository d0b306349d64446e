"""The outbox of one machine: each mail a file, for a person to read.

``recent`` is what the page ``/dev/outbox`` shows. The files hold links that work: the folder is its
owner's only, and the newest mails are kept.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from commands.accounts.ports import Letter, Mail, MailRefused, MailUnavailable
from commands.kernel.ports import Clock

SUFFIX = ".eml"
FORM = policy.SMTPUTF8.clone(linesep="\n")
KEPT = 200


class LocalMailer:
    """The port ``Mailer``. ``sender``: as a mail's From says it."""

    def __init__(self, folder: Path, *, sender: str, clock: Clock) -> None:
        self._folder = folder
        self._sender = sender
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        try:
            message = message_of(mail, sender=self._sender, at=self._clock.now())
        except ValueError as error:
            raise MailRefused("the mail has no form that can be sent") from error
        try:
            await asyncio.to_thread(self._write, mail.id, bytes(message))
        except OSError as error:
            raise MailUnavailable("the mail folder cannot be written") from error

    def _write(self, mail_id: str, content: bytes) -> None:
        """Whole or not at all: a draft, and then its name."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._folder / f".{mail_id}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(self._folder / (mail_id + SUFFIX))
        for old in _newest(self._folder)[KEPT:]:
            old.unlink(missing_ok=True)


def message_of(mail: Mail, *, sender: str, at: datetime) -> EmailMessage:
    message = EmailMessage(policy=FORM)
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail.id}@homecast>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def recent(folder: Path, limit: int = 50) -> list[Letter]:
    """Newest first; blocks. What goes away meanwhile is left out."""
    letters = []
    for path in _newest(folder)[:limit]:
        with suppress(OSError):
            letters.append(_read(path))
    return letters


def _newest(folder: Path) -> list[Path]:
    """Ids of mails ascend with time."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name, reverse=True)


def _read(path: Path) -> Letter:
    message = message_from_bytes(path.read_bytes(), policy=FORM)
    assert isinstance(message, EmailMessage)
    date = message["Date"]
    return Letter(
        id=path.name.removesuffix(SUFFIX),
        to=str(message["To"] or ""),
        sent_at=date.datetime if date is not None else None,
        subject=str(message["Subject"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
