"""Brokers and the blocklist, as they were a few seconds ago at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from adapters.inbound.http.ads.ports import WriteSide
from domain.kernel.errors import Unavailable
from domain.media.blocklist import ALL, BLOCKLIST, Blocklist
from domain.media.broker import BROKER, Broker, BrokerConfig, BrokerRetiredError, BrokerStatus
from domain.media.errors import BrokerNotFound

TRUSTED_FOR = 5.0
REFRESHED_AFTER = 2.5
AT_WORST = 60.0
"""Seconds, while the store is away. Nothing quarantined is shown by that: what films are at is
known for 5 s and no longer."""
MOST = 2_000

T = TypeVar("T")
log = structlog.get_logger("homecast.ads")


class Remembered(Generic[T]):
    """One value, asked for anew beside the requests before it is too old; later they wait for it,
    all for one answer. While there is none, an old value is better than no ads."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._value: tuple[T, float] | None = None
        self._asking: asyncio.Task[T] | None = None

    async def get(self) -> T:
        held = self._value
        age = asyncio.get_running_loop().time() - held[1] if held else AT_WORST
        if held and age < TRUSTED_FOR:
            if age >= REFRESHED_AFTER:
                self._asked()
            return held[0]
        try:
            return await asyncio.shield(self._asked())
        except Unavailable:
            if held and age < AT_WORST:
                return held[0]
            raise

    def _asked(self) -> asyncio.Task[T]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._answer(), name="configured")
            self._asking.add_done_callback(self._ended)
        return self._asking

    async def _answer(self) -> T:
        at = asyncio.get_running_loop().time()
        value = await self._ask()
        self._value = value, at
        return value

    def _ended(self, task: asyncio.Task[T]) -> None:
        """What nobody waits for is told here."""
        self._asking = None
        if not task.cancelled() and (error := task.exception()):
            log.warning("not_read", what=type(error).__name__)

    async def close(self) -> None:
        if self._asking is not None:
            await asyncio.wait([self._asking])


class Configured:
    """Raises ``StoreUnavailable`` for what was not read of late."""

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

    async def close(self) -> None:
        for one in self._brokers.values():
            await one.close()
        await self._blocklist.close()

    def _remembered(self, name: str) -> Remembered[Broker]:
        if name not in self._brokers and len(self._brokers) >= MOST:
            self._brokers.pop(next(iter(self._brokers)))
        return self._brokers.setdefault(name, Remembered(lambda: self._read_broker(name)))

    async def _read_broker(self, name: str) -> Broker:
        return (await self._media.repository.load(BROKER, name)).state

    async def _read_blocklist(self) -> Blocklist:
        return (await self._media.repository.load(BLOCKLIST, ALL)).state
