"""What the write side needs from outside, by role. Adapters implement these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.kernel.event import Event
from domain.kernel.recorded import Context, Recorded


@dataclass(frozen=True)
class Append:
    """Events for one stream; the first follows ``expected_version`` (0: a new stream)."""

    stream: str
    expected_version: int
    events: Sequence[Event]


@dataclass(frozen=True)
class VaultWrite:
    """One change of the vault, in the same transaction as the events beside it.

    ``value`` None deletes the item. Keys are ``kind#id``, as ``device-credential#…``.
    ``expected``: the ``version`` in the value that is there, 0 for none at all; what is put has the
    next one. Without it, whatever is there is replaced. ``kept``: nothing is changed, and all is
    refused unless the expected version is there.
    """

    key: str
    value: dict[str, Any] | None
    expected: int | None = None
    kept: bool = False


@dataclass(frozen=True)
class Snapshot:
    """``state``: JSON without the personal fields; ``personal``: these, and whose they are."""

    version: int
    code_version: int
    state: bytes
    subject: str | None = None
    personal: Mapping[str, Any] | None = None


class EventStore(Protocol):
    """Streams of events with optimistic concurrency. One generation, one writing region."""

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        """Events with ``after < version <= up_to``, in order, strongly consistent.

        ``personal=False`` reads personal fields as if their subject were forgotten: for who does
        not need them, and without the key.
        """

    async def commit(
        self,
        appends: Sequence[Append],
        *,
        context: Context,
        commit_token: str,
        vault: Sequence[VaultWrite] = (),
    ) -> list[Recorded]:
        """All or nothing. Repeating it with the same token after a lost answer succeeds.

        Raises ``VersionConflict`` when a stream or a vault item has moved on, ``TooLarge`` before
        any write, ``SubjectForgotten`` for personal data of who was forgotten, ``StoreUnavailable``
        when the store cannot be reached or throttles.
        """


class SnapshotStore(Protocol):
    async def load(self, stream: str, *, personal: bool = True) -> Snapshot | None:
        """None also for one that cannot be read, or whose subject was forgotten.

        ``personal=False`` leaves the personal fields out, and needs no key.
        """

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        """Raises ``SubjectForgotten`` as the event store does."""


class Vault(Protocol):
    """Secrets and credentials; strongly consistent reads."""

    async def get(self, key: str) -> dict[str, Any] | None: ...

    async def put(self, key: str, value: dict[str, Any], *, expected: int | None = None) -> None:
        """``expected`` as in ``VaultWrite``; raises ``VersionConflict``. Repeating it after a lost
        answer succeeds where the value tells it from what others put (it holds a random part)."""

    async def delete(self, key: str, *, expected: int | None = None) -> None:
        """Raises ``VersionConflict`` where something else than expected is there, or nothing."""

    async def list(self, prefix: str) -> list[tuple[str, dict[str, Any]]]:
        """All items whose key starts with the prefix: for the CLI, not for a hot path."""


@dataclass(frozen=True)
class DataKey:
    """A subject's key for its personal data: 32 bytes for AES-256-GCM."""

    subject: str
    material: bytes = field(repr=False)


class Keyring(Protocol):
    """Data keys by subject (an account), held wrapped. A process keeps one for 60 s at most.

    Raises ``StoreUnavailable`` when keys cannot be reached.
    """

    async def for_sealing(self, subject: str) -> DataKey:
        """The subject's key, made at the first use. Raises ``SubjectForgotten``."""

    async def for_opening(self, subject: str) -> DataKey | None:
        """None when the subject was forgotten, or never had a key."""

    async def destroy(self, subject: str) -> None:
        """Forget the key for good; the subject never gets another. Repeating it changes nothing."""

    async def forgotten(self, subject: str) -> bool:
        """Whether the subject's key was destroyed; strongly consistent."""

    async def reapply(self) -> list[str]:
        """After a restore: destroy again what was destroyed before, from the list that is kept
        beside the keys. The subjects whose keys had come back."""


class Hints(Protocol):
    """The hint path: may lose, double or hasten a message; never raises, nothing depends on it."""

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        """Tell watchers of the account, and the gateway of a lane's device, what was stored."""


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware."""


class Ids(Protocol):
    def new(self) -> str:
        """A ULID; those of one process ascend."""


class Tracer(Protocol):
    """Spans around what a message causes. The null tracer is the default."""

    def span(self, name: str, *, header: str | None = None) -> AbstractContextManager[None]: ...

    def header(self) -> str | None:
        """The trace header of the open span, to be carried along."""
