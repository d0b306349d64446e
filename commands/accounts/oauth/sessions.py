"""Whether the sign-in that something was allowed in is still there."""

from __future__ import annotations

from datetime import datetime

from commands.accounts.token_family import InvalidGrant
from commands.kernel.ports import Vault

PREFIX = "session#"


async def require_session(vault: Vault, session_id: str, *, now: datetime) -> None:
    """Who signed out, reset the password or is being forgotten gives nothing more to anyone.

    Raises ``InvalidGrant``.
    """
    held = await vault.get(PREFIX + session_id)
    if held is None or datetime.fromisoformat(held["expires_at"]) <= now:
        raise InvalidGrant("the sign-in in which this was allowed has ended")
