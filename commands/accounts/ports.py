"""What the accounts' write side needs beyond the kernel's ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.kernel.errors import Refused, Unavailable


class MailRefused(Refused):
    """The mail will never be taken: its address or its sender is wrong."""

    code = "mail_refused"


class MailUnavailable(Unavailable):
    """The mail could not be handed over now."""

    code = "mail_unavailable"


class Passwords(Protocol):
    """Slow hashes. A bounded number is made at once, and a bounded number waits for that: then
    they raise ``Busy``."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, hashed: str, password: str) -> bool:
        """False also for a hash that is none."""

    def needs_rehash(self, hashed: str) -> bool:
        """Whether it was made with other parameters than are used now."""

    async def dummy(self, password: str) -> None:
        """As much work as ``verify``, where there is no hash to compare with."""


class CommonPasswords(Protocol):
    def __contains__(self, password: object, /) -> bool:
        """Whether it is among the first that are tried; ``password``: case-folded."""


class Seals(Protocol):
    """Secrets that have to be had again, sealed with an account's data key.

    Raise ``StoreUnavailable`` when the key cannot be reached, ``SubjectForgotten`` when it was
    destroyed, and ``ContractError`` for what does not open.
    """

    async def seal(self, account_id: str, place: str, fields: Mapping[str, Any]) -> str:
        """``place``: where it is kept; it opens nowhere else."""

    async def open(self, account_id: str, place: str, sealed: str) -> dict[str, Any]: ...


class Counters(Protocol):
    """As of rate limits: shared by all processes, forgotten after a while."""

    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        """The value after adding. Raises ``HintsUnavailable``."""


@dataclass(frozen=True)
class Mail:
    """Ready to be sent; the texts may hold secrets."""

    id: str
    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True)
class Letter:
    """A mail in the outbox of one machine, where a person may read it."""

    id: str
    to: str
    sent_at: datetime | None
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Raises ``MailRefused`` for good, ``MailUnavailable`` for now."""


class Section(Protocol):
    """What one part of the platform holds about an account, for the export of one's data."""

    @property
    def name(self) -> str: ...

    async def export(self, account_id: str) -> Mapping[str, Any] | Sequence[Any]:
        """As JSON; no secrets."""
