"""What the authorization server needs from outside, by role."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from commands.accounts.token_family import TokenFamily


class SignedIn(Protocol):
    """Who is signed in at the browser, and since when; ``amr`` by RFC 8176."""

    @property
    def account_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def auth_time(self) -> datetime: ...
    @property
    def amr(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Person:
    """What clients may be told of an account's owner. ``email`` None: there is none."""

    email: str | None = None
    email_verified: bool = True
    name: str | None = None
    updated_at: datetime | None = None


class People(Protocol):
    async def find(self, account_id: str) -> Person | None:
        """None: there is no such account, or no longer."""


class Revocations(Protocol):
    async def told(self, grant_ids: Collection[str]) -> None:
        """Tokens of these grants ended: whoever keeps or uses some lets them go. Never raises; it
        is a hint, and what was kept has an end of its own."""


class Families(Protocol):
    async def get(self, grant_id: str) -> TokenFamily | None:
        """As it was some seconds ago at the most; told revocations count at once."""


class Counters(Protocol):
    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        """Add to a counter shared by all processes; its value after. It goes ``keep_seconds`` after
        its last change. Raises ``HintsUnavailable``."""


class Wrapper(Protocol):
    """Wraps up to 4,096 bytes, bound to a subject. Raises ``StoreUnavailable``, and
    ``ContractError`` for what was not wrapped by it for this subject."""

    async def wrap(self, material: bytes, subject: str) -> bytes: ...

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes: ...
