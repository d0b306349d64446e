"""Signing in with a password, and with a second factor where there is one.

An address without an account, a wrong password and a closed account get the same answer for the
same work: the address's stream, one item of the vault, one slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from commands.accounts.addresses import normalise
from commands.accounts.entering import Entered, Step, begin, begin_code, enter
from commands.accounts.parts import Parts
from commands.accounts.passwords import (
    Proved,
    WrongCredentials,
    held_password,
    mark_of,
    prove,
    wrong,
)
from commands.accounts.second_factor import WrongCode, check_code, prove_code
from commands.accounts.sign_in_sessions import SignedIn, Visitor, renew
from commands.kernel.dispatch import Unit
from domain.accounts.account import Account, AccountNotFound
from domain.kernel.errors import InvalidInput, NotPermitted
from domain.kernel.recorded import Context

PREFIX = "signin#"
SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
PENDING_LASTS = timedelta(minutes=10)


class PendingSignInOver(NotPermitted):
    """It took too long, or was used: begin again with the password."""

    code = "pending_sign_in_over"


@dataclass(frozen=True)
class CodeNeeded:
    """The password was right. ``pending``: for the page that asks for the code."""

    pending: str = field(repr=False)


class Pending(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: int = 0
    account_id: str
    mark: str = Field(repr=False)
    return_to: str | None = None
    expires_at: AwareDatetime


async def sign_in(
    parts: Parts,
    context: Context,
    *,
    email: str,
    password: str,
    visitor: Visitor,
    return_to: str | None = None,
) -> Entered | CodeNeeded:
    """Raises ``WrongCredentials``, ``TooManyAttempts``, ``Busy``."""
    email_hash = parts.keys.email_hash(_spelled(email))
    holder = await parts.holder_of(email_hash)
    held = await held_password(parts, holder)
    attempt = await begin(parts, visitor, account_id=holder, key=email_hash, mark=mark_of(held))
    async with attempt.unless_unavailable(parts):
        proved = await prove(parts, holder, held, password)
        if proved is None:
            attempt.failed(parts, context)
            raise wrong()
        try:
            entered = await _proved(parts, context, proved, visitor, return_to)
        except AccountNotFound:
            raise wrong() from None
    await attempt.succeeded(parts)
    return entered


async def _proved(
    parts: Parts, context: Context, proved: Proved, visitor: Visitor, return_to: str | None
) -> Entered | CodeNeeded:
    account = await parts.account(proved.account_id)
    if account.totp:
        return await _ask_for_code(parts, proved, return_to)
    return await _enter(parts, context, proved, visitor, return_to)


def _spelled(email: str) -> str:
    """What is no address is one without an account, to whoever asks."""
    try:
        return normalise(email)
    except InvalidInput:
        return f"no address: {email[:256]}"


async def _enter(
    parts: Parts, context: Context, proved: Proved, visitor: Visitor, return_to: str | None
) -> Entered:
    async def proof(unit: Unit, account: Account) -> tuple[tuple[str, ...], Sequence[Step]]:
        await proved.require_unchanged(unit, parts)
        if account.totp:
            raise wrong()  # it was enabled this very moment
        return ("pwd",), ()

    return await enter(
        parts,
        context,
        account_id=proved.account_id,
        visitor=visitor,
        proof=proof,
        return_to=return_to,
    )


async def _ask_for_code(parts: Parts, proved: Proved, return_to: str | None) -> CodeNeeded:
    token = secrets.token_urlsafe(32)
    pending = Pending(
        account_id=proved.account_id,
        mark=proved.mark,
        return_to=return_to,
        expires_at=parts.clock.now() + PENDING_LASTS,
    )
    value = pending.model_dump(mode="json", exclude={"version"})
    await parts.vault.put(_key_of(token), value, expected=0)
    return CodeNeeded(token)


async def enter_code(
    parts: Parts, context: Context, *, pending: str, code: str, visitor: Visitor
) -> Entered:
    """``code``: of the authenticator app, or a recovery code.

    Raises ``PendingSignInOver``, ``WrongCode``, ``TooManyAttempts``.
    """
    held = await _pending(parts, pending)
    account_id = held.account_id
    attempt = await begin_code(parts, visitor, account_id)

    async def proof(unit: Unit, account: Account) -> tuple[tuple[str, ...], Sequence[Step]]:
        now = await _pending(parts, pending)
        await Proved(account_id, now.mark).require_unchanged(unit, parts)
        by, steps = await check_code(unit, parts, account, code)
        unit.write_vault(_key_of(pending), None, expected=now.version)
        return ("pwd", *by, "mfa"), steps

    try:
        async with attempt.unless_unavailable(parts):
            entered = await enter(
                parts,
                context,
                account_id=account_id,
                visitor=visitor,
                proof=proof,
                return_to=held.return_to,
            )
    except WrongCode:
        attempt.failed(parts, context)
        raise
    except (AccountNotFound, WrongCredentials):
        raise _over() from None
    await attempt.succeeded(parts)
    return entered


async def _pending(parts: Parts, token: str) -> Pending:
    """Raises ``PendingSignInOver``."""
    held = await parts.vault.get(_key_of(token))
    pending = Pending.model_validate(held) if held is not None else None
    if pending is None or pending.expires_at <= parts.clock.now():
        raise _over()
    return pending


def _key_of(token: str) -> str:
    if SHAPE.fullmatch(token) is None:
        raise _over()
    return PREFIX + hashlib.sha256(token.encode()).hexdigest()


def _over() -> PendingSignInOver:
    return PendingSignInOver("that took too long; sign in again")


async def confirm_identity(
    parts: Parts,
    context: Context,
    signed_in: SignedIn,
    *,
    password: str,
    code: str = "",
    visitor: Visitor,
) -> SignedIn:
    """Who is signed in shows it again, for what needs a recent sign-in. ``code``: where the
    account has a second factor; ``WrongCode`` without it.

    Raises ``WrongCredentials``, ``WrongCode``, ``TooManyAttempts``, ``NotSignedIn``, ``Busy``.
    """
    account_id = signed_in.account_id
    account = await parts.account(account_id)
    held = await held_password(parts, account_id)
    attempt = await begin(
        parts, visitor, account_id=account_id, key=account.email_hash, mark=mark_of(held)
    )
    async with attempt.unless_unavailable(parts):
        if await prove(parts, account_id, held, password) is None:
            attempt.failed(parts, context)
            raise wrong()
    amr: tuple[str, ...] = ("pwd",)
    if account.totp:
        amr = ("pwd", *await _second(parts, context, account_id, code, visitor), "mfa")
    await attempt.succeeded(parts)
    return await renew(parts.vault, signed_in, amr=amr, now=parts.clock.now())


async def _second(
    parts: Parts, context: Context, account_id: str, code: str, visitor: Visitor
) -> tuple[str, ...]:
    attempt = await begin_code(parts, visitor, account_id)
    try:
        async with attempt.unless_unavailable(parts):
            by = await prove_code(parts, context, account_id, code)
    except WrongCode:
        attempt.failed(parts, context)
        raise
    await attempt.succeeded(parts)
    return by
