"""Twenty writers on one store, over streams that they share: every commit is whole or not there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from commands.kernel.ports import Append, EventStore, VaultWrite
from domain.kernel.errors import TooLarge, VersionConflict
from domain.kernel.recorded import Context, Recorded
from tests.support.store_contract import (
    WRITERS,
    Stores,
    append,
    commit,
    names,
    new_stream,
)

STREAMS = 5


class OneAtATime:
    """For an engine that is not made for concurrent requests: the writers race all the same."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._turn = asyncio.Lock()

    async def read(
        self, stream: str, *, after: int = 0, up_to: int | None = None, personal: bool = True
    ) -> list[Recorded]:
        async with self._turn:
            return await self._store.read(stream, after=after, up_to=up_to, personal=personal)

    async def commit(
        self,
        appends: Sequence[Append],
        *,
        context: Context,
        commit_token: str,
        vault: Sequence[VaultWrite] = (),
    ) -> list[Recorded]:
        async with self._turn:
            return await self._store.commit(
                appends, context=context, commit_token=commit_token, vault=vault
            )


@dataclass
class Writer:
    """Appends to some of the streams at once, several events each, until it is through.

    ``won``: the events of each commit that succeeded, as they were answered.
    """

    name: str
    store: EventStore
    streams: Sequence[str]
    chance: random.Random
    commits: int
    won: list[list[Recorded]] = field(default_factory=list)
    lost: int = 0

    async def run(self) -> None:
        while len(self.won) < self.commits:
            chosen = self.chance.sample(self.streams, self.chance.randint(1, 3))
            lengths = await asyncio.gather(*map(self.store.read, chosen))
            mark = f"{self.name}.{len(self.won)}"
            appends = [
                append(stream, *[mark] * self.chance.randint(1, 3), after=len(read))
                for stream, read in zip(chosen, lengths, strict=True)
            ]
            try:
                self.won.append(await commit(self.store, *appends))
            except VersionConflict:
                self.lost += 1
                await asyncio.sleep(self.chance.uniform(0, 0.02))


def by_commit(events: Sequence[Recorded]) -> dict[str, list[str]]:
    """Ids of events by the token of the commit that wrote them."""
    found: dict[str, list[str]] = {}
    for one in events:
        found.setdefault(one.commit_token, []).append(one.id)
    return {commit_token: sorted(ids) for commit_token, ids in found.items()}


def require_packed(stream: Sequence[Recorded]) -> None:
    """No gap between versions, and no commit inside another one."""
    assert [one.event.originator_version for one in stream] == list(range(1, len(stream) + 1))
    runs = [one.commit_token for one in stream]
    starts = [new for old, new in zip([None, *runs], runs, strict=False) if new != old]
    assert len(starts) == len(set(starts))


class OverlappingWritersContract:
    """``shared``: the store as the writers see it."""

    commits_each = 3

    @pytest.fixture
    def shared(self, stores: Stores) -> EventStore:
        return stores.events

    async def test_of_twenty_writers_at_once_on_one_version_one_wins_whole(
        self, shared: EventStore
    ) -> None:
        stream = new_stream()
        packed = [append(stream, *[str(each)] * (1 + each % 4)) for each in range(WRITERS)]
        results = await asyncio.gather(
            *(commit(shared, one) for one in packed), return_exceptions=True
        )
        won = [result for result in results if not isinstance(result, BaseException)]
        assert sum(isinstance(result, VersionConflict) for result in results) == WRITERS - 1
        assert await shared.read(stream) == won[0]

    async def test_of_twenty_writers_over_streams_none_loses_a_commit_or_wins_a_part(
        self, shared: EventStore
    ) -> None:
        streams = [new_stream() for _ in range(STREAMS)]
        writers = [
            Writer(str(each), shared, streams, random.Random(each), self.commits_each)
            for each in range(WRITERS)
        ]
        async with asyncio.timeout(60):
            await asyncio.gather(*(writer.run() for writer in writers))
        stored = [await shared.read(stream) for stream in streams]
        for stream in stored:
            require_packed(stream)
        answered = [one for writer in writers for commit in writer.won for one in commit]
        everything = [one for stream in stored for one in stream]
        assert by_commit(everything) == by_commit(answered)
        assert len(by_commit(everything)) == WRITERS * self.commits_each
        assert sum(writer.lost for writer in writers), "nobody met anybody"

    async def test_two_commits_that_meet_in_one_stream_are_never_both_there(
        self, shared: EventStore
    ) -> None:
        for _ in range(5):
            left, middle, right = (new_stream() for _ in range(3))
            results = await asyncio.gather(
                commit(shared, append(left, "l"), append(middle, "l", "l")),
                commit(shared, append(middle, "r"), append(right, "r")),
                return_exceptions=True,
            )
            assert sum(isinstance(result, VersionConflict) for result in results) == 1
            there = [await names(shared, stream) for stream in (left, middle, right)]
            assert there in ([["l"], ["l", "l"], []], [[], ["r"], ["r"]])


class RefusedBeforeAnyWriteContract:
    async def test_a_commit_of_a_thousand_events_is_refused(self, stores: Stores) -> None:
        stream = new_stream()
        with pytest.raises(TooLarge):
            await commit(stores.events, append(stream, *["x"] * 1000))
        assert await stores.events.read(stream) == []

    async def test_a_commit_over_a_hundred_and_one_streams_is_refused(self, stores: Stores) -> None:
        streams = [new_stream() for _ in range(101)]
        with pytest.raises(TooLarge):
            await commit(stores.events, *(append(stream, "x") for stream in streams))
        assert [one async for one in stores.events.scan()] == []
        appends = [append(stream, "x") for stream in streams[:100]]
        assert len(await commit(stores.events, *appends)) == 100
