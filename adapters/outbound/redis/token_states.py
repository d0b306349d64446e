"""The memory of tokens that all processes share, and the channel of revocations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import structlog

from adapters.outbound.redis.hints import chunks
from adapters.outbound.redis.link import PATIENT_LIMIT, Link, Script
from adapters.outbound.redis.names import REVOCATIONS, token_key
from adapters.outbound.redis.subscription import Subscription
from commands.accounts import token_family, tokens
from commands.accounts.token_states import TOMBSTONES_STAND, Listener, State
from domain.kernel.errors import HintsUnavailable

BURIED_AT_ONCE = 500

READ = Script("""
-- KEYS: the state
local held = redis.call('HMGET', KEYS[1], 'gone', 'version', 'text')
return {held[1], held[2], held[3], redis.call('PTTL', KEYS[1])}
""")

FILL = Script("""
-- KEYS: the state; ARGV: version, text, milliseconds to trust it; returns what stands, as READ
local held = redis.call('HMGET', KEYS[1], 'gone', 'version', 'text')
local left = redis.call('PTTL', KEYS[1])
if held[1] or (held[2] and tonumber(held[2]) > tonumber(ARGV[1])) then
  return {held[1], held[2], held[3], left}
end
local trusted = tonumber(ARGV[3])
if held[2] == ARGV[1] and left > trusted then
  trusted = left
end
if trusted <= 0 then
  return {false, ARGV[1], ARGV[2], 0}
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'text', ARGV[2])
redis.call('PEXPIRE', KEYS[1], trusted)
return {false, ARGV[1], ARGV[2], trusted}
""")

BURY = Script("""
-- KEYS: the states; ARGV: channel, message, milliseconds to keep tombstones
for _, key in ipairs(KEYS) do
  redis.call('DEL', key)
  redis.call('HSET', key, 'gone', '1')
  redis.call('PEXPIRE', key, ARGV[3])
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
""")

log = structlog.get_logger("homecast.redis")


class RedisTokenStates:
    """The port ``TokenStates``. ``running``: where revocations of others are to be heard."""

    def __init__(self, link: Link, *, tombstones_stand: timedelta = TOMBSTONES_STAND) -> None:
        self._link = link
        self._tombstones_stand = int(tombstones_stand.total_seconds() * 1000)
        self._listeners: list[Listener] = []

    async def get(self, key: str) -> State | None:
        return _state(await self._link.run(READ, [token_key(key)], []))

    async def fill(self, key: str, state: State) -> State:
        arguments = [state.version, state.text, int(state.seconds * 1000)]
        stands = _state(await self._link.run(FILL, [token_key(key)], arguments))
        assert stands is not None, "something stands after a fill"
        return stands

    async def told(self, grant_ids: Collection[str]) -> None:
        await self.bury([token_family.key_of(one) for one in grant_ids])

    async def told_tokens(self, hashes: Collection[str]) -> None:
        await self.bury([tokens.PREFIX + one for one in hashes])

    async def bury(self, keys: Collection[str]) -> None:
        """This process knows first, and whatever becomes of Redis."""
        for listener in list(self._listeners):
            listener.revoked(keys)
        for some in chunks(list(keys), BURIED_AT_ONCE):
            await self._bury(some)

    async def _bury(self, keys: Sequence[str]) -> None:
        message = orjson.dumps({"revoked": keys})
        arguments = [REVOCATIONS, message, self._tombstones_stand]
        try:
            await self._link.run(BURY, [token_key(one) for one in keys], arguments, PATIENT_LIMIT)
        except HintsUnavailable:
            log.warning("revocation_not_told", count=len(keys))

    async def replace(self, key: str, state: State) -> None:
        for listener in list(self._listeners):
            listener.changed([key])
        body, client = orjson.dumps({"changed": [key]}), self._link.client
        try:
            await self.fill(key, state)
            await self._link.call(lambda: client.publish(REVOCATIONS, body), PATIENT_LIMIT)
        except HintsUnavailable:
            log.warning("revocation_not_told", count=1)

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        subscription = Subscription(
            self._link.client, receive=self._received, lost=lambda _: self._lost()
        )
        async with subscription.running():
            await subscription.add(REVOCATIONS)
            yield

    def _received(self, _: str, data: bytes) -> None:
        try:
            message = orjson.loads(data)
            revoked, changed = list(message.get("revoked", ())), list(message.get("changed", ()))
        except (ValueError, TypeError, AttributeError):
            log.warning("revocation_undecodable")
            self._lost()
            return
        for listener in list(self._listeners):
            listener.revoked(revoked)
            listener.changed(changed)

    def _lost(self) -> None:
        for listener in list(self._listeners):
            listener.forget()


def _state(row: Sequence[Any]) -> State | None:
    """``PTTL`` is -2 for what is not there."""
    gone, version, text, milliseconds = row
    if gone is not None:
        return State(0, None, milliseconds / 1000)
    if version is None or text is None:
        return None
    return State(int(version), text, milliseconds / 1000)
