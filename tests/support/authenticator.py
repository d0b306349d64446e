"""A passkey provider in software: makes what ``navigator.credentials`` answers.

Discoverable ES256 keys, attestation none (WebAuthn level 3, sections 6 and 8.7). What a test wants
to be wrong it says: ``origin``, ``verified`` (the person), ``count`` (of the key's uses).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

Json = dict[str, Any]
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Passkey:
    credential_id: bytes
    relying_party: str
    user_handle: bytes
    key: ec.EllipticCurvePrivateKey
    count: int = 0


@dataclass
class Authenticator:
    """``counts``: whether its keys count their uses; those that are synced do not."""

    origin: str
    counts: bool = True
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: str | Json, *, verified: bool = True, origin: str = "") -> Json:
        """The answer to ``navigator.credentials.create``."""
        asked = json.loads(options) if isinstance(options, str) else options
        key = ec.generate_private_key(ec.SECP256R1())
        handle = decoded(asked["user"]["id"])
        passkey = Passkey(os.urandom(16), asked["rp"]["id"], handle, key)
        self.passkeys.append(passkey)
        attested = bytes(16) + struct.pack(">H", 16) + passkey.credential_id + cose(key)
        data = self._data(passkey, ATTESTED, verified=verified) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        client_data = self._client_data("webauthn.create", asked["challenge"], origin)
        return _credential(
            passkey,
            {
                "clientDataJSON": encoded(client_data),
                "attestationObject": encoded(cbor2.dumps(statement)),
                "transports": ["internal"],
            },
        )

    def get(
        self,
        options: str | Json,
        *,
        passkey: Passkey | None = None,
        verified: bool = True,
        origin: str = "",
    ) -> Json:
        """The answer to ``navigator.credentials.get``, by the newest passkey."""
        asked = json.loads(options) if isinstance(options, str) else options
        chosen = passkey or self.passkeys[-1]
        chosen.count += 1 if self.counts else 0
        data = self._data(chosen, 0, verified=verified)
        client_data = self._client_data("webauthn.get", asked["challenge"], origin)
        signed = data + hashlib.sha256(client_data).digest()
        return _credential(
            chosen,
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(chosen.key.sign(signed, ec.ECDSA(SHA256()))),
                "userHandle": encoded(chosen.user_handle),
            },
        )

    def _data(self, passkey: Passkey, flags: int, *, verified: bool) -> bytes:
        flags |= PRESENT | (VERIFIED if verified else 0)
        relying_party = hashlib.sha256(passkey.relying_party.encode()).digest()
        return relying_party + struct.pack(">BI", flags, passkey.count)

    def _client_data(self, kind: str, challenge: str, origin: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": origin or self.origin}
        return json.dumps({**data, "crossOrigin": False}).encode()


def _credential(passkey: Passkey, response: Json) -> Json:
    name = encoded(passkey.credential_id)
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    }


def cose(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key in COSE's form (RFC 9053 section 7.1.1)."""
    numbers = key.public_key().public_numbers()
    point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    return cbor2.dumps({1: 2, 3: -7, -1: 1, **point})


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
