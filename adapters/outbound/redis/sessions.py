"""Presence and routing, as a gateway writes them, and the hints that come to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
import structlog

from adapters.outbound.redis.link import PATIENT_LIMIT, Link, Script
from adapters.outbound.redis.names import (
    ALIVE_MS,
    GRACE_MS,
    alive_key,
    gateway_channel,
    presence_key,
)
from adapters.outbound.redis.subscription import Mailbox, Subscription
from commands.devices.ports import CutSession, GatewayHint, LaneMoved, LookAtLane, Reconnected
from domain.kernel.errors import ContractError
from domain.kernel.recorded import Recorded

WAITING_HINTS = 10_000

CONNECTED = Script("""
-- KEYS: presence; ARGV: device, session, gateway, account
local function cut(gateway, session)
  redis.call('PUBLISH', 'homecast:gateway:' .. gateway,
    '{"type":"cut","device_id":"' .. ARGV[1] .. '","session":"' .. session .. '"}')
end
local held = redis.call('HMGET', KEYS[1], 'session', 'gateway', 'left')
if held[3] then
  held = {}
end
if held[1] and held[1] > ARGV[2] then
  cut(ARGV[3], ARGV[2])
  return 0
end
if held[1] and held[2] and held[1] ~= ARGV[2] and held[2] ~= ARGV[3] then
  cut(held[2], held[1])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'session', ARGV[2], 'gateway', ARGV[3], 'account', ARGV[4])
return 1
""")

DISCONNECTED = Script("""
-- KEYS: presence; ARGV: session, milliseconds of grace
if redis.call('HGET', KEYS[1], 'session') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'left', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")

ALIVE = Script("""
-- KEYS: alive; ARGV: milliseconds
local known = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return known
""")

log = structlog.get_logger("homecast.redis")


class RedisSessions:
    """The port ``Sessions`` of one gateway."""

    def __init__(
        self,
        link: Link,
        *,
        gateway_id: str,
        from_cloud_event: Callable[[dict[str, Any]], Recorded],
        grace_ms: int = GRACE_MS,
    ) -> None:
        self._link = link
        self._gateway_id = gateway_id
        self._from_cloud_event = from_cloud_event
        self._grace_ms = grace_ms
        self._sure = False

    async def connected(self, device_id: str, session: str, account_id: str) -> None:
        arguments = [device_id, session, self._gateway_id, account_id]
        await self._link.run(CONNECTED, [presence_key(device_id)], arguments, PATIENT_LIMIT)

    async def routed(self, device_id: str) -> str | None:
        client, key = self._link.client, presence_key(device_id)

        async def session() -> bytes | None:
            held = await cast("Awaitable[list[bytes | None]]", client.hmget(key, ["session"]))
            return held[0]

        held = await self._link.call(session, PATIENT_LIMIT)
        return held.decode() if held else None

    async def disconnected(self, device_id: str, session: str, account_id: str) -> None:
        keys = [presence_key(device_id)]
        await self._link.run(DISCONNECTED, keys, [session, self._grace_ms], PATIENT_LIMIT)

    async def alive(self) -> bool:
        """After a failed call the next one is False: its answer may be all that was lost."""
        sure, self._sure = self._sure, False
        keys = [alive_key(self._gateway_id)]
        known = await self._link.run(ALIVE, keys, [ALIVE_MS], PATIENT_LIMIT)
        self._sure = True
        return bool(known) and sure

    @asynccontextmanager
    async def hints(self) -> AsyncIterator[AsyncIterator[GatewayHint]]:
        mailbox: Mailbox[GatewayHint] = Mailbox(WAITING_HINTS, overflow=Reconnected())
        channel = gateway_channel(self._gateway_id)

        def receive(_channel: str, data: bytes) -> None:
            hint = self._decode(data)
            if hint is not None:
                mailbox.put(hint)

        subscription = Subscription(
            self._link.client, receive=receive, lost=lambda _channel: mailbox.restart()
        )
        async with subscription.running():
            await subscription.add(channel)
            yield mailbox

    def _decode(self, data: bytes) -> GatewayHint | None:
        try:
            message = orjson.loads(data)
            kind, device_id = message["type"], message["device_id"]
            if kind == "event":
                return self._moved(device_id, message["event"])
            if kind == "cut":
                return CutSession(device_id, message["session"])
            return LookAtLane(device_id)
        except (ValueError, KeyError, TypeError):
            log.warning("hint_undecodable")
            return None

    def _moved(self, device_id: str, cloud_event: dict[str, Any]) -> GatewayHint:
        """An event of a newer release cannot be folded, but the lane can be looked at."""
        try:
            recorded = self._from_cloud_event(cloud_event)
        except ContractError:
            return LookAtLane(device_id)
        return LaneMoved(device_id, recorded.event, recorded.context)
