"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The seed is in the vault, sealed with the account's data key, so that it goes when that goes. A code
is good once (RFC 6238 section 5.2): the item keeps the last step that was used, and moves on under
a condition. Recovery codes are kept as MACs, and each leaves the list when it is used.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp

from commands.accounts.entering import Step, tell
from commands.accounts.parts import Parts, carry_out
from commands.accounts.sign_in_sessions import SignedIn
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts.account import ACCOUNT, Account
from domain.kernel.errors import Conflict, NotPermitted
from domain.kernel.recorded import Context

TOTP, ENROLMENT, RECOVERY = "totp#", "totp-enrolment#", "recovery#"
ISSUER = "Homecast"
ENROLMENT_LASTS = timedelta(minutes=15)
STEP = 30
DRIFT = (0, -1, 1)
"""Steps of 30 s that a clock may be wrong by, in the order that they are tried."""
CODE = re.compile(r"[0-9]{6}")
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 random bits, so a code is not to be guessed and looks like four groups of four letters."""
PURPOSE = "recovery code"


class WrongCode(NotPermitted):
    """The code is wrong, was used before, or its time is over."""

    code = "wrong_code"


class EnrolmentOver(Conflict):
    """It took too long, or was not begun: begin again with a new QR code."""

    code = "enrolment_over"
    retryable = False


class TotpIsOn(Conflict):
    """The account has an authenticator app; disable that first."""

    code = "totp_is_on"
    retryable = False


@dataclass(frozen=True)
class Enrolment:
    """``secret``: base32, to be typed. ``uri``: the same to be scanned. Shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def begin_totp(parts: Parts, signed_in: SignedIn) -> Enrolment:
    """Nothing is changed until a code of the app has come. Raises ``SignInTooOld``, ``TotpIsOn``.

    Begun again, the QR code from before is void.
    """
    now = parts.clock.now()
    signed_in.require_recent(now)
    account = await parts.account(signed_in.account_id)
    if account.totp:
        raise TotpIsOn("the account has an authenticator app")
    secret = pyotp.random_base32()
    key = ENROLMENT + signed_in.account_id
    value = {
        "sealed": await parts.seals.seal(signed_in.account_id, key, {"seed": secret}),
        "expires_at": (now + ENROLMENT_LASTS).isoformat(),
    }
    await parts.vault.put(key, value)
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
    return Enrolment(secret, uri)


async def confirm_totp(
    parts: Parts, context: Context, signed_in: SignedIn, code: str
) -> tuple[str, ...]:
    """The recovery codes, shown once. Raises ``WrongCode``, ``EnrolmentOver``, ``TotpIsOn``,
    ``SignInTooOld``."""
    signed_in.require_recent(parts.clock.now())
    account_id = signed_in.account_id
    seed = await _enrolled_seed(parts, account_id)
    codes = _new_codes()

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if account.totp:
            raise TotpIsOn("the account has an authenticator app")
        step = _step_of(seed, code, after=0, now=unit.at)
        sealed = await parts.seals.seal(account_id, TOTP + account_id, {"seed": seed})
        unit.write_vault(TOTP + account_id, _totp_item(sealed, step), expected=0)
        unit.write_vault(ENROLMENT + account_id, None)
        await _write_codes(unit, parts, account_id, codes)
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.enable_totp(state, at=unit.at),
            lambda state: accounts.issue_recovery_codes(state, count=len(codes), at=unit.at),
        )
        await tell(unit, parts, account, "totp_enabled")

    await parts.dispatcher.execute(context, decide)
    return codes


async def disable_totp(parts: Parts, context: Context, signed_in: SignedIn) -> None:
    """With its recovery codes. Raises ``SignInTooOld``."""
    signed_in.require_recent(parts.clock.now())
    account_id = signed_in.account_id

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if not account.totp:
            return
        carry_out(unit, ACCOUNT, account, lambda state: accounts.disable_totp(state, at=unit.at))
        for kind in (TOTP, ENROLMENT, RECOVERY):
            unit.write_vault(kind + account_id, None)
        await tell(unit, parts, account, "totp_disabled")

    await parts.dispatcher.execute(context, decide)


