"""What all processes together know of tokens, and how they hear that some were revoked.

The vault is the truth. Beside it stands a memory that is shared: what an item said when it was read
last, for as long as that may be trusted, and a tombstone for what was revoked, which nothing that
was read before can overwrite. Keys are those of the vault: ``token#…``, ``grant#…``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from commands.accounts.token_family import ACCESS_LIFETIME

TOMBSTONES_STAND = ACCESS_LIFETIME + timedelta(minutes=15)
"""Longer than any access token lives: afterwards there is nothing left to be refused."""

TRUSTED_FOR = 30.0
"""Seconds from when the vault was asked: the longest that a revoked token goes on working."""


@dataclass(frozen=True)
class State:
    """What the item said at ``version``; ``seconds``: how long that may still be trusted.

    ``text`` None: it was revoked, for good; ids and hashes of tokens are never used again.
    """

    version: int
    text: bytes | None = field(repr=False)
    seconds: float


class Listener(Protocol):
    """Who remembers, and hears what it must not remember any longer. All by keys."""

    def revoked(self, keys: Collection[str]) -> None:
        """For good."""

    def changed(self, keys: Collection[str]) -> None:
        """The shared memory has what they say now."""

    def forget(self) -> None:
        """Something may have been missed up to now."""


class GrantRevocations(Protocol):
    """Told after the vault was written. Never raises: where this fails, what others remember of the
    vault ends by itself, within 30 s."""

    async def told(self, grant_ids: Collection[str]) -> None:
        """All tokens of these grants are worthless."""


class Revocations(GrantRevocations, Protocol):
    async def told_tokens(self, hashes: Collection[str]) -> None:
        """So are these personal access tokens."""


class TokenStates(Revocations, Protocol):
    async def get(self, key: str) -> State | None:
        """Raises ``HintsUnavailable``."""

    async def fill(self, key: str, state: State) -> State:
        """Keep it, unless something newer stands there or it was revoked; what stands then.

        Raises ``HintsUnavailable``.
        """

    async def bury(self, keys: Collection[str]) -> None:
        """As ``Revocations``, by keys."""

    async def replace(self, key: str, state: State) -> None:
        """``fill``, of which all processes are told. Never raises."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """To all processes. Returns what ends it."""
