"""Tell, after a commit, whoever waits for it: an account's watchers, a device's gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson

from adapters.outbound.redis.link import Link, Script
from adapters.outbound.redis.names import account_channel, presence_key
from domain.devices.device import DEVICE, DeviceReleased, DeviceReportedLost
from domain.devices.lane import LANE
from domain.kernel.errors import HintsUnavailable
from domain.kernel.event import category_of, id_of
from domain.kernel.recorded import Recorded

NUDGED_AT_ONCE = 200
WAITING_COMMITS = 1000

COMMITTED = Script("""
-- KEYS: presence of the devices; ARGV: account channel or '', origin gateway or '', then per event
-- index of its device's key (0: none), device id, CloudEvent, 'cut' or ''
local account, origin = ARGV[1], ARGV[2]
for i = 3, #ARGV, 4 do
  local key, device, event = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]
  if account ~= '' then
    redis.call('PUBLISH', account, '{"type":"event","event":' .. event .. '}')
  end
  if key then
    local at = redis.call('HMGET', key, 'gateway', 'left')
    if at[1] and not at[2] and at[1] ~= origin then
      local head = '{"type":"event","device_id":"' .. device .. '","event":'
      if ARGV[i + 3] == 'cut' then
        redis.call('PUBLISH', 'homecast:gateway:' .. at[1],
          '{"type":"cut","device_id":"' .. device .. '","session":null}')
      else
        redis.call('PUBLISH', 'homecast:gateway:' .. at[1], head .. event .. '}')
      end
    end
  end
end
""")

LOOK = Script("""
-- KEYS: presence of the devices; ARGV: their ids
for i, key in ipairs(KEYS) do
  local at = redis.call('HMGET', key, 'gateway', 'left')
  if at[1] and not at[2] then
    redis.call('PUBLISH', 'homecast:gateway:' .. at[1],
      '{"type":"look","device_id":"' .. ARGV[i] .. '"}')
  end
end
""")


class RedisHints:
    """The ports ``Hints`` and ``Lanes``: one round trip a call.

    ``origin_gateway``: the gateway that this process is; it knows of its own commits already.
    """

    def __init__(
        self,
        link: Link,
        *,
        to_cloud_event: Callable[[Recorded], dict[str, Any]],
        origin_gateway: str = "",
    ) -> None:
        self._link = link
        self._to_cloud_event = to_cloud_event
        self._origin = origin_gateway

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        if not recorded:
            return
        channel = account_channel(account_id) if account_id else ""
        devices = list(dict.fromkeys(d for one in recorded if (d := addressee(one))))
        arguments: list[Any] = [channel, self._origin]
        for one in recorded:
            device = addressee(one)
            index = devices.index(device) + 1 if device else 0
            body = orjson.dumps(self._to_cloud_event(one))
            arguments += [index, device or "", body, "cut" if cuts(one) else ""]
        with suppress(HintsUnavailable):
            await self._link.run(COMMITTED, [presence_key(d) for d in devices], arguments)

    async def nudge(self, device_ids: Sequence[str]) -> None:
        with suppress(HintsUnavailable):
            for some in chunks(device_ids, NUDGED_AT_ONCE):
                await self._link.run(LOOK, [presence_key(d) for d in some], some)


class UnawaitedHints:
    """The port ``Hints`` for who must not wait: the answer to a caller, a device's socket.

    Hints leave in the order of their commits and may still overtake each other, as all hints may.
    Beyond ``WAITING_COMMITS`` of them one is dropped rather than kept.
    """

    def __init__(self, hints: RedisHints) -> None:
        self._hints = hints
        self._leaving: set[asyncio.Task[None]] = set()

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        if len(self._leaving) >= WAITING_COMMITS:
            return
        task = asyncio.create_task(self._hints.committed(recorded, account_id=account_id))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def settled(self) -> None:
        """Let those under way leave; each has its own time limit."""
        await asyncio.gather(*self._leaving, return_exceptions=True)


def addressee(recorded: Recorded) -> str | None:
    """The device whose gateway has to hear of the event."""
    stream = recorded.event.originator_id
    if category_of(stream) == LANE.category or cuts(recorded):
        return id_of(stream)
    return None


def cuts(recorded: Recorded) -> bool:
    is_device = category_of(recorded.event.originator_id) == DEVICE.category
    return is_device and isinstance(recorded.event, DeviceReleased | DeviceReportedLost)


def chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
