"""Stores that let somebody else in between a load and its commit: on purpose, or by a schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from commands.kernel.ports import Append, EventStore, VaultWrite
from domain.kernel.errors import VersionConflict
from domain.kernel.recorded import Context, Recorded

Rival = Callable[[], Awaitable[object]]


class PassingStore:
    """The store behind it, call by call; tests count or hold up what passes."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.reads = self.commits = self.conflicts = 0

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        self.reads += 1
        return await self.store.read(stream, after=after, up_to=up_to, personal=personal)

    async def commit(
        self,
        appends: Sequence[Append],
        *,
        context: Context,
        commit_token: str,
        vault: Sequence[VaultWrite] = (),
    ) -> list[Recorded]:
        self.commits += 1
        try:
            return await self.store.commit(
                appends, context=context, commit_token=commit_token, vault=vault
            )
        except VersionConflict:
            self.conflicts += 1
            raise


class InterleavingStore(PassingStore):
    """Before each commit the next of ``rivals`` runs to its end."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.rivals: list[Rival] = []

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        if self.rivals:
            await self.rivals.pop(0)()
        return await super().commit(*args, **kwargs)


class ForgettingStore(PassingStore):
    """Loses the answer of each commit and asks again with the same token, as adapters do."""

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        await super().commit(*args, **kwargs)
        return await super().commit(*args, **kwargs)


class ScheduledStore(PassingStore):
    """Every call waits for its turn; ``choices`` say who is next, round and round."""

    def __init__(self, store: EventStore, choices: Sequence[int]) -> None:
        super().__init__(store)
        self._choices = list(choices) or [0]
        self._waiting: list[asyncio.Future[None]] = []

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        await self._turn()
        return await super().read(stream, after=after, up_to=up_to, personal=personal)

    async def commit(self, *args: Any, **kwargs: Any) -> list[Recorded]:
        await self._turn()
        return await super().commit(*args, **kwargs)

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    async def run(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """All of it to its end; refusals are results."""
        tasks = [asyncio.ensure_future(one) for one in work]
        step = 0
        while not all(task.done() for task in tasks):
            for _ in range(3):  # let everyone come to its next call
                await asyncio.sleep(0)
            if self._waiting:
                choice = self._choices[step % len(self._choices)]
                self._waiting.pop(choice % len(self._waiting)).set_result(None)
                step += 1
        return await asyncio.gather(*tasks, return_exceptions=True)
