"""One's data, as JSON: what every part of the platform holds about an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from commands.accounts.leaving import deletion_due
from commands.accounts.parts import Parts
from commands.accounts.ports import Section
from commands.accounts.sign_in_sessions import SignedIn, list_sessions


@dataclass(frozen=True)
class AccountSection:
    parts: Parts
    name: str = "account"

    async def export(self, account_id: str) -> Mapping[str, Any]:
        state = await self.parts.account(account_id)
        due = await deletion_due(self.parts, account_id)
        return {
            "account_id": account_id,
            "email": state.email,
            "registered_at": _time(state.registered_at),
            "password_set_at": _time(state.password_set_at),
            "authenticator_app": state.totp,
            "recovery_codes_left": state.recovery_codes_left,
            "passkeys": [
                {
                    "credential_id": one.credential_id,
                    "name": state.name_of(one.credential_id),
                    "added_at": _time(one.added_at),
                }
                for one in state.passkeys
            ],
            "deletion_due_at": _time(due),
        }


@dataclass(frozen=True)
class SessionsSection:
    parts: Parts
    name: str = "sessions"

    async def export(self, account_id: str) -> Sequence[Any]:
        now = self.parts.clock.now()
        listed = await list_sessions(self.parts.repository, account_id, now=now)
        return [
            {
                **one.session.model_dump(mode="json"),
                **(one.place.model_dump(mode="json", exclude={"session_id"}) if one.place else {}),
            }
            for one in listed
        ]


async def export_data(
    parts: Parts, signed_in: SignedIn, others: Sequence[Section] = ()
) -> dict[str, Any]:
    """Raises ``SignInTooOld``."""
    now = parts.clock.now()
    signed_in.require_recent(now)
    sections: list[Section] = [AccountSection(parts), SessionsSection(parts), *others]
    exported = {one.name: await one.export(signed_in.account_id) for one in sections}
    return {"exported_at": now.isoformat(), **exported}


def _time(time: Any) -> str | None:
    return time.isoformat() if time is not None else None
