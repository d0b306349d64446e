"""The proof in a claim: a JWT that the device itself signed with the key that its id comes from."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from adapters.inbound.http.errors import InvalidProof
from domain.kernel.ids import device_id_of

AUDIENCE = "homecast:claim"
LIFETIME = 600
SKEW = 60
ALGORITHM = "EdDSA"
CLAIMS = {
    "iss": {"essential": True},
    "aud": {"essential": True, "value": AUDIENCE},
    "iat": {"essential": True},
    "exp": {"essential": True},
    "jti": {"essential": True},
}


class OnlyEdDsa(JWSRegistry):
    """``EdDSA`` over Ed25519 and nothing else; joserfc would warn of the name at each use."""

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"the algorithm must be {ALGORITHM}")
        return self.algorithms[name]


REGISTRY = OnlyEdDsa(algorithms=[ALGORITHM])


def proven_key(proof: str, *, now: datetime) -> tuple[bytes, datetime]:
    """The public key (32 bytes) that the proof shows the device to hold, and since when.

    Raises ``InvalidProof``: claims ``iss`` (the device's id), ``aud``, ``iat``, ``exp`` at most ten
    minutes after it, ``jti`` and ``pub`` (base64url); clocks may differ by a minute.
    """
    public_key = _announced_key(proof)
    x = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    try:
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        claims = jwt.decode(proof, key, [ALGORITHM], registry=REGISTRY).claims
        moment = int(now.timestamp())
        JWTClaimsRegistry(now=moment, leeway=SKEW, **CLAIMS).validate(claims)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidProof("the proof does not hold") from error
    if not 0 < claims["exp"] - claims["iat"] <= LIFETIME:  # not for NaN either
        raise InvalidProof("a proof may live for ten minutes")
    if claims["iss"] != device_id_of(public_key):
        raise InvalidProof("the id does not belong to the key")
    return public_key, datetime.fromtimestamp(claims["iat"], UTC)


def _announced_key(proof: str) -> bytes:
    """Read before the signature is known to hold: it is what the signature is checked with."""
    try:
        _, payload, _ = proof.split(".")
        claims = json.loads(_decoded(payload))
        public_key = _decoded(claims["pub"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidProof("the proof is no token with a public key") from error
    if len(public_key) != 32:
        raise InvalidProof("the public key must have 32 bytes")
    return public_key


def _decoded(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
