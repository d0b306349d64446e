"""Brokers and the blocklist, as they were a few seconds ago at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from adapters.inbound.http.ads.ports import WriteSide
from domain.media.blocklist import ALL, BLOCKLIST, Blocklist
from domain.media.broker import BROKER, Broker, BrokerConfig, BrokerRetiredError, BrokerStatus
from domain.media.errors import BrokerNotFound

TRUSTED_FOR = 5.0
MOST = 2_000

T = TypeVar("T")


class Remembered(Generic[T]):
    """One value, asked for anew when it is too old; those who ask meanwhile wait for one answer."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._value: T | None = None
        self._at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self) -> T:
        loop = asyncio.get_running_loop()
        if self._value is None or loop.time() - self._at >= TRUSTED_FOR:
            async with self._lock:
                if self._value is None or loop.time() - self._at >= TRUSTED_FOR:
                    asked = loop.time()
                    self._value = await self._ask()
                    self._at = asked
        return self._value


class Configured:
    """Raises ``StoreUnavailable``."""

    def __init__(self, media: WriteSide) -> None:
        self._media = media
        self._brokers: dict[str, Remembered[Broker]] = {}
        self._blocklist = Remembered(self._read_blocklist)

    async def broker(self, name: str) -> BrokerConfig:
        """Raises ``BrokerNotFound``, ``BrokerRetiredError``."""
        state = await self._remembered(name).get()
        if state.config is None:
            self._brokers.pop(name, None)
            raise BrokerNotFound("no such broker")
        if state.status != BrokerStatus.ACTIVE:
            raise BrokerRetiredError("the broker was retired")
        return state.config

    async def blocklist(self) -> Blocklist:
        return await self._blocklist.get()

    def _remembered(self, name: str) -> Remembered[Broker]:
        if name not in self._brokers and len(self._brokers) >= MOST:
            self._brokers.pop(next(iter(self._brokers)))
        return self._brokers.setdefault(name, Remembered(lambda: self._read_broker(name)))

    async def _read_broker(self, name: str) -> Broker:
        return (await self._media.repository.load(BROKER, name)).state

    async def _read_blocklist(self) -> Blocklist:
        return (await self._media.repository.load(BLOCKLIST, ALL)).state
