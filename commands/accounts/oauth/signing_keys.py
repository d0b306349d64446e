"""Keys that sign ID tokens: published before they are used, and for a week after.

Vault item ``signing-key#ring`` lists them with their public halves; ``signing-key#{kid}`` holds the
private one of a key that may still sign, wrapped. Which key is the current one is decided by the
version of the ring, so that processes that rotate at once come to the same.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict

from commands.accounts.oauth.ports import Wrapper
from commands.kernel.ports import Clock, Vault
from domain.kernel.errors import Conflict, StoreUnavailable, Unavailable, VersionConflict

ALGORITHM = "RS256"
BITS = 2048
RING = "signing-key#ring"
USED_FOR = timedelta(days=90)
PUBLISHED_BEFORE = timedelta(hours=2)
"""Before it is used; twice as long as others may keep the list."""
PUBLISHED_AFTER = timedelta(days=7)
PublicJwk = dict[str, str | list[str]]
KNOWN_AFTER = timedelta(days=400)
"""A hint of who was signed in is believed for so long; who asks for such a key gets it no more."""
REMEMBERED_SECONDS = 60.0
STALE_SECONDS = 600.0
"""For so long the key goes on signing where the vault cannot be asked for a newer one; far less
than a retired one is published for."""
AGAIN_AFTER = 5.0
"""Seconds until the vault is asked again then."""
LOOKS = 3


class KeyNotPublished(Conflict):
    """The next signing key was published too short a time ago for all to know it."""

    code = "key_not_published"


class KeyState(StrEnum):
    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


class SigningKey(BaseModel):
    """``public``: its JWK. ``since``: when it came into its state."""

    model_config = ConfigDict(frozen=True)

    kid: str
    state: KeyState
    since: datetime
    public: PublicJwk

    def published(self, now: datetime) -> bool:
        if self.state == KeyState.RETIRED:
            return now < self.since + PUBLISHED_AFTER
        return self.state != KeyState.WITHDRAWN

    def believed(self, now: datetime) -> bool:
        """For hints: nothing is signed by it any more, and what it signed stays true."""
        if self.state == KeyState.RETIRED:
            return now < self.since + KNOWN_AFTER
        return self.state != KeyState.WITHDRAWN


class Ring(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: int = 0
    keys: tuple[SigningKey, ...] = ()

    def only(self, state: KeyState) -> SigningKey | None:
        return next((one for one in self.keys if one.state == state), None)


@dataclass(frozen=True)
class Signer:
    """The current key, able to sign; and all that is known of others."""

    kid: str
    key: RSAKey
    ring: Ring
    read_at: float


class SigningKeys:
    def __init__(self, vault: Vault, wrapper: Wrapper, clock: Clock) -> None:
        self._vault = vault
        self._wrapper = wrapper
        self._clock = clock
        self._signer: Signer | None = None
        self._lock = asyncio.Lock()
        self._stale_until = 0.0

    async def signer(self) -> Signer:
        """Makes the first keys, and rotates when it is time."""
        known = self._fresh()
        if known is not None:
            return known
        async with self._lock:
            return self._fresh() or await self._loaded()

    async def published(self) -> list[PublicJwk]:
        """The keys of ``/oauth2/jwks``."""
        ring, now = (await self.signer()).ring, self._clock.now()
        return [one.public for one in ring.keys if one.published(now)]

    async def believed(self) -> list[PublicJwk]:
        """With those that have signed hints of long ago."""
        ring, now = (await self.signer()).ring, self._clock.now()
        return [one.public for one in ring.keys if one.believed(now)]

    async def ring(self) -> Ring:
        """As it stands in the vault."""
        return _parsed(await self._vault.get(RING))

    async def rotate(self, *, withdraw: bool = False) -> Ring:
        """``withdraw``: the current one became known to others; it is published and believed no
        more, however new the next one is. Raises ``KeyNotPublished``."""
        ring = await self.ring()
        if not ring.keys:
            ring = await self._begin(ring)
        upcoming, now = ring.only(KeyState.NEXT), self._clock.now()
        if not withdraw and (upcoming is None or now < upcoming.since + PUBLISHED_BEFORE):
            raise KeyNotPublished("the next key is not known to all yet; it is published first")
        self._signer = None
        return await self._rotated(ring, withdraw=withdraw)

    def _fresh(self) -> Signer | None:
        known, now = self._signer, time.monotonic()
        if known is None:
            return None
        until = max(known.read_at + REMEMBERED_SECONDS, self._stale_until)
        return known if now <= min(until, known.read_at + STALE_SECONDS) else None

    async def _loaded(self) -> Signer:
        """A fault of the vault or of KMS stops nobody who has a key that was read not long ago."""
        try:
            return await self._load()
        except Unavailable:
            known, now = self._signer, time.monotonic()
            if known is None or known.read_at + STALE_SECONDS < now:
                raise
            self._stale_until = now + AGAIN_AFTER
            return known

    async def _load(self) -> Signer:
        """Once more where another process rotates just now and has thrown the key away."""
        for _ in range(LOOKS):
            began, ring = time.monotonic(), await self.ring()
            if not ring.keys:
                ring = await self._begin(ring)
            elif self._is_due(ring):
                ring = await self._rotated(ring)
            current = ring.only(KeyState.CURRENT)
            assert current is not None, "a ring has a current key"
            held = self._signer
            key = held.key if held and held.kid == current.kid else await self._opened(current.kid)
            if key is not None:
                self._signer = Signer(current.kid, key, ring, began)
                return self._signer
        raise StoreUnavailable("the signing key is not there")

    def _is_due(self, ring: Ring) -> bool:
        current, upcoming = ring.only(KeyState.CURRENT), ring.only(KeyState.NEXT)
        now = self._clock.now()
        return (
            current is not None
            and upcoming is not None
            and now >= current.since + USED_FOR
            and now >= upcoming.since + PUBLISHED_BEFORE
        )

    async def _begin(self, ring: Ring) -> Ring:
        made = [await self._made(KeyState.CURRENT), await self._made(KeyState.NEXT)]
        return await self._stored(ring, made, made)

    async def _rotated(self, ring: Ring, *, withdraw: bool = False) -> Ring:
        """The next one signs, and a new one is published to come after it."""
        now, new = self._clock.now(), await self._made(KeyState.NEXT)
        ends = KeyState.WITHDRAWN if withdraw else KeyState.RETIRED
        moves = {KeyState.CURRENT: ends, KeyState.NEXT: KeyState.CURRENT}
        keys = [
            one.model_copy(update={"state": moves[one.state], "since": now})
            if one.state in moves
            else one
            for one in ring.keys
            if one.state in moves or one.believed(now)
        ]
        after = await self._stored(ring, [*keys, new], [new])
        for one in after.keys:
            if one.state in (KeyState.RETIRED, KeyState.WITHDRAWN):
                await self._vault.delete(_key_of(one.kid))
        return after

    async def _stored(
        self, ring: Ring, keys: Sequence[SigningKey], new: Sequence[SigningKey]
    ) -> Ring:
        """Or what another process has stored meanwhile."""
        after = Ring(version=ring.version + 1, keys=tuple(keys))
        try:
            await self._vault.put(RING, after.model_dump(mode="json"), expected=ring.version)
        except VersionConflict:
            for one in new:
                await self._vault.delete(_key_of(one.kid))
            return await self.ring()
        return after

    async def _made(self, state: KeyState) -> SigningKey:
        key = await asyncio.to_thread(RSAKey.generate_key, BITS, private=True)
        kid = key.thumbprint()
        private = json.dumps(key.as_dict(private=True)).encode()
        wrapped = await self._wrapper.wrap(private, _key_of(kid))
        await self._vault.put(_key_of(kid), {"wrapped": base64.b64encode(wrapped).decode()})
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
        return SigningKey(kid=kid, state=state, since=self._clock.now(), public=public)

    async def _opened(self, kid: str) -> RSAKey | None:
        held: dict[str, Any] | None = await self._vault.get(_key_of(kid))
        if held is None:
            return None
        wrapped = base64.b64decode(held["wrapped"])
        return RSAKey.import_key(json.loads(await self._wrapper.unwrap(wrapped, _key_of(kid))))


def _key_of(kid: str) -> str:
    return f"signing-key#{kid}"


def _parsed(value: dict[str, Any] | None) -> Ring:
    return Ring() if value is None else Ring.model_validate(value)
