"""One way to call Redis: never for long, and not at all while it is known to be away."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from domain.kernel.errors import HintsUnavailable

TIME_LIMIT = 0.2
"""Seconds that one call may take: what a lost Redis can cost a request."""
PATIENT_LIMIT = 1.0
"""The same where no request waits."""
PAUSE = 0.5
"""Seconds without attempts after a failure."""
PATIENCE = 3
"""Time-outs in a row that count as a failure."""
BUSY = 0.02
"""A time-out that is noticed so many seconds late says that this process is busy, no more."""
IN_FLIGHT = 64

T = TypeVar("T")
log = structlog.get_logger("homecast.redis")


def connect(url: str) -> Redis:
    """A client that fails fast. Whoever calls owns it and has to ``aclose()`` it.

    RESP2, because Redis 6.2 knows no maintenance notifications, and no ``CLIENT SETINFO``. No
    ``socket_timeout``: with one redis-py writes through ``asyncio.wait_for``, which on Python 3.11
    can swallow a cancellation; every use here has a time limit of its own.
    """
    return Redis.from_url(
        url,
        protocol=2,
        driver_info=None,
        socket_connect_timeout=PATIENT_LIMIT,
        socket_timeout=None,
        max_connections=IN_FLIGHT + 16,
        retry=Retry(NoBackoff(), 0),
    )


class Script:
    """A Lua script, sent as its hash; as text only when Redis has forgotten it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Link:
    """Calls with a time limit and a circuit breaker; every failure is ``HintsUnavailable``.

    An outage is logged once when it begins and once when it is over.
    """

    def __init__(self, client: Redis) -> None:
        self.client = client
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._closed_until = 0.0
        self._timeouts = 0
        self._away = False

    async def call(self, command: Callable[[], Awaitable[T]], limit: float = TIME_LIMIT) -> T:
        async with self._slots:
            if self._now() < self._closed_until:
                raise HintsUnavailable("Redis is away")
            started = self._now()
            try:
                async with asyncio.timeout(limit):
                    result = await command()
            except (TimeoutError, RedisTimeoutError) as error:  # the latter while connecting
                self._timed_out(late=self._now() - started - limit)
                raise HintsUnavailable("Redis did not answer in time") from error
            except (RedisError, OSError) as error:
                self._failed(type(error).__name__)
                raise HintsUnavailable("Redis is away") from error
            self._succeeded()
            return result

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[Any],
        limit: float = TIME_LIMIT,
    ) -> Any:
        """One round trip, two when Redis does not know the script yet."""
        return await self.call(lambda: self._evaluate(script, keys, arguments), limit)

    async def _evaluate(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return await self.client.evalsha(script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.client.eval(script.text, len(keys), *keys, *arguments)

    def _timed_out(self, *, late: float) -> None:
        if late < BUSY:
            self._timeouts += 1
        if self._timeouts >= PATIENCE:
            self._failed("time limit")

    def _failed(self, reason: str) -> None:
        self._closed_until = self._now() + PAUSE
        if not self._away:
            self._away = True
            log.warning("redis_away", reason=reason)

    def _succeeded(self) -> None:
        self._timeouts = 0
        if self._away:
            self._away = False
            log.info("redis_back")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
