"""Who is online, and word to an account's watchers."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, cast

import orjson

from adapters.outbound.redis.hints import chunks
from adapters.outbound.redis.link import Link
from adapters.outbound.redis.names import account_channel, alive_key, presence_key
from domain.kernel.errors import HintsUnavailable

ASKED_AT_ONCE = 250


class RedisPresence:
    """The port ``Presence``: two round trips per 250 devices."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def online(self, device_ids: Sequence[str]) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for some in chunks(device_ids, ASKED_AT_ONCE):
            found |= await self._some(some)
        return found

    async def _some(self, device_ids: Sequence[str]) -> dict[str, bool]:
        async def entries() -> list[Any]:
            pipeline = self._link.client.pipeline(transaction=False)
            for device_id in device_ids:
                pipeline.hmget(presence_key(device_id), ["gateway", "left"])
            return await pipeline.execute()

        rows = await self._link.call(entries)
        gateways = sorted({gateway for gateway, left in rows if gateway and not left})
        alive = await self._alive(gateways)
        return {
            device_id: bool(gateway) and (bool(left) or gateway in alive)
            for device_id, (gateway, left) in zip(device_ids, rows, strict=True)
        }

    async def _alive(self, gateways: list[bytes]) -> set[bytes]:
        """An entry with ``left`` needs no gateway: it goes by itself when its grace is over."""
        if not gateways:
            return set()
        keys = [alive_key(gateway.decode()) for gateway in gateways]
        client = self._link.client
        held = await self._link.call(lambda: cast("Awaitable[list[Any]]", client.mget(keys)))
        return {gateway for gateway, one in zip(gateways, held, strict=True) if one is not None}


class RedisWatchers:
    """The port ``Watchers``."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def tell(self, account_id: str, message: dict[str, Any]) -> None:
        channel, body = account_channel(account_id), orjson.dumps(message)
        client = self._link.client
        with suppress(HintsUnavailable):
            await self._link.call(lambda: client.publish(channel, body))
