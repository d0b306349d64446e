"""Secrets of an account that have to be had again (a TOTP seed), sealed as personal data is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.outbound.keys.sealing import Sealed, seal
from commands.kernel.ports import Keyring
from domain.kernel.errors import ContractError, SubjectForgotten


class KeyringSeals:
    """The port ``Seals``: under the account's data key, so they go when it is forgotten."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def seal(self, account_id: str, place: str, fields: Mapping[str, Any]) -> str:
        return seal(await self._keyring.for_sealing(account_id), fields, (place,))

    async def open(self, account_id: str, place: str, sealed: str) -> dict[str, Any]:
        parts = Sealed.of(sealed)
        if parts.subject != account_id:
            raise ContractError("a secret of another account")
        key = await self._keyring.for_opening(account_id)
        if key is None:
            raise SubjectForgotten("the account was forgotten")
        return parts.open(key, (place,))
