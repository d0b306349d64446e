"""Who connects: a JWT that the device signs with its own key (RFC 7519, Ed25519 of RFC 8037)."""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from commands.devices.ownership import credential_key
from commands.kernel.ports import Clock, Vault

AUDIENCE = "homecast:connect"
LONGEST_LIFE = 600
SKEW = 60
"""Seconds that a device's clock may be wrong."""
LONGEST_TOKEN = 2048
DEVICE_ID = re.compile(r"[a-z2-7]{26}")


class CredentialRefused(Exception):
    """The text goes to the log; the device learns no more than 401."""


class PinnedEdDSA(EdDSAAlgorithm):
    """RFC 9864 deprecates ``EdDSA`` because it leaves the curve open; our keys pin Ed25519."""

    security_warning = None  # type: ignore[assignment]


class DeviceTokens(JWSRegistry):
    algorithms = {"EdDSA": PinnedEdDSA()}


REGISTRY = DeviceTokens(algorithms=["EdDSA"])


def sign(claims: dict[str, Any], key: OKPKey) -> str:
    """The device's side."""
    return jwt.encode({"alg": "EdDSA"}, claims, key, registry=REGISTRY)


class Credentials:
    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def device_of(self, authorization: str | None) -> str:
        """The id of the device that signed; ``CredentialRefused``, or ``StoreUnavailable``."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= LONGEST_TOKEN:
            raise CredentialRefused("no bearer token")
        device_id = claimed_device(token)
        item = await self._vault.get(credential_key(device_id))
        if item is None:
            raise CredentialRefused("no such credential")
        claims = verified_claims(token, bytes.fromhex(item["public_key"]))
        self._check(claims, device_id)
        return device_id

    def _check(self, claims: dict[str, Any], device_id: str) -> None:
        now = self._clock.now().timestamp()
        issued, expires = claims.get("iat"), claims.get("exp")
        if claims.get("iss") != device_id or claims.get("aud") != AUDIENCE:
            raise CredentialRefused("wrong issuer or audience")
        if type(issued) is not int or type(expires) is not int or not claims.get("jti"):
            raise CredentialRefused("iat, exp and jti are needed")
        if expires - issued > LONGEST_LIFE or issued > now + SKEW or expires <= now - SKEW:
            raise CredentialRefused("expired, not yet valid, or valid for too long")


def claimed_device(token: str) -> str:
    """The issuer, before anything is verified: it only says whose key to take."""
    try:
        _, body, _ = token.split(".")
        payload = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError as error:
        raise CredentialRefused("not a JWT") from error
    issuer = payload.get("iss") if isinstance(payload, dict) else None
    if not isinstance(issuer, str) or not DEVICE_ID.fullmatch(issuer):
        raise CredentialRefused("the issuer is no device")
    return issuer


def verified_claims(token: str, public_key: bytes) -> dict[str, Any]:
    key = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(public_key))
    try:
        return jwt.decode(token, key, registry=REGISTRY).claims
    except (JoseError, ValueError, TypeError) as error:
        raise CredentialRefused("wrong signature") from error
