"""The port ``TokenStates`` within one process, or for several that are made up of objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from commands.accounts import token_family, tokens
from commands.accounts.token_states import TOMBSTONES_STAND, Listener, State
from domain.kernel.errors import HintsUnavailable


class MemoryTokenStates:
    """``away``: as when Redis is: nothing is kept, given or told."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.away = False
        self._now = now
        self._held: dict[str, tuple[State, float]] = {}
        self._listeners: list[Listener] = []

    async def get(self, key: str) -> State | None:
        self._require()
        return self._at(key)

    async def fill(self, key: str, state: State) -> State:
        self._require()
        stands = self._at(key)
        if stands and (stands.text is None or stands.version > state.version):
            return stands
        if stands and stands.version == state.version and stands.seconds > state.seconds:
            state = State(state.version, state.text, stands.seconds)
        if state.seconds > 0:
            self._held[key] = (state, self._now() + state.seconds)
        return state

    async def told(self, grant_ids: Collection[str]) -> None:
        await self.bury([token_family.key_of(one) for one in grant_ids])

    async def told_tokens(self, hashes: Collection[str]) -> None:
        await self.bury([tokens.PREFIX + one for one in hashes])

    async def bury(self, keys: Collection[str]) -> None:
        if self.away:
            return
        until = self._now() + TOMBSTONES_STAND.total_seconds()
        self._held.update({key: (State(0, None, 0.0), until) for key in keys})
        for listener in list(self._listeners):
            listener.revoked(keys)

    async def replace(self, key: str, state: State) -> None:
        if self.away:
            return
        await self.fill(key, state)
        for listener in list(self._listeners):
            listener.changed([key])

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def lose(self) -> None:
        """As after a break in the connection."""
        for listener in list(self._listeners):
            listener.forget()

    def _at(self, key: str) -> State | None:
        state, until = self._held.get(key, (None, 0.0))
        if state is None or until <= self._now():
            return None
        return State(state.version, state.text, until - self._now())

    def _require(self) -> None:
        if self.away:
            raise HintsUnavailable("away")
