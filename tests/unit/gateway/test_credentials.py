"""Who may connect, by their token."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from adapters.inbound.cli.device_client import connect_token, public_key_of, signed
from adapters.inbound.gateway.credentials import AUDIENCE, CredentialRefused, Credentials
from adapters.outbound.memory.store import MemoryVault
from adapters.outbound.system.clock import SystemClock
from commands.devices.ownership import credential_key
from domain.kernel.ids import device_id_of

KEY = Ed25519PrivateKey.generate()
DEVICE = device_id_of(public_key_of(KEY))
START = 1_000_000_000
"""Stands for the time of the test in its parameters."""


@pytest.fixture
async def credentials() -> Credentials:
    vault = MemoryVault()
    await vault.put(credential_key(DEVICE), {"public_key": public_key_of(KEY).hex()})
    return Credentials(vault, SystemClock())


async def test_the_device_is_known_by_its_signature(credentials: Credentials) -> None:
    assert await credentials.device_of(f"Bearer {connect_token(KEY)}") == DEVICE
    assert await credentials.device_of(f"bearer {connect_token(KEY)}") == DEVICE


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "homecast:claim"},
        {"aud": [AUDIENCE, "homecast:claim"]},
        {"iss": "x" * 26},
        {"iss": 7},
        {"exp": START - 61},
        {"exp": START + 700},
        {"exp": float(START + 60)},
        {"exp": True},
        {"exp": None},
        {"iat": START + 120, "exp": START + 180},
        {"iat": None},
        {"jti": None},
    ],
    ids=str,
)
async def test_claims_that_do_not_fit_are_refused(
    credentials: Credentials, claims: dict[str, Any]
) -> None:
    with pytest.raises(CredentialRefused):
        await credentials.device_of(
            f"Bearer {signed(KEY, **{'audience': AUDIENCE, **named(claims)})}"
        )


def named(claims: dict[str, Any]) -> dict[str, Any]:
    """``signed`` takes the audience as an argument of its own; times count from now."""
    ahead = int(time.time()) - START
    times = {"iat", "exp"}
    return {
        "audience" if name == "aud" else name: value + ahead
        if name in times and isinstance(value, int | float) and value > 1
        else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer " + "a" * 3000],
)
async def test_what_is_no_token_is_refused(credentials: Credentials, header: str | None) -> None:
    with pytest.raises(CredentialRefused):
        await credentials.device_of(header)


async def test_another_key_is_refused(credentials: Credentials) -> None:
    other = Ed25519PrivateKey.generate()
    for token in (connect_token(other), connect_token(other, DEVICE)):
        with pytest.raises(CredentialRefused):
            await credentials.device_of(f"Bearer {token}")


async def test_only_the_expected_algorithm_counts(credentials: Credentials) -> None:
    now = int(time.time())
    claims = {"iss": DEVICE, "aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "j"}
    secret = OctKey.import_key(public_key_of(KEY))
    by_secret = jwt.encode({"alg": "HS256"}, claims, secret)
    _, payload, signature = connect_token(KEY).split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{payload}."
    newer = jwt.encode({"alg": "Ed25519"}, claims, OKPKey.import_key(KEY), algorithms=["Ed25519"])
    for token in (by_secret, unsigned, f"eyJhbGciOiJub25lIn0.{payload}.{signature}", newer):
        with pytest.raises(CredentialRefused):
            await credentials.device_of(f"Bearer {token}")
