"""Who may ask for ads: a token with ``ads:request``, or a publishable key of the broker."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from fastapi import Request

from adapters.inbound.http.ads.ports import AdsContainer
from adapters.inbound.http.auth import Caller
from adapters.inbound.http.errors import InsufficientScope, Unauthenticated
from adapters.inbound.http.introspection import REFUSED_FOR, REMEMBERED
from adapters.inbound.http.limits import FailureLimits, TokenLimits
from commands.accounts.token_states import TRUSTED_FOR
from commands.accounts.tokens import ADS_REQUEST, InvalidToken
from commands.media.ad_keys import AdKey, InvalidAdKey, key_of, verify_ad_key


class Admission:
    """Verified keys are trusted for 30 s; an address may try only so many unknown ones."""

    def __init__(self, container: AdsContainer) -> None:
        self._container = container
        self._held: OrderedDict[str, tuple[AdKey | None, float]] = OrderedDict()
        self._failures = FailureLimits()
        per_minute = container.settings.ad_requests_per_minute
        self._limits = TokenLimits(container.counters, container.clock, per_minute=per_minute)

    async def admit(self, request: Request, broker: str) -> str:
        """The principal. Raises ``Unauthenticated``, ``InsufficientScope``, ``InvalidAdKey``,
        ``RateLimited``."""
        caller: Caller | None = request.scope.get("homecast.caller")
        if caller is not None:
            if ADS_REQUEST not in caller.grant.scopes:
                raise InsufficientScope(f"the token lacks {ADS_REQUEST}", scope=ADS_REQUEST)
            name, principal = caller.principal, caller.principal
        else:
            granted = await self._key(request)
            if granted.broker != broker:
                raise InvalidAdKey("the key is another broker's")
            name, principal = granted.key_id, f"ad-key:{granted.key_id}"
        (await self._limits.take(f"ads:{name}")).require()  # beside what else a token may do
        return principal

    async def _key(self, request: Request) -> AdKey:
        key = request.query_params.get("key", "")
        if not key:
            raise Unauthenticated("a bearer token or the broker's key is needed")
        place, now = key_of(key), asyncio.get_running_loop().time()
        held = self._held.get(place)
        if held is None or held[1] <= now:
            held = await self._looked(request, key, place)
        if held[0] is None:
            raise InvalidAdKey("the key is unknown or was revoked")
        return held[0]

    async def _looked(self, request: Request, key: str, place: str) -> tuple[AdKey | None, float]:
        now = asyncio.get_running_loop().time()
        address = request.client.host if request.client else ""
        found: AdKey | None = None
        try:
            async with self._failures.attempt(address):
                try:
                    found = await verify_ad_key(self._container.vault, key)
                except InvalidAdKey as error:
                    raise InvalidToken(error.detail) from error
        except InvalidToken:
            found = None
        held = (found, now + (TRUSTED_FOR if found else REFUSED_FOR))
        self._held[place] = held
        self._held.move_to_end(place)
        while len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        return held
