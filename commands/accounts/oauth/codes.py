"""Authorization codes: 60 seconds, once. The vault keeps their SHA-256, and for a while longer that
they were used, so that a second use is known as such and ends what the first one gave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from commands.accounts.oauth.grants import Approval
from commands.accounts.oauth.requests import AuthorizationRequest
from commands.accounts.token_family import InvalidGrant, hash_of
from commands.kernel.ports import Vault

LIFETIME = timedelta(seconds=60)
KNOWN_FOR = timedelta(hours=1)
"""Longer than a code itself, and as long as the first access token that it gave."""
CODE = re.compile(r"hcc_[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Code(BaseModel):
    """``expires_at``: of the item; ``valid_until``: of the code."""

    model_config = ConfigDict(frozen=True)

    version: int = 0
    client_id: str
    redirect_uri: str
    code_challenge: str | None
    nonce: str | None
    account_id: str
    session_id: str
    auth_time: datetime
    amr: tuple[str, ...]
    scopes: tuple[str, ...]
    grant_id: str
    valid_until: datetime
    expires_at: datetime
    used: bool = False

    def approval(self) -> Approval:
        return Approval(
            account_id=self.account_id,
            client_id=self.client_id,
            scopes=self.scopes,
            session_id=self.session_id,
            auth_time=self.auth_time,
            amr=self.amr,
        )


async def issue(
    vault: Vault, request: AuthorizationRequest, approval: Approval, *, grant_id: str, now: datetime
) -> str:
    code = "hcc_" + secrets.token_urlsafe(32)
    assert approval.session_id is not None, "a person at a browser has a session"
    held = Code(
        client_id=request.client.client_id,
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
        account_id=approval.account_id,
        session_id=approval.session_id,
        auth_time=approval.auth_time,
        amr=approval.amr,
        scopes=approval.scopes,
        grant_id=grant_id,
        valid_until=now + LIFETIME,
        expires_at=now + KNOWN_FOR,
    )
    await vault.put(key_of(code), held.model_dump(mode="json"), expected=0)
    return code


async def load(vault: Vault, code: str, *, client_id: str, now: datetime) -> Code:
    """Used ones too. Raises ``InvalidGrant``."""
    held = await vault.get(key_of(code)) if CODE.fullmatch(code) else None
    found = Code.model_validate(held) if held is not None else None
    if found is None or found.expires_at <= now:
        raise InvalidGrant("the code is unknown or over")
    if found.client_id != client_id:
        raise InvalidGrant("the code belongs to another client")
    return found


def require_redeemable(
    code: Code, *, redirect_uri: str | None, verifier: str | None, now: datetime
) -> None:
    """Raises ``InvalidGrant``."""
    if code.valid_until <= now:
        raise InvalidGrant("the code is over")
    if redirect_uri is None and code.code_challenge is None:
        raise InvalidGrant("redirect_uri is missing")
    if redirect_uri is not None and redirect_uri != code.redirect_uri:
        raise InvalidGrant("the code was sent to another redirect URI")
    require_verified(code.code_challenge, verifier)


def require_verified(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 section 4.6; a verifier without a challenge is the trace of a request that lost it
    on its way (RFC 9700 section 4.8.2). Raises ``InvalidGrant``."""
    if challenge is None:
        if verifier is not None:
            raise InvalidGrant("there was no code_challenge")
        return
    if verifier is None or not VERIFIER.fullmatch(verifier):
        raise InvalidGrant("code_verifier is missing or malformed")
    digest = hashlib.sha256(verifier.encode()).digest()
    mine = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if not hmac.compare_digest(mine, challenge):
        raise InvalidGrant("code_verifier does not fit")


def key_of(code: str) -> str:
    return "code#" + hash_of(code)
