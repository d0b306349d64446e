"""What a keyring needs from outside."""

from __future__ import annotations

from typing import Protocol


class KeyWrapper(Protocol):
    """Wraps data keys (32 bytes), bound to their subject.

    Raises ``StoreUnavailable`` when the wrapping key cannot be reached, ``ContractError`` for what
    was not wrapped by it for this subject.
    """

    async def wrap(self, material: bytes, subject: str) -> bytes: ...

    async def unwrap(self, wrapped: bytes, subject: str) -> bytes: ...


class ForgottenList(Protocol):
    """The subjects that were forgotten, kept apart from the keys, so that a restore of these can
    be corrected. Raises ``StoreUnavailable``."""

    async def add(self, subject: str) -> None: ...

    async def all(self) -> list[str]: ...
