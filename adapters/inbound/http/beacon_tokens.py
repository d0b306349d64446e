"""Tokens of beacons: what a record needs, on its way through a player and back.

``1.<key id>.<base64url>``: JSON under AES-SIV (RFC 5297), for the price in it is nobody's business.
The form, the key id and the event are associated data, so a token of one event is worth nothing for
another. AES-SIV needs no nonce, which keeps tokens short, has no limit of messages to watch as
AES-GCM with random nonces has, and gives the same token for the same facts: a beacon that is built
or sent twice is one event.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
from pydantic import ValidationError
from ulid import ULID

from domain.kernel.errors import Refused
from projections.media.statistics import PLAYED, Facts, Kind

FORM = "1"
KEY_BYTES = 64
"""AES-256 in SIV mode takes two keys of 32 bytes."""
KEY_ID = re.compile(r"[a-z0-9]{1,16}")
TOKEN_MAX = 4000
"""Characters: the longest facts fit, and most take 300."""
LIFETIME = timedelta(hours=24)
AHEAD = timedelta(minutes=5)
"""How far the clock of another machine of ours may be fast."""
NAMES = tuple(Facts.model_fields)
"""Values go without their names. Fields are only ever added, at the end: an older token has
fewer."""


class InvalidBeacon(Refused):
    """The beacon's token is not one of ours, was changed, or belongs to another event."""

    code = "invalid_beacon"


class BeaconExpired(Refused):
    """The beacon came later than its token allows (a day after the ad was handed out)."""

    code = "beacon_expired"


@dataclass(frozen=True)
class BeaconKeys:
    """64 random bytes each, by id. ``current`` signs; all of them open, so a key goes a day after
    its successor came."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError("the current key of beacons is not among the keys")
        for name, key in self.keys.items():
            if KEY_ID.fullmatch(name) is None or len(key) != KEY_BYTES:
                raise ValueError(f"a key of beacons is {KEY_BYTES} bytes under a short name")


@dataclass(frozen=True)
class Told:
    """What a beacon tells. ``event_id``: the same for the same token."""

    event_id: str
    kind: Kind
    facts: Facts


class BeaconTokens:
    def __init__(self, keys: BeaconKeys, *, lifetime: timedelta = LIFETIME) -> None:
        # Not at the top: functions that handle no beacons start without it.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._current = keys.current
        self._ciphers = {name: AESSIV(key) for name, key in keys.keys.items()}
        self._lifetime = lifetime

    def sign(self, kind: Kind, facts: Facts, *, now: datetime) -> str:
        """``now``: when the ad is handed out. All facts fit, for each has its limit."""
        return self.signer(facts, now=now)(kind)

    def signer(self, facts: Facts, *, now: datetime) -> Callable[[Kind], str]:
        """For the events of one ad, whose facts are the same."""
        values = facts.model_dump(mode="json")
        issued = int(now.timestamp() * 1000)
        plain = orjson.dumps([issued, *(values[name] for name in NAMES)])
        head = f"{FORM}.{self._current}"
        encrypt = self._ciphers[self._current].encrypt

        def sign(kind: Kind) -> str:
            sealed = encrypt(plain, _bound(head, kind))
            return f"{head}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

        return sign

    def verify(self, kind: Kind, token: str, *, now: datetime) -> Told:
        """Raises ``InvalidBeacon``, ``BeaconExpired``."""
        if kind not in PLAYED:
            raise InvalidBeacon("players do not tell this event")
        issued, facts = self._opened(kind, token)
        at = datetime.fromtimestamp(issued / 1000, UTC)
        if at > now + AHEAD:
            raise InvalidBeacon("the token comes from the future")
        if now > at + self._lifetime:
            raise BeaconExpired("the ad was handed out too long ago")
        return Told(event_id_of(kind, token, issued), kind, facts)

    def _opened(self, kind: Kind, token: str) -> tuple[int, Facts]:
        from cryptography.exceptions import InvalidTag

        head, _, body = token.rpartition(".")
        form, _, key_id = head.partition(".")
        cipher = self._ciphers.get(key_id)
        if len(token) > TOKEN_MAX or form != FORM or cipher is None:
            raise InvalidBeacon("the token is not one of ours")
        try:
            plain = cipher.decrypt(_decoded(body), _bound(head, kind))
            issued, *values = orjson.loads(plain)
            facts = Facts.model_validate(dict(zip(NAMES, values, strict=False)))
        except (InvalidTag, ValueError, ValidationError) as error:
            raise InvalidBeacon("the token does not open") from error
        return int(issued), facts


def event_id_of(kind: Kind, token: str, issued: int) -> str:
    """A ULID: when the ad was handed out, then 80 bits that stand for token and event."""
    digest = hashlib.sha256(f"{kind.value} {token}".encode()).digest()
    return str(ULID.from_bytes(issued.to_bytes(6) + digest[:10]))


def _bound(head: str, kind: Kind) -> list[bytes]:
    return [head.encode(), kind.value.encode()]


def _decoded(body: str) -> bytes:
    """Raises ``ValueError``, also for a second spelling of the same bytes."""
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != body:
        raise ValueError("another spelling of the same bytes")
    return raw
