"""Whether an access token holds: asked of this process, of what all share, and of the vault.

What the vault says is trusted for 30 s from the moment it was asked, here and in the shared memory
together. A revocation ends that at once: it is written to the vault, then to the shared memory, and
told to all processes. So 30 s is how long a revoked token can go on where Redis is away, or where a
message has got lost; nothing is ever trusted for longer, and without the vault nothing new is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TypeVar

from adapters.inbound.http.limits import FailureLimits
from commands.accounts import bearers, token_family
from commands.accounts.bearers import Bearer, Holding
from commands.accounts.oauth.ports import KnownClients
from commands.accounts.oauth.retired import is_of_a_client
from commands.accounts.token_family import TokenFamily
from commands.accounts.token_states import TRUSTED_FOR, State, TokenStates
from commands.accounts.tokens import InvalidToken
from commands.kernel.ports import Clock, Vault
from domain.kernel.errors import ContractError, HintsUnavailable, HomecastError

REMEMBERED = 10_000
REFUSED_FOR = 5.0
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Found:
    """What an item said, and until when (of this loop's time) that holds.

    ``number``: where in this process's order of asking the vault was asked; 0: it was not.
    """

    holding: Holding
    until: float
    number: int = 0


class Watcher:
    """Known by itself: the same may be watched for twice."""

    __slots__ = ("digest", "then")

    def __init__(self, digest: str, then: Callable[[], None]) -> None:
        self.digest = digest
        self.then = then


class Introspection:
    """One per process. ``now``: seconds, by default of the running loop.

    Refused tokens are remembered for 5 s, and an address may try only so many. ``clients``: whose
    tokens hold; None: nobody's are looked at that way.
    """

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        shared: TokenStates,
        *,
        clients: KnownClients | None = None,
        size: int = REMEMBERED,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock
        self.clients = clients
        self._vault = vault
        self._shared = shared
        self._size = size
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._held: OrderedDict[str, Found] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[Found | None]] = {}
        self._watchers: dict[str, set[Watcher]] = {}
        self._rechecks: set[asyncio.Task[None]] = set()
        self._numbers = count(1)
        self._breaks = 0
        """How often messages may have been missed."""
        self._failures = FailureLimits()
        self._end_listening = shared.listen(self)

    # --- asking -----------------------------------------------------------------------------------

    async def bearer(self, token: str, address: str) -> Bearer:
        """Raises ``InvalidToken``, or ``RateLimited`` where the address has tried too many."""
        key, digest = bearers.key_of(token), bearers.hash_of(token)
        known = self._known(key, digest)
        if known is None:
            async with self._failures.attempt(address):
                known = self._known(key, digest) or await self._looked_up(key, digest)
        await self._require_client(known)
        return known

    async def _require_client(self, bearer: Bearer) -> None:
        """Its client was not retired, as of 5 s ago. Raises ``InvalidToken``."""
        if self.clients is not None and not await is_of_a_client(self.clients, bearer):
            raise InvalidToken("the client was retired")

    def attempt(self, address: str) -> AbstractAsyncContextManager[None]:
        """Around a look-up made elsewhere: an ``InvalidToken`` counts as here. Raises
        ``RateLimited``."""
        return self._failures.attempt(address)

    async def introspect(self, token: str) -> Bearer | None:
        """For RFC 7662: None for whatever is no access token that holds. The endpoint has to limit
        who may ask, and how often."""
        try:
            key, digest = bearers.key_of(token), bearers.hash_of(token)
            return self._known(key, digest) or await self._looked_up(key, digest)
        except InvalidToken:
            return None

    async def fresh(self, token: str) -> Bearer:
        """As the vault has it now. Raises ``InvalidToken``."""
        key, digest = bearers.key_of(token), bearers.hash_of(token)
        bearer = self._of(await self._read(key, known=True), digest)
        await self._require_client(bearer)
        return bearer

    async def get(self, grant_id: str) -> TokenFamily | None:
        """The grant without what refreshes it, as of 30 s ago at most: the newest access tokens may
        be missing in it, so it is no answer to what a token may do."""
        key = token_family.key_of(grant_id)
        held = self._held.get(key)
        if key in self._gone:
            return None
        if held is None or held.until <= self._now():
            held = await self._found(key)
        item = held.holding.item if held else None
        return item if isinstance(item, TokenFamily) else None

    def _known(self, key: str, digest: str) -> Bearer | None:
        """None: to be looked up. Raises ``InvalidToken``."""
        if key in self._gone:
            raise InvalidToken("the token was revoked")
        now = self._now()
        held = self._held.get(key)
        if held is not None and held.until > now:
            bearer = held.holding.bearers.get(digest)
            if bearer is not None:
                bearer.require_unexpired(self.clock.now())
                return bearer
        if self._refused.get(digest, 0.0) > now:
            raise InvalidToken("the token is unknown or was revoked")
        return None

    async def _looked_up(self, key: str, digest: str) -> Bearer:
        """What is remembered may be older than the token: the vault, asked after we were, has the
        last word."""
        began, held = next(self._numbers), self._held.get(key)
        found = held if held and held.until > self._now() else await self._found(key)
        if found and digest not in found.holding.bearers and found.number < began:
            found = await self._read(key, known=True)
        return self._of(found, digest)

    def _of(self, found: Found | None, digest: str) -> Bearer:
        bearer = found.holding.bearers.get(digest) if found else None
        if bearer is None:
            self._keep(self._refused, digest, self._now() + REFUSED_FOR)
            raise InvalidToken("the token is unknown or was revoked")
        bearer.require_unexpired(self.clock.now())
        return bearer

    # --- looking up -------------------------------------------------------------------------------

    async def _found(self, key: str) -> Found | None:
        """At most one look at a time for each key, however many ask."""
        task = self._lookups.get(key)
        if task is None:
            task = self._lookups[key] = asyncio.create_task(self._look(key), name="token look-up")
            task.add_done_callback(partial(self._looked, key))
        return await asyncio.shield(task)

    def _looked(self, key: str, task: asyncio.Task[Found | None]) -> None:
        self._lookups.pop(key, None)
        if not task.cancelled():
            task.exception()  # is raised where it was waited for, if anybody still does

    async def _look(self, key: str) -> Found | None:
        asked, breaks = self._now(), self._breaks
        try:
            state = await self._shared.get(key)
        except HintsUnavailable:
            state = None
        found = self._taken(key, state, asked) if state else None
        if key in self._gone:
            return None
        if found is None:
            return await self._read(key, known=key in self._held)
        return self._kept(key, found, breaks)

    async def _read(self, key: str, *, known: bool) -> Found | None:
        """By the vault. ``known``: it was there before, so that others may still think it is."""
        asked, breaks, number = self._now(), self._breaks, next(self._numbers)
        value = await self._vault.get(key)
        if value is None:
            self._held.pop(key, None)
            if known:
                await self._shared.bury([key])
            return None
        found = Found(bearers.holding_of(key, value), asked + TRUSTED_FOR, number)
        with suppress(HintsUnavailable):
            found = await self._filled(key, found)
        if key in self._gone:  # also when it was revoked while we were asking
            return None
        return self._kept(key, found, breaks)

    async def _filled(self, key: str, mine: Found) -> Found:
        """What stands in the shared memory afterwards: ours, or something newer."""
        holding, asked = mine.holding, self._now()
        state = State(holding.version, holding.text(), mine.until - asked)
        stands = await self._shared.fill(key, state)
        if stands.text is not None and stands.version == holding.version:
            return mine
        newer = self._taken(key, stands, asked)
        return replace(newer, number=mine.number) if newer else mine

    def _taken(self, key: str, state: State, asked: float) -> Found | None:
        """What is shared, as of when it was asked for; None: revoked, or a later release's."""
        if state.text is None:
            self.revoked([key])
            return None
        try:
            holding = bearers.read(key, state.text)
        except ContractError:
            return None
        return Found(holding, asked + min(state.seconds, TRUSTED_FOR))

    def _kept(self, key: str, found: Found, breaks: int) -> Found:
        """Kept only if no message can have been missed since it was asked for."""
        if breaks == self._breaks:
            self._keep(self._held, key, found)
        return found

    def _keep(self, entries: OrderedDict[str, V], key: str, value: V) -> None:
        entries[key] = value
        entries.move_to_end(key)
        while len(entries) > self._size:
            entries.popitem(last=False)

    # --- being told -------------------------------------------------------------------------------

    def revoked(self, keys: Collection[str]) -> None:
        """For good: what is revoked never comes back under its key."""
        for key in keys:
            self._keep(self._gone, key, None)
            self._held.pop(key, None)
            for watcher in list(self._watchers.get(key, ())):
                watcher.then()

    def changed(self, keys: Collection[str]) -> None:
        """Each watched token is looked at again; the others are when they are used."""
        for key in keys:
            self._breaks += 1
            self._held.pop(key, None)
            if key in self._watchers:
                task = asyncio.create_task(self._recheck(key), name="token look-up")
                self._rechecks.add(task)
                task.add_done_callback(self._rechecks.discard)

    async def _recheck(self, key: str) -> None:
        """Where the vault is away, whoever watches looks again by itself."""
        with suppress(HomecastError):
            found = await self._read(key, known=True)
            for watcher in list(self._watchers.get(key, ())):
                if found is None or watcher.digest not in found.holding.bearers:
                    watcher.then()

    def forget(self) -> None:
        """Messages may have been missed."""
        self._breaks += 1
        self._held.clear()

    @contextmanager
    def watch(self, token: str, then: Callable[[], None]) -> Iterator[None]:
        """``then`` is called when the token is revoked while this lasts, or has just been."""
        key, watcher = bearers.key_of(token), Watcher(bearers.hash_of(token), then)
        self._watchers.setdefault(key, set()).add(watcher)
        try:
            if key in self._gone:
                then()
            yield
        finally:
            self._watchers[key].discard(watcher)
            if not self._watchers[key]:
                del self._watchers[key]

    async def close(self) -> None:
        self._end_listening()
        running = [*self._lookups.values(), *self._rechecks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
