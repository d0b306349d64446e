"""Hostile tokens against all that reads JOSE: ID tokens as hints, proofs of claims, credentials of
devices. Each case is made of a good token of that place; the good one is taken, no other is.

In the manner of Wycheproof's ``json_web_signature_test`` and of RFC 8725, written anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import OKPKey, RSAKey

from adapters.inbound.gateway.credentials import AUDIENCE, CredentialRefused, Credentials
from adapters.inbound.http.errors import InvalidProof
from adapters.inbound.http.proof import proven_key
from adapters.outbound.memory.store import MemoryVault
from commands.accounts.oauth.id_tokens import LARGEST_HINT, InvalidHint, id_token, read_hint
from commands.accounts.token_family import TokenFamily
from commands.devices.ownership import credential_key
from domain.kernel.ids import device_id_of
from tests.support.accounts import MovableClock
from tests.support.oauth import ACCOUNT, Server

BOM = b"\xef\xbb\xbf"
SECONDS = 1.0
"""More than any refusal may take."""


def encoded(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Place(ABC):
    """Where a token is read. ``kid``: what its header names; None where keys have no names."""

    alg: str
    kid: str | None = None
    public_pem: bytes
    public_raw: bytes

    @property
    def header(self) -> dict[str, Any]:
        named = {} if self.kid is None else {"kid": self.kid}
        return {"alg": self.alg, **named}

    @abstractmethod
    async def good(self) -> str: ...
    @abstractmethod
    async def read(self, token: str) -> object: ...
    @abstractmethod
    def signature(self, signing: bytes) -> bytes:
        """By the very key that is believed."""

    def signed(self, header: Any, payload: Any) -> str:
        both = f"{encoded(header)}.{encoded(payload)}"
        return f"{both}.{encoded(self.signature(both.encode()))}"


class HintPlace(Place):
    alg = "RS256"

    async def begin(self) -> HintPlace:
        self.server = await Server().with_keys()
        signer = await self.server.oauth.signing_keys.signer()
        self.kid, self.key = signer.kid, signer.key
        self.public_pem = signer.key.as_pem(private=False)
        self.public_raw = decoded(str(signer.key.as_dict(private=False)["n"]))
        return self

    async def good(self) -> str:
        now = self.server.clock.now()
        family = TokenFamily(
            grant_id=self.server.ids.new(),
            account_id=ACCOUNT,
            client_id="web",
            scopes=("openid",),
            created_at=now,
            expires_at=now,
        )
        return await id_token(self.server.oauth, family, "hca_x", scopes=("openid",))

    async def read(self, token: str) -> object:
        return await read_hint(self.server.oauth, token)

    def signature(self, signing: bytes) -> bytes:
        private = self.key.get_op_key("sign")
        assert isinstance(private, rsa.RSAPrivateKey)
        return private.sign(signing, padding.PKCS1v15(), SHA256())


class DevicePlace(Place):
    alg = "EdDSA"

    def __init__(self) -> None:
        self.private = ed25519.Ed25519PrivateKey.generate()
        self.public_raw = self.private.public_key().public_bytes_raw()
        self.id = device_id_of(self.public_raw)
        jwk: dict[str, Any] = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": encoded(self.public_raw),
        }
        self.public_pem = OKPKey.import_key(jwk).as_pem(private=False)
        self.at = MovableClock().now()
        moment = int(self.at.timestamp())
        self.claims: dict[str, Any] = {
            "iss": self.id,
            "iat": moment,
            "exp": moment + 300,
            "jti": "1",
            **self.more(),
        }

    def more(self) -> dict[str, Any]:
        raise NotImplementedError

    async def good(self) -> str:
        return self.signed(self.header, self.claims)

    def signature(self, signing: bytes) -> bytes:
        return self.private.sign(signing)


class ProofPlace(DevicePlace):
    def more(self) -> dict[str, Any]:
        return {"aud": "homecast:claim", "pub": encoded(self.public_raw)}

    async def read(self, token: str) -> object:
        return proven_key(token, now=self.at)


class CredentialPlace(DevicePlace):
    def more(self) -> dict[str, Any]:
        return {"aud": AUDIENCE}

    async def read(self, token: str) -> object:
        vault = MemoryVault()
        await vault.put(credential_key(self.id), {"public_key": self.public_raw.hex()})
        return await Credentials(vault, MovableClock()).device_of(f"Bearer {token}")


REFUSALS = (InvalidHint, InvalidProof, CredentialRefused)
PLACES: dict[str, Callable[[], Any]] = {
    "hint": HintPlace,
    "proof": ProofPlace,
    "credential": CredentialPlace,
}


async def place_of(name: str) -> Place:
    place: Place = PLACES[name]()
    return await place.begin() if isinstance(place, HintPlace) else place


async def require_refused(place: Place, name: str, token: str) -> None:
    began = time.perf_counter()
    try:
        taken = await place.read(token)
    except REFUSALS:
        assert time.perf_counter() - began < SECONDS, f"{name} takes too long"
        return
    raise AssertionError(f"{name} was taken: {taken}")


# --- the cases ------------------------------------------------------------------------------------


def hmac_by(key: bytes, header: dict[str, Any], payload: str) -> str:
    signing = f"{encoded(header)}.{payload}"
    return f"{signing}.{encoded(hmac.new(key, signing.encode(), hashlib.sha256).digest())}"


async def no_signature(place: Place) -> dict[str, str]:
    header, payload, signature = (await place.good()).split(".")
    found = {f"{alg!r}": {**place.header, "alg": alg} for alg in NO_ALGORITHMS}
    unsigned = {f"{name}, unsigned": f"{encoded(one)}.{payload}." for name, one in found.items()}
    kept = {
        f"{name}, signed": f"{encoded(one)}.{payload}.{signature}" for name, one in found.items()
    }
    return {**unsigned, **kept, "signature left out": f"{header}.{payload}."}


NO_ALGORITHMS: list[Any] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    None,
    [],
    ["none"],
    {},
    0,
    True,
    "none\x00",
]


async def other_algorithms(place: Place) -> dict[str, str]:
    """Keys taken for what they are not, and signatures of other kinds."""
    _, payload, _ = (await place.good()).split(".")
    hs = {"alg": "HS256", **({"kid": place.kid} if place.kid else {})}
    keys = {
        "PEM": place.public_pem,
        "PEM without its last line end": place.public_pem.strip(),
        "numbers": place.public_raw,
        "numbers in base64": encoded(place.public_raw).encode(),
        "nothing": b"",
        "a zero": b"\x00",
    }
    found = {f"HS256 by {name}": hmac_by(key, hs, payload) for name, key in keys.items()}
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    es = {
        **place.header,
        "alg": "ES256",
        "jwk": {"kty": "EC", "crv": "P-256", "x": str(curve.x), "y": str(curve.y)},
    }
    found["ES256 of zeros"] = f"{encoded(es)}.{payload}.{encoded(bytes(64))}"
    for alg in ("PS256", "RS512", "RS1", "ES256K", "Ed448", "HS384", "A128KW", "EdDSA", "RS256"):
        if alg != place.alg:
            both = f"{encoded({**place.header, 'alg': alg})}.{payload}"
            found[f"a good signature said to be {alg}"] = (
                f"{both}.{encoded(place.signature(both.encode()))}"
            )
    return found


async def keys_of_their_own(place: Place) -> dict[str, str]:
    """The header says what to check with (RFC 8725 section 3.5)."""
    _, payload, _ = (await place.good()).split(".")
    mine = RSAKey.generate_key(2048)
    private = mine.get_op_key("sign")
    assert isinstance(private, rsa.RSAPrivateKey)
    device = ed25519.Ed25519PrivateKey.generate()
    okp = {"kty": "OKP", "crv": "Ed25519", "x": encoded(device.public_key().public_bytes_raw())}

    def by_mine(header: dict[str, Any]) -> str:
        both = f"{encoded(header)}.{payload}"
        if place.alg == "EdDSA":
            return f"{both}.{encoded(device.sign(both.encode()))}"
        return f"{both}.{encoded(private.sign(both.encode(), padding.PKCS1v15(), SHA256()))}"

    jwk = okp if place.alg == "EdDSA" else dict(mine.as_dict(private=False))
    said: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": jwk},
        "jwk with our kid": {"jwk": {**jwk, "kid": place.kid or "1"}},
        "symmetric jwk": {"jwk": {"kty": "oct", "k": "AA"}},
        "jku": {"jku": "https://evil.example/jwks"},
        "x5u": {"x5u": "file:///etc/passwd"},
        "x5c": {"x5c": ["MIIB", "../../x"]},
        "x5t": {"x5t": "AAAA"},
        "nothing else": {},
    }
    return {
        f"another key by {name}": by_mine({**place.header, **one}) for name, one in said.items()
    }


KIDS: list[Any] = [
    "../../../../../dev/null", "/dev/null", "signing-key#ring", "' OR '1'='1", "x' UNION SELECT 'k",
    "\x00", "", " ", "a" * 1_500, "${jndi:ldap://evil.example/a}", "|id", "%00", "é",
    None, 0, -1, True, [], ["a"], {}, {"kid": "a"}, 1e308,
]  # fmt: skip


async def names_of_keys(place: Place) -> dict[str, str]:
    """Only where a key is named at all."""
    if place.kid is None:
        return {}
    _, payload, _ = (await place.good()).split(".")
    made = {}
    for kid in KIDS:
        both = f"{encoded({'alg': place.alg, 'kid': kid})}.{payload}"
        made[f"kid {kid!r:.40}"] = f"{both}.{encoded(b'x' * 256)}"
        by_nothing = hmac_by(b"", {"alg": "HS256", "kid": kid}, payload)
        made[f"kid {kid!r:.40}, HS256 by nothing"] = by_nothing
    return made


async def shapes(place: Place) -> dict[str, str]:
    """What is no token of three parts, or in none of the forms that parts have."""
    good = await place.good()
    header, payload, signature = good.split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    nested = encoded(good.encode())
    jwe = encoded({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})
    return {
        "empty": "",
        "dots": "..",
        "many dots": "." * 500,
        "two parts": f"{header}.{payload}",
        "four parts": f"{good}.{signature}",
        "five parts, a JWE": f"{jwe}..AAAA.AAAA.AAAA",
        "JWE by an RSA key": f"{encoded({'alg': 'RSA1_5', 'enc': 'A128CBC-HS256'})}.A.A.A.A",
        "JSON, flattened": json.dumps(flat),
        "JSON, general": json.dumps(general),
        "nested": f"{encoded({**place.header, 'cty': 'JWT'})}.{nested}.{signature}",
        "nested in itself": f"{header}.{nested}.{signature}",
        "parts in another order": f"{payload}.{header}.{signature}",
        "twice": good + good,
        "another alphabet": f"{header}.{payload}.{'+/' * 170}==",
        "spaces within": f"{header[:8]} {header[8:]}.{payload}.{signature}",
        "a line end within": f"{header}.{payload[:9]}\n{payload[9:]}.{signature}",
        "a byte order mark": f"{encoded(BOM + decoded(header))}.{payload}.{signature}",
        "not ASCII": f"{header}.{payload}.é",
        "wide letters": good.replace("e", "ｅ", 1),
        "UTF-16": f"{encoded(decoded(header).decode().encode('utf-16'))}.{payload}.{signature}",
        "a NUL at its end": good + "\x00",
        "padding in the middle": f"{header}=.{payload}=.{signature}",
        "oversize": good + "A" * LARGEST_HINT,
    }


JSONS: dict[str, bytes] = {
    "no object": b"[]",
    "text": b'"RS256"',
    "a number": b"1",
    "null": b"null",
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"alg": "\xff"}',
    "a surrogate": b'{"alg": "\\ud800"}',
    "deep": b"[" * 1_400,
    "deep objects": b'{"a":' * 290 + b"1" + b"}" * 290,
    "long digits": b'{"alg": ' + b"9" * 1_500 + b"}",
    "a huge number": b'{"alg": 1e999999}',
    "NaN": b'{"alg": NaN}',
    "Infinity": b'{"crit": Infinity}',
}


async def jsons(place: Place) -> dict[str, str]:
    """Also signed by the believed key, for devices sign what they like."""
    header, payload, signature = (await place.good()).split(".")
    bad = {
        f"header: {name}": f"{encoded(one)}.{payload}.{signature}" for name, one in JSONS.items()
    }
    for name, one in JSONS.items():
        bad[f"payload: {name}"] = f"{header}.{encoded(one)}.{signature}"
        bad[f"payload, signed: {name}"] = place.signed(place.header, one)
        bad[f"header, signed: {name}"] = place.signed(one, decoded(payload))
    for name, both in (
        ("alg twice, none last", b'{"alg":"%s","alg":"none"}'),
        ("alg twice, none first", b'{"alg":"none","alg":"%s"}'),
    ):
        twice = encoded(both % place.alg.encode())
        bad[name] = f"{twice}.{payload}."
        bad[f"{name}, signed"] = f"{twice}.{payload}.{signature}"
    for name, more in CRITICAL.items():
        bad[f"critical: {name}"] = place.signed({**place.header, **more}, decoded(payload))
    return bad


CRITICAL: dict[str, dict[str, Any]] = {
    "an unknown one": {"crit": ["x"], "x": 1},
    "b64": {"crit": ["b64"], "b64": False},
    "none that is there": {"crit": ["exp"]},
    "no list": {"crit": "alg"},
    "numbers": {"crit": [1]},
}

ODD = [None, True, "", "x", [], {}, -1, 0, 1e308, -(10**18), 10**30, [1], {"a": 1}]


async def claims(place: Place) -> dict[str, str]:
    """Signed by the believed key, and each claim of another type or size."""
    _, payload, _ = (await place.good()).split(".")
    known: dict[str, Any] = json.loads(decoded(payload))
    checked = ("iss", "sub", "aud") if place.alg == "RS256" else tuple(set(known) - {"jti"})
    made = {}
    for name in checked:
        made[f"without {name}"] = place.signed(
            place.header, {key: value for key, value in known.items() if key != name}
        )
        for value in ODD:
            if name in ("sub", "aud") and place.alg == "RS256" and isinstance(value, str):
                continue  # texts of ours, signed by us
            made[f"{name} {value!r:.30}"] = place.signed(place.header, {**known, name: value})
    return made


FAMILIES = (
    no_signature,
    other_algorithms,
    keys_of_their_own,
    names_of_keys,
    shapes,
    jsons,
    claims,
)


@pytest.mark.parametrize("name", PLACES)
async def test_a_good_token_is_taken(name: str) -> None:
    place = await place_of(name)
    assert await place.read(await place.good())
    _, payload, _ = (await place.good()).split(".")
    assert await place.read(place.signed(place.header, decoded(payload))), "the cases' own signer"


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.__name__)
async def test_no_hostile_token_is_taken(name: str, family: Any) -> None:
    place = await place_of(name)
    for case, token in (await family(place)).items():
        await require_refused(place, case, token)


@pytest.mark.parametrize("name", PLACES)
async def test_no_token_that_is_cut_off_is_taken(name: str) -> None:
    place = await place_of(name)
    good = await place.good()
    for length in range(len(good)):
        await require_refused(place, f"the first {length}", good[:length])


@pytest.mark.parametrize("name", PLACES)
async def test_no_token_with_a_letter_changed_is_taken(name: str) -> None:
    """But for the last one, whose lowest bits mean nothing."""
    place = await place_of(name)
    good = await place.good()

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(at=st.integers(0, len(good) - 2), letter=st.characters(max_codepoint=255))
    def changed(at: int, letter: str) -> None:
        if letter != good[at]:
            refused = require_refused(
                place, f"{letter!r} at {at}", good[:at] + letter + good[at + 1 :]
            )
            with pytest.raises(StopIteration):
                refused.send(None)  # nothing waits in memory

    changed()
