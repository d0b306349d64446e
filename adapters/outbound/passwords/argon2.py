"""Passwords by argon2id, with the second of the parameters that RFC 9106 recommends (section 4).

A hash takes 64 MiB and some tens of milliseconds of several cores, so few are made at once and few
more wait: what comes beyond is told to come again, and the process keeps its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import error_to_str
from argon2.profiles import RFC_9106_LOW_MEMORY

from domain.kernel.errors import Busy, StoreUnavailable

T = TypeVar("T")
AT_ONCE = 2
WAITING = 32
"""With two at once and some 100 ms each, the last one waits for about two seconds."""
RETRY_AFTER = 2
NOT_NOW = {error_to_str(code) for code in (-22, -33)}
"""Of argon2: there is no memory, or no thread. All else says that the hash is none."""


class Argon2Passwords:
    """The port ``Passwords``. ``async with`` ends its threads."""

    def __init__(
        self,
        hasher: PasswordHasher | None = None,
        *,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
    ) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="argon2")
        self._most = at_once + waiting
        self._taken = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._made(password))

    async def verify(self, hashed: str, password: str) -> bool:
        return await self._run(lambda: self._fits(hashed, password))

    def needs_rehash(self, hashed: str) -> bool:
        try:
            return self._hasher.check_needs_rehash(hashed)
        except InvalidHashError:
            return True

    async def dummy(self, password: str) -> None:
        """Hashing costs what verifying does: argon2 verifies by hashing."""
        await self._run(lambda: self._made(password))

    def _made(self, password: str) -> str:
        try:
            return self._hasher.hash(password)
        except Argon2Error as error:  # memory that could not be had
            raise StoreUnavailable("the password could not be hashed") from error

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except InvalidHashError:
            return False
        except Argon2Error as error:
            if str(error) in NOT_NOW:
                raise StoreUnavailable("the password could not be verified") from error
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        """Raises ``Busy``. Who goes away while waiting gives the place back."""
        if self._taken >= self._most:
            raise Busy("too many sign-ins at once; try again", retry_after=RETRY_AFTER)
        self._taken += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._done(asyncio.get_running_loop()))
        return await asyncio.wrap_future(future)

    def _done(self, loop: asyncio.AbstractEventLoop) -> Callable[[object], None]:
        def free() -> None:
            self._taken -= 1

        def done(_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(free)

        return done
