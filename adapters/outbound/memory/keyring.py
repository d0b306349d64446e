"""Data keys in this process: those of a subject last as long as it does."""

from __future__ import annotations

import os

from commands.kernel.ports import DataKey
from domain.kernel.errors import SubjectForgotten

KEY_BYTES = 32


class MemoryKeyring:
    """The port ``Keyring``. ``keys`` holds None for who was forgotten."""

    def __init__(self) -> None:
        self.keys: dict[str, DataKey | None] = {}
        self._list: set[str] = set()

    async def for_sealing(self, subject: str) -> DataKey:
        key = self.keys.setdefault(subject, DataKey(subject, os.urandom(KEY_BYTES)))
        if key is None:
            raise SubjectForgotten("the account was forgotten")
        return key

    async def for_opening(self, subject: str) -> DataKey | None:
        return self.keys.get(subject)

    async def destroy(self, subject: str) -> None:
        self._list.add(subject)
        self.keys[subject] = None

    async def forgotten(self, subject: str) -> bool:
        return self.keys.get(subject, ...) is None

    async def reapply(self) -> list[str]:
        held = {subject for subject, key in self.keys.items() if key is not None}
        returned = sorted(self._list & held)
        for subject in returned:
            self.keys[subject] = None
        return returned
