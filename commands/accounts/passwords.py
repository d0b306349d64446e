"""The vault's item of an account's password: compare, set, and bring up to today's parameters.

An address without an account costs the same: one read of the vault and one slow hash.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from commands.accounts.parts import Parts
from commands.accounts.password_rules import prepared
from commands.kernel.dispatch import Unit
from domain.kernel.errors import NotPermitted, Unavailable, VersionConflict

PREFIX = "password#"
NOBODY = "0" * 26


class WrongCredentials(NotPermitted):
    """No account has this address and password. Which of them is wrong is not told."""

    code = "wrong_credentials"


@dataclass(frozen=True)
class Proved:
    """A password that was right: ``mark`` tells whether it still is when a commit relies on it."""

    account_id: str
    mark: str = field(repr=False)

    async def require_unchanged(self, unit: Unit, parts: Parts) -> None:
        """Also at the unit's commit. Raises ``WrongCredentials`` when the password was changed
        meanwhile."""
        held = await held_password(parts, self.account_id)
        if held is None or held["mark"] != self.mark:
            raise wrong()
        unit.require_vault(PREFIX + self.account_id, held["version"])


Held = dict[str, Any]


async def held_password(parts: Parts, account_id: str | None) -> Held | None:
    """One read of the vault, with or without an account."""
    return await parts.vault.get(PREFIX + (account_id or NOBODY))


def mark_of(held: Held | None) -> str:
    """Another one with each password that is set; empty without one."""
    return str(held["mark"]) if held else ""


async def prove(
    parts: Parts, account_id: str | None, held: Held | None, password: str
) -> Proved | None:
    """None: wrong, or there is no such account. Raises ``Busy``."""
    given = prepared(password)
    if account_id is None or held is None:
        await parts.passwords.dummy(given)
        return None
    if not await parts.passwords.verify(held["hash"], given):
        return None
    if parts.passwords.needs_rehash(held["hash"]):
        await _upgrade(parts, account_id, held, given)
    return Proved(account_id, held["mark"])


async def _upgrade(parts: Parts, account_id: str, held: Held, password: str) -> None:
    """With the parameters of today. It is the same password, so nobody is told; when it does not
    work now, the next sign-in does it."""
    with suppress(VersionConflict, Unavailable):
        value = {**held, "hash": await parts.passwords.hash(password)}
        await parts.vault.put(PREFIX + account_id, value, expected=held["version"])


def write_password(unit: Unit, held: Held | None, account_id: str, hashed: str) -> str:
    """In the place of ``held``, with the unit's commit, which says so by an event. Its mark."""
    mark = secrets.token_hex(16)
    value = {"hash": hashed, "changed_at": unit.at.isoformat(), "mark": mark}
    unit.write_vault(PREFIX + account_id, value, expected=held["version"] if held else 0)
    return mark


def wrong() -> WrongCredentials:
    return WrongCredentials("the e-mail address or the password is wrong")
