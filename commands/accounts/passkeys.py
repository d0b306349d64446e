"""Passkeys (WebAuthn level 3): signing in without a password, by a key that a device keeps.

They are discoverable, so nobody types an address, and always verify the person (a PIN or a finger):
two factors in one. A challenge is made out of a key of the platform and kept nowhere until it is
used; then the vault remembers it until it is over, in the commit of what it was good for.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from commands.accounts.attempts import Limit
from commands.accounts.entering import WINDOW, Entered, Step, enter, tell
from commands.accounts.parts import Parts, carry_out
from commands.accounts.sign_in_sessions import SignedIn, Visitor, renew
from commands.kernel.dispatch import Unit
from domain.accounts import account as accounts
from domain.accounts.account import ACCOUNT, Account, AccountNotFound, PasskeyNotFound
from domain.kernel.errors import NotPermitted, Refused
from domain.kernel.recorded import Context

PREFIX, USED = "passkey#", "challenge#"
CHALLENGE_LASTS = timedelta(minutes=5)
RANDOM_BYTES, TIME_BYTES = 16, 8
PRODUCT = "Homecast"
LONGEST_NAME = 64
AMR = ("hwk", "mfa")
OF_VISITOR = Limit("passkey", 60, WINDOW)
Purpose = Literal["register", "sign_in", "confirm"]
Json = Mapping[str, Any]

MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, RecursionError)
"""What its libraries raise for input of a stranger; JSON may be nested without end."""


class PasskeyRefused(NotPermitted):
    """The answer of the passkey does not fit: another site, person, challenge, or key."""

    code = "passkey_refused"


class PasskeysNeedADomain(Refused):
    """The pages are at an IP address, which no passkey can belong to: use a name."""

    code = "passkeys_need_a_domain"


# --- adding and removing --------------------------------------------------------------------------


async def begin_registration(parts: Parts, signed_in: SignedIn) -> str:
    """Options for ``navigator.credentials.create``, as JSON. Raises ``SignInTooOld``."""
    now = parts.clock.now()
    signed_in.require_recent(now)
    account = await parts.account(signed_in.account_id)
    options = generate_registration_options(
        rp_id=_relying_party(parts),
        rp_name=PRODUCT,
        user_id=signed_in.account_id.encode(),
        user_name=account.email,
        user_display_name=account.email,
        challenge=_challenge(parts, "register", signed_in.account_id, now),
        timeout=int(CHALLENGE_LASTS.total_seconds() * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential_id))
            for one in account.passkeys
        ],
    )
    return options_to_json(options)


async def finish_registration(
    parts: Parts, context: Context, signed_in: SignedIn, credential: Json, *, name: str
) -> str:
    """Its credential id. Raises ``PasskeyRefused``, ``TooManyPasskeys``, ``SignInTooOld``."""
    signed_in.require_recent(parts.clock.now())
    title = " ".join(name.split())[:LONGEST_NAME] or "Passkey"
    account_id = signed_in.account_id
    verified, challenge = _registered(parts, account_id, credential)
    credential_id = bytes_to_base64url(verified.credential_id)
    value = {
        "account_id": account_id,
        "public_key": bytes_to_base64url(verified.credential_public_key),
        "sign_count": verified.sign_count,
        "device_type": verified.credential_device_type.value,
    }

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, account_id)
        if await parts.vault.get(PREFIX + credential_id) is not None:
            raise _refused("this passkey is known already")
        await _use_challenge(unit, parts, challenge)
        unit.write_vault(PREFIX + credential_id, value, expected=0)
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.add_passkey(
                state, credential_id=credential_id, name=title, at=unit.at
            ),
        )
        await tell(unit, parts, account, "passkey_added", name=title)

    await parts.dispatcher.execute(context, decide)
    return credential_id


async def remove_passkey(
    parts: Parts, context: Context, signed_in: SignedIn, credential_id: str
) -> None:
    """Raises ``PasskeyNotFound``, ``SignInTooOld``."""
    signed_in.require_recent(parts.clock.now())

    async def decide(unit: Unit) -> None:
        account = await unit.load(ACCOUNT, signed_in.account_id)
        if not account.has_passkey(credential_id):
            raise PasskeyNotFound("the account has no such passkey")
        name = account.name_of(credential_id)
        carry_out(
            unit,
            ACCOUNT,
            account,
            lambda state: accounts.remove_passkey(state, credential_id=credential_id, at=unit.at),
        )
        unit.write_vault(PREFIX + credential_id, None)
        await tell(unit, parts, account, "passkey_removed", name=name)

    await parts.dispatcher.execute(context, decide)


# --- using ----------------------------------------------------------------------------------------


def begin_authentication(parts: Parts, signed_in: SignedIn | None = None) -> str:
    """Options for ``navigator.credentials.get``, as JSON. ``signed_in``: to confirm who that is."""
    purpose: Purpose = "confirm" if signed_in else "sign_in"
    account_id = signed_in.account_id if signed_in else ""
    options = generate_authentication_options(
        rp_id=_relying_party(parts),
        challenge=_challenge(parts, purpose, account_id, parts.clock.now()),
        timeout=int(CHALLENGE_LASTS.total_seconds() * 1000),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


async def sign_in_with_passkey(
    parts: Parts,
    context: Context,
    credential: Json,
    *,
    visitor: Visitor,
    return_to: str | None = None,
) -> Entered:
    """Raises ``PasskeyRefused``, ``TooManyAttempts``."""
    attempt = await parts.attempts.take(OF_VISITOR, visitor.network)
    answer = _parsed_answer(credential)
    challenge = _require_challenge(parts, "sign_in", "", answer.response.client_data_json)
    account_id = (await _held(parts, answer))["account_id"]

    async def proof(unit: Unit, _: Account) -> tuple[tuple[str, ...], Sequence[Step]]:
        await _use(unit, parts, answer, challenge, account_id)
        return AMR, ()

    try:
        entered = await enter(
            parts,
            context,
            account_id=account_id,
            visitor=visitor,
            proof=proof,
            return_to=return_to,
        )
    except AccountNotFound:
        raise _refused("the passkey is unknown") from None
    await parts.attempts.give_back(attempt)
    return entered


async def confirm_with_passkey(
    parts: Parts, context: Context, signed_in: SignedIn, credential: Json
) -> SignedIn:
    """As ``confirm_identity``. Raises ``PasskeyRefused``, ``NotSignedIn``."""
    account_id = signed_in.account_id
    answer = _parsed_answer(credential)
    client_data = answer.response.client_data_json
    challenge = _require_challenge(parts, "confirm", account_id, client_data)

    async def decide(unit: Unit) -> None:
        await _use(unit, parts, answer, challenge, account_id)

    await parts.dispatcher.execute(context, decide)
    return await renew(parts.vault, signed_in, amr=AMR, now=parts.clock.now())


async def _use(
    unit: Unit, parts: Parts, answer: AuthenticationCredential, challenge: bytes, account_id: str
) -> None:
    """With the unit's commit the challenge is used up, and the key's counter has moved on."""
    held = await _held(parts, answer)
    verified = _verified(parts, answer, challenge, held)
    handle = answer.response.user_handle
    if held["account_id"] != account_id or (handle and handle != account_id.encode()):
        raise _refused("the passkey is another account's")
    await _use_challenge(unit, parts, challenge)
    key = PREFIX + bytes_to_base64url(answer.raw_id)
    value = {**held, "sign_count": verified.new_sign_count, "mark": secrets.token_hex(8)}
    unit.write_vault(key, value, expected=held["version"])


async def _held(parts: Parts, answer: AuthenticationCredential) -> dict[str, Any]:
    held = await parts.vault.get(PREFIX + bytes_to_base64url(answer.raw_id))
    if held is None:
        raise _refused("the passkey is unknown")
    return held


# --- the ceremonies -------------------------------------------------------------------------------


def _registered(
    parts: Parts, account_id: str, credential: Json
) -> tuple[VerifiedRegistration, bytes]:
    try:
        answer: RegistrationCredential = parse_registration_credential_json(dict(credential))
        client_data = answer.response.client_data_json
        challenge = _require_challenge(parts, "register", account_id, client_data)
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_relying_party(parts),
            expected_origin=parts.origin,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise _refused("this passkey cannot be added") from error
    return verified, challenge


def _parsed_answer(credential: Json) -> AuthenticationCredential:
    try:
        return parse_authentication_credential_json(dict(credential))
    except MALFORMED as error:
        raise _refused("this is no answer of a passkey") from error


def _verified(
    parts: Parts, answer: AuthenticationCredential, challenge: bytes, held: Json
) -> VerifiedAuthentication:
    """A counter that does not move on raises too: the key may have been copied."""
    try:
        return verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_relying_party(parts),
            expected_origin=parts.origin,
            credential_public_key=base64url_to_bytes(held["public_key"]),
            credential_current_sign_count=held["sign_count"],
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise _refused("the passkey's answer does not fit") from error


def _relying_party(parts: Parts) -> str:
    """Raises ``PasskeysNeedADomain``."""
    name = parts.relying_party
    if not name or ":" in name or name.replace(".", "").isdigit():
        raise PasskeysNeedADomain("a passkey belongs to a domain, not to an IP address")
    return name


# --- challenges -----------------------------------------------------------------------------------


def _challenge(parts: Parts, purpose: Purpose, account_id: str, now: datetime) -> bytes:
    """Random bytes, when it is over (µs), and a MAC over these and what it is for."""
    over = int((now + CHALLENGE_LASTS).timestamp() * 1_000_000)
    body = secrets.token_bytes(RANDOM_BYTES) + struct.pack(">Q", over)
    return body + bytes.fromhex(parts.keys.mac(_mac_purpose(purpose, account_id), body.hex()))


def _require_challenge(
    parts: Parts, purpose: Purpose, account_id: str, client_data: bytes
) -> bytes:
    """The challenge that was answered, if it is one of ours. Raises ``PasskeyRefused``."""
    try:
        challenge = parse_client_data_json(client_data).challenge
    except MALFORMED as error:
        raise _refused("this is no answer of a passkey") from error
    size = RANDOM_BYTES + TIME_BYTES
    body, mac = challenge[:size], challenge[size:]
    if not parts.keys.verify(_mac_purpose(purpose, account_id), body.hex(), mac.hex()):
        raise _refused("the challenge was made for something else")
    if _over_at(challenge) <= parts.clock.now().timestamp():
        raise _refused("that took too long; try again")
    return challenge


def _mac_purpose(purpose: Purpose, account_id: str) -> str:
    return f"passkey {purpose} {account_id}"


def _over_at(challenge: bytes) -> float:
    (over,) = struct.unpack(">Q", challenge[RANDOM_BYTES : RANDOM_BYTES + TIME_BYTES])
    return float(over) / 1_000_000


async def _use_challenge(unit: Unit, parts: Parts, challenge: bytes) -> None:
    """Raises ``PasskeyRefused`` when it was used before."""
    key = USED + hashlib.sha256(challenge).hexdigest()
    if await parts.vault.get(key) is not None:
        raise _refused("the challenge was answered before")
    over = unit.at + CHALLENGE_LASTS
    value = {"expires_at": over.isoformat(), "mark": secrets.token_hex(8)}
    unit.write_vault(key, value, expected=0)


def _refused(detail: str) -> PasskeyRefused:
    return PasskeyRefused(detail)
