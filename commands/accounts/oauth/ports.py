"""What the authorization server needs from outside, by role."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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
    """Told after the vault was written. Never raises: where that fails, what others remember ends
    by itself, within 30 s."""

    async def told(self, grant_ids: Collection[str]) -> None:
        """All tokens of these grants are worthless, for good."""

    async def changed(self, grant_ids: Collection[str]) -> None:
        """A token of these grants is, and others are not: to be read anew."""


class Bearer(Protocol):
    """What an access token allows. ``account_id`` None: a client of itself; ``client_id`` None: a
    personal access token; ``expires_at`` None: until revoked."""

    @property
    def account_id(self) -> str | None: ...
    @property
    def client_id(self) -> str | None: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def created_at(self) -> datetime | None:
        """Of its grant."""


class Introspection(Protocol):
    async def introspect(self, token: str) -> Bearer | None:
        """None for whatever is no access token that holds. What was read may be remembered for 30 s
        at the most; revocations that were told count at once."""


class Registration(Protocol):
    def has_given(self, created_at: datetime) -> bool:
        """Whether a grant of then is one of a client as it is registered now."""


class KnownClients(Protocol):
    async def find(self, client_id: str) -> Registration | None:
        """None: there is none, or it was retired, up to 5 s ago."""


class Counters(Protocol):
    async def add(self, key: str, amount: int, *, keep_seconds: int) -> int:
        """Add to a counter shared by all processes; its value after. It goes ``keep_seconds`` after
        its last change. Raises ``HintsUnavailable``."""


class Wrapper(Protocol):
    """Wraps up to 4,096 bytes, bound to a subject. Raises ``StoreUnavailable``, and
    ``ContractError`` for what was not wrapped by it for this subject."""

    async def wrap(self, material: bytes, subject: str) -> bytes: ...

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes: ...
