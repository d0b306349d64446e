"""ID tokens as others verify them, hints as they may not be made, and the keys behind both."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from commands.accounts.oauth import tokens
from commands.accounts.oauth.authorizing import approve
from commands.accounts.oauth.id_tokens import InvalidHint, at_hash, read_hint
from commands.accounts.oauth.requests import validate
from commands.accounts.oauth.signing_keys import (
    KeyNotPublished,
    KeyState,
    SigningKeys,
)
from domain.accounts.client import Profile
from tests.support.oauth import (
    ACCOUNT,
    APP,
    CONTEXT,
    ISSUER,
    VERIFIER,
    PlainWrapper,
    Server,
    asking,
    pkce,
)


async def answered(server: Server, scope: str = "openid", **more: str) -> tokens.TokenResponse:
    await server.profile(Profile.OWN_APP)
    request = await validate(server.oauth, asking("own-app", APP, **pkce(scope=scope), **more))
    session = await server.sign_in(amr=("pwd", "otp", "mfa"))
    location = await approve(server.oauth, request, session)
    code = location.split("code=")[1].split("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    return await tokens.exchange(server.oauth, CONTEXT, request.client, form)


async def signed(server: Server, **more: str) -> str:
    token = (await answered(server, **more)).id_token
    assert token is not None
    return token


async def test_an_id_token_says_who_signed_in_when_and_how(server: Server) -> None:
    answer = await answered(server, "openid email profile", nonce="n-0S6")
    assert answer.id_token is not None
    keys = KeySet.import_key_set({"keys": await server.oauth.signing_keys.published()})
    token = jwt.decode(answer.id_token, keys, ["RS256"])
    now = int(server.clock.now().timestamp())
    [session] = [key for key in server.vault.items if key.startswith("session#")]
    assert token.header["alg"] == "RS256"
    assert token.claims == {
        "iss": ISSUER,
        "sub": ACCOUNT,
        "aud": "own-app",
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "nonce": "n-0S6",
        "at_hash": at_hash(answer.access_token),
        "amr": ["pwd", "otp", "mfa"],
        "sid": session.removeprefix("session#"),
        "email": "ann@example.com",
        "email_verified": True,
        "name": "Ann",
        "updated_at": now,
    }


async def test_the_published_numbers_alone_verify_it(server: Server) -> None:
    """RFC 7515 and 7518 by hand, without the library that made it."""
    header, payload, signature = (await signed(server)).split(".")
    told = json.loads(unpadded(header))
    assert told["alg"] == "RS256"
    published = await server.oauth.signing_keys.published()
    [key] = [one for one in published if one["kid"] == told["kid"]]
    exponent, modulus = (int.from_bytes(unpadded(str(key[name]))) for name in ("e", "n"))
    RSAPublicNumbers(exponent, modulus).public_key().verify(
        unpadded(signature), f"{header}.{payload}".encode(), PKCS1v15(), SHA256()
    )


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_hash_of_an_access_token_is_that_of_the_standard() -> None:
    """OpenID Connect Core 1.0, appendix A.3: RS256."""
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"


async def test_without_openid_there_is_none(server: Server) -> None:
    assert (await answered(server, "devices:read")).id_token is None


# --- hints ----------------------------------------------------------------------------------------


async def test_a_hint_is_believed_long_after_it_is_over(server: Server) -> None:
    token = await signed(server)
    server.clock.move(days=90)
    hint = await read_hint(server.oauth, token)
    assert (hint.account_id, hint.client_id) == (ACCOUNT, "own-app")


def part(content: dict[str, Any] | bytes) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


ODD_HEADERS: list[dict[str, Any]] = [
    {},
    {"alg": None},
    {"alg": ["RS256"]},
    {"alg": "RS256", "kid": 1},
    {"alg": "RS256", "kid": None},
    {"alg": "RS256", "kid": {"a": 1}},
    {"alg": "RS256", "crit": ["b64"], "b64": False},
    {"alg": "RS256", "jku": "https://evil.example/jwks"},
    {"alg": "RS256", "x5u": "https://evil.example/x5u", "typ": 1},
    {"alg": "RSA-OAEP", "enc": "A256GCM"},
    {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
]


async def hostile(server: Server) -> dict[str, str]:
    token = await signed(server)
    header, payload, signature = token.split(".")
    signer = await server.oauth.signing_keys.signer()
    claims = {"iss": ISSUER, "sub": ACCOUNT, "aud": "own-app"}
    pem = signer.key.as_pem(private=False)
    other = RSAKey.generate_key(2048)
    by_other = jwt.encode({"alg": "RS256", "kid": signer.kid}, claims, other)
    embedded = {"alg": "RS256", "jwk": other.as_dict(private=False)}
    good = signer.key
    return {
        "none": f"{part({'alg': 'none'})}.{payload}.",
        "none with a kid": f"{part({'alg': 'none', 'kid': signer.kid})}.{payload}.",
        "None": f"{part({'alg': 'None', 'kid': signer.kid})}.{payload}.{signature}",
        "HS256 by the public key": _hs256(pem, signer.kid, claims),
        "another key": by_other,
        "unknown kid": jwt.encode({"alg": "RS256", "kid": "other"}, claims, other),
        "key of its own": jwt.encode(embedded, claims, other),
        "PS256": jwt.encode({"alg": "PS256", "kid": signer.kid}, claims, good, ["PS256"]),
        "RS512": jwt.encode({"alg": "RS512", "kid": signer.kid}, claims, good, ["RS512"]),
        "no signature": f"{header}.{payload}.",
        "other payload": f"{header}.{part(claims | {'sub': 'other'})}.{signature}",
        "other issuer": jwt.encode(
            {"alg": "RS256", "kid": signer.kid}, claims | {"iss": "https://evil.example"}, good
        ),
        "no subject": jwt.encode({"alg": "RS256", "kid": signer.kid}, {"iss": ISSUER}, good),
        "many audiences": jwt.encode(
            {"alg": "RS256", "kid": signer.kid}, claims | {"aud": ["own-app", "web"]}, good
        ),
        "crit": jwt.encode({"alg": "RS256", "kid": signer.kid}, claims, good).replace(
            header, part({"alg": "RS256", "kid": signer.kid, "crit": ["exp"], "exp": 1})
        ),
        "header no object": f"{part(b'[]')}.{payload}.{signature}",
        "header no JSON": f"{part(b'x')}.{payload}.{signature}",
        "payload no JSON": f"{header}.{part(b'x')}.{signature}",
        "deep": f"{part(b'[' * 1000)}.{payload}.{signature}",
        **{
            f"header {number}": f"{part(one)}.{payload}.{signature}"
            for number, one in enumerate(ODD_HEADERS)
        },
        "two parts": f"{header}.{payload}",
        "five parts": "a.b.c.d.e",
        "oversize": token + "A" * 4096,
        "not ASCII": "é.é.é",
        "empty": "..",
    }


def _hs256(key: bytes, kid: str, claims: dict[str, Any]) -> str:
    signing = f"{part({'alg': 'HS256', 'kid': kid})}.{part(claims)}"
    mac = hmac.new(key, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{part(mac)}"


async def test_no_hint_is_believed_that_was_not_signed_here(server: Server) -> None:
    for name, token in (await hostile(server)).items():
        with pytest.raises(InvalidHint):
            raise AssertionError(f"{name}: {await read_hint(server.oauth, token)}")


# --- keys -----------------------------------------------------------------------------------------


async def states(server: Server) -> list[str]:
    return [one.state.value for one in (await server.oauth.signing_keys.ring()).keys]


async def test_keys_rotate_after_ninety_days_having_been_published_before(server: Server) -> None:
    first = await server.oauth.signing_keys.ring()
    upcoming, token = first.only(KeyState.NEXT), await signed(server)
    server.clock.move(days=89)
    assert (await server.beside().oauth.signing_keys.signer()).ring == first
    server.clock.move(days=1)
    later = server.beside().oauth
    signer = await later.signing_keys.signer()
    assert upcoming is not None
    assert signer.kid == upcoming.kid
    assert await states(server) == ["retired", "current", "next"]
    assert len(await later.signing_keys.published()) == 3, "the old one for a week"
    server.clock.move(days=7)
    assert len(await later.signing_keys.published()) == 2
    assert (await read_hint(later, token)).account_id == ACCOUNT


async def test_a_private_key_goes_when_it_signs_no_more(server: Server) -> None:
    await server.oauth.signing_keys.signer()
    old = (await server.oauth.signing_keys.ring()).only(KeyState.CURRENT)
    server.clock.move(days=90)
    await server.beside().oauth.signing_keys.signer()
    held = {key for key in server.vault.items if key.startswith("signing-key#")}
    assert old is not None
    assert f"signing-key#{old.kid}" not in held
    assert len(held) == 3, "the ring, the current one and the next one"


async def test_processes_that_rotate_at_once_come_to_the_same(server: Server) -> None:
    await server.oauth.signing_keys.signer()
    server.clock.move(days=90)
    others = [server.beside().oauth.signing_keys for _ in range(4)]
    signers = await asyncio.gather(*(one.signer() for one in others))
    assert len({one.kid for one in signers}) == 1
    assert await states(server) == ["retired", "current", "next"]
    held = [key for key in server.vault.items if key.startswith("signing-key#")]
    assert len(held) == 3


async def test_processes_that_begin_at_once_come_to_the_same() -> None:
    server = Server()
    both = [server.oauth.signing_keys, server.beside().oauth.signing_keys]
    signers = await asyncio.gather(*(one.signer() for one in both))
    assert len({one.kid for one in signers}) == 1
    assert len([key for key in server.vault.items if key.startswith("signing-key#")]) == 3


async def test_a_process_that_remembers_the_old_key_signs_what_others_verify(
    server: Server,
) -> None:
    before = await server.oauth.signing_keys.signer()
    server.clock.move(days=90)
    await server.beside().oauth.signing_keys.signer()
    assert await server.oauth.signing_keys.signer() is before
    token = await signed(server)
    assert (await read_hint(server.beside().oauth, token)).account_id == ACCOUNT


async def test_an_operator_rotates_only_to_a_key_that_all_know(server: Server) -> None:
    keys = server.oauth.signing_keys
    await keys.signer()
    ring = await keys.ring()
    made = ring.only(KeyState.NEXT)
    assert made is not None
    server.clock.at = made.since + timedelta(minutes=119)
    with pytest.raises(KeyNotPublished):
        await keys.rotate()
    server.clock.move(minutes=1)
    assert (await keys.rotate()).only(KeyState.CURRENT) == made.model_copy(
        update={"state": KeyState.CURRENT, "since": server.clock.now()}
    )
    with pytest.raises(KeyNotPublished):
        await keys.rotate()


async def test_a_key_that_became_known_is_believed_no_more(server: Server) -> None:
    token = await signed(server)
    await server.oauth.signing_keys.rotate(withdraw=True)
    assert await states(server) == ["withdrawn", "current", "next"]
    with pytest.raises(InvalidHint):
        await read_hint(server.oauth, token)
    assert len(await server.oauth.signing_keys.published()) == 2


async def test_private_keys_are_wrapped(server: Server) -> None:
    class Hidden(PlainWrapper):
        async def wrap(self, material: bytes, subject: str) -> bytes:
            return await super().wrap(material[::-1], subject)

        async def unwrap(self, wrapped: bytes, subject: str) -> bytes:
            return (await super().unwrap(wrapped, subject))[::-1]

    fresh = Server()
    keys = SigningKeys(fresh.vault, Hidden(), fresh.clock)
    signer = await keys.signer()
    secret = signer.key.as_dict(private=True)["d"]
    for item in fresh.vault.items.values():
        assert isinstance(secret, str)
        assert secret not in str(item)
