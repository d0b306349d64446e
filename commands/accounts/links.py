"""Links in mails: 256 random bits, good once, for one purpose, and for a short while.

The vault (``link#<SHA-256>``) has the hash only. Looking at a link leaves it as it is, since
programs that guard mailboxes open links too; acting on it deletes it in the same commit.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from commands.kernel.dispatch import Unit
from commands.kernel.ports import Vault
from domain.kernel.errors import Refused

PREFIX = "link#"
SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
Purpose = Literal["sign_up", "reset", "email"]
LIFETIMES: dict[Purpose, timedelta] = {
    "sign_up": timedelta(hours=24),
    "reset": timedelta(hours=1),
    "email": timedelta(hours=1),
}
PATHS: dict[Purpose, str] = {
    "sign_up": "/signup/confirm",
    "reset": "/password/reset",
    "email": "/email/confirm",
}


class InvalidLink(Refused):
    """Unknown, used, expired, or made for something else: ask for another one."""

    code = "invalid_link"


class Link(BaseModel):
    """``email``: the address that the mail went to; following the link shows that it is theirs.

    ``mark``, ``email_hash``: of the account's password and address when the link was asked for;
    whatever changes one of them voids it. ``session_id``: which session has to follow it.
    """

    model_config = ConfigDict(frozen=True)

    version: int = 0
    purpose: Purpose
    email: str = Field(repr=False)
    account_id: str | None = None
    email_hash: str = ""
    mark: str = Field(default="", repr=False)
    session_id: str | None = None
    return_to: str | None = None
    expires_at: AwareDatetime

    def require_standing(self, *, email_hash: str, mark: str) -> None:
        """Both of now; the password's ``mark`` is never empty. Raises ``InvalidLink``."""
        if not mark or (email_hash, mark) != (self.email_hash, self.mark):
            raise _over()


def make_link(
    unit: Unit,
    purpose: Purpose,
    *,
    base_url: str,
    email: str,
    account_id: str | None = None,
    email_hash: str = "",
    mark: str = "",
    session_id: str | None = None,
    return_to: str | None = None,
) -> str:
    """Its address, for a mail and nothing else."""
    token = secrets.token_urlsafe(32)
    link = Link(
        purpose=purpose,
        email=email,
        account_id=account_id,
        email_hash=email_hash,
        mark=mark,
        session_id=session_id,
        return_to=return_to,
        expires_at=unit.at + LIFETIMES[purpose],
    )
    value: dict[str, Any] = link.model_dump(mode="json", exclude={"version"})
    unit.write_vault(key_of(token), value, expected=0)
    return f"{base_url}{PATHS[purpose]}?token={token}"


async def look_at(vault: Vault, token: str, purpose: Purpose, *, now: datetime) -> Link:
    """Raises ``InvalidLink``."""
    held = await vault.get(key_of(token))
    link = Link.model_validate(held) if held is not None else None
    if link is None or link.purpose != purpose or link.expires_at <= now:
        raise _over()
    return link


async def use(unit: Unit, vault: Vault, token: str, purpose: Purpose) -> Link:
    """With the unit's commit it is gone. Raises ``InvalidLink``."""
    link = await look_at(vault, token, purpose, now=unit.at)
    unit.write_vault(key_of(token), None, expected=link.version)
    return link


def _over() -> InvalidLink:
    return InvalidLink("this link is not valid any more; ask for another one")


def key_of(token: str) -> str:
    """Raises ``InvalidLink`` when it cannot be one of ours."""
    if SHAPE.fullmatch(token) is None:
        raise InvalidLink("this link is incomplete")
    return PREFIX + hashlib.sha256(token.encode()).hexdigest()