async def new_recovery_codes(
    parts: Parts, context: Context, signed_in: SignedIn
) -> tuple[str, ...]:
    """Shown once; the old ones are void. Raises ``SignInTooOld``, and ``EnrolmentOver`` without an
    authenticator app."""
    signed_in.require_recent(parts.clock.now())
    account_id, codes = signed_in.account_id, _new_codes()

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if not account.totp:
            raise EnrolmentOver("the account has no authenticator app")
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.issue_recovery_codes(state, count=len(codes), at=unit.at),
        )
        await _write_codes(unit, parts, account_id, codes)
        await tell(unit, parts, account, "recovery_codes_issued")

    await parts.dispatcher.execute(context, decide)
    return codes


async def check_code(
    unit: Unit, parts: Parts, account: Account, code: str
) -> tuple[tuple[str, ...], Sequence[Step]]:
    """With the unit's commit the code is used up. How it proved them (amr), and what the account
    is to be told. Raises ``WrongCode``."""
    given = "".join(code.split())
    account_id = account.require_open()
    if CODE.fullmatch(given):
        await _use_step(unit, parts, account_id, given)
        return ("otp",), ()
    left = await _use_recovery_code(unit, parts, account_id, given)
    await tell(unit, parts, account, "recovery_code_used", left=str(left))
    return ("kba",), (lambda state: accounts.use_recovery_code(state, left=left, at=unit.at),)


async def prove_code(parts: Parts, context: Context, account_id: str, code: str) -> tuple[str, ...]:
    """In a commit of its own. Raises ``WrongCode``."""

    async def decide(unit: Unit) -> tuple[str, ...]:
        account = await unit.load(ACCOUNT, account_id)
        by, steps = await check_code(unit, parts, account, code)
        carry_out(unit, ACCOUNT, account, *steps)
        return by

    by, _ = await parts.dispatcher.execute(context, decide)
    return by


# --- codes of the app -----------------------------------------------------------------------------


async def _use_step(unit: Unit, parts: Parts, account_id: str, code: str) -> None:
    held = await parts.vault.get(TOTP + account_id)
    if held is None:
        raise _wrong()
    opened = await parts.seals.open(account_id, TOTP + account_id, held["sealed"])
    step = _step_of(opened["seed"], code, after=held["last_step"], now=unit.at)
    unit.write_vault(TOTP + account_id, _totp_item(held["sealed"], step), expected=held["version"])


def _totp_item(sealed: str, step: int) -> dict[str, Any]:
    """``mark`` tells this write from that of another one who came with the same code."""
    return {"sealed": sealed, "last_step": step, "mark": secrets.token_hex(8)}


def _step_of(seed: str, code: str, *, after: int, now: datetime) -> int:
    """The step that the code belongs to, later than the last one used. Raises ``WrongCode``."""
    app = pyotp.TOTP(seed, interval=STEP)
    current = app.timecode(now)
    found = 0
    for drift in DRIFT:
        step = current + drift
        if hmac.compare_digest(app.generate_otp(step).encode(), code.encode()) and step > after:
            found = found or step
    if not found:
        raise _wrong()
    return found


async def _enrolled_seed(parts: Parts, account_id: str) -> str:
    key = ENROLMENT + account_id
    held = await parts.vault.get(key)
    if held is None or datetime.fromisoformat(held["expires_at"]) <= parts.clock.now():
        raise EnrolmentOver("scan a new QR code")
    return str((await parts.seals.open(account_id, key, held["sealed"]))["seed"])


# --- recovery codes -------------------------------------------------------------------------------


def _new_codes() -> tuple[str, ...]:
    return tuple(_new_code() for _ in range(RECOVERY_CODES))


def _new_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _message(account_id: str, code: str) -> str:
    return f"{account_id}:{code.replace('-', '').lower()}"


async def _write_codes(unit: Unit, parts: Parts, account_id: str, codes: Sequence[str]) -> None:
    held = await parts.vault.get(RECOVERY + account_id)
    hashes = [parts.keys.mac(PURPOSE, _message(account_id, code)) for code in codes]
    unit.write_vault(
        RECOVERY + account_id, {"hashes": hashes}, expected=held["version"] if held else 0
    )


async def _use_recovery_code(unit: Unit, parts: Parts, account_id: str, code: str) -> int:
    """How many are left."""
    held = await parts.vault.get(RECOVERY + account_id)
    hashes = held["hashes"] if held else []
    message = _message(account_id, code[:64])
    left = [one for one in hashes if not parts.keys.verify(PURPOSE, message, one)]
    if held is None or len(left) == len(hashes):
        raise _wrong()
    unit.write_vault(RECOVERY + account_id, {"hashes": left}, expected=held["version"])
    return len(left)


def _wrong() -> WrongCode:
    return WrongCode("the code is wrong, or was used before")
