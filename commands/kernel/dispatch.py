"""Load, decide, append, and decide again on conflict: here and nowhere else."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from commands.kernel.expiring import Expiring
from commands.kernel.ports import (
    Append,
    Clock,
    EventStore,
    Hints,
    Ids,
    Snapshot,
    SnapshotStore,
    VaultWrite,
)
from domain.kernel.errors import Busy, SubjectForgotten, Unavailable, VersionConflict
from domain.kernel.event import Aggregate, Event, S, State
from domain.kernel.personal import personal_fields
from domain.kernel.recorded import Context, Recorded

R = TypeVar("R")

ATTEMPTS = 8
FIRST_PAUSE = 0.005
TIME_LIMIT = 5.0
"""Seconds after which nothing is decided anew: whoever asked has a limit too."""
CACHED_STREAMS = 20_000


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """A folded stream, as it was read; only the unit of work that loaded it can append to it.

    ``since``: when its oldest part was read (monotonic). ``personal``: whether the personal fields
    are there; without them it is good for reading only.
    """

    aggregate: Aggregate[S]
    state: S
    since: float = field(default_factory=time.monotonic)
    personal: bool = True

    @property
    def stream(self) -> str:
        return self.state.stream

    @property
    def version(self) -> int:
        return self.state.version

    def after(self, events: Sequence[Event]) -> S:
        state = self.state
        for event in events:
            state = self.aggregate.fold(state, event)
        return state


class Repository:
    """Folded state from snapshot, cache and tail.

    The cache is bounded and only ever a starting point: by default the tail is still read, strongly
    consistent; ``cached=True`` skips that and leaves it to the conditional write to find out.
    States with personal data stay in it for a minute at most, counted from when that was read;
    beside them stands the same state without, which takes no key to bring up to date.
    """

    def __init__(
        self, store: EventStore, snapshots: SnapshotStore, *, size: int = CACHED_STREAMS
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._size = size
        self._cache: OrderedDict[str, State] = OrderedDict()
        self._personal: Expiring[str, State] = Expiring(size)

    async def load(
        self,
        aggregate: Aggregate[S],
        aggregate_id: str,
        *,
        cached: bool = False,
        personal: bool = True,
    ) -> Loaded[S]:
        """``personal=False``: with the personal fields erased, which takes no key."""
        stream = aggregate.stream(aggregate_id)
        personal = personal and bool(personal_fields(aggregate.state))
        state, since = self._cached(aggregate, stream, personal=personal)
        if state is None or not cached:
            if state is None:
                state = await self._from_snapshot(aggregate, stream, personal=personal)
            for recorded in await self._store.read(stream, after=state.version, personal=personal):
                state = aggregate.fold(state, recorded.event)
            self._keep(state, since, personal=personal)
        whole = personal or not personal_fields(aggregate.state)
        return Loaded(aggregate, state, since, whole)

    def learn(self, aggregate: Aggregate[S], event: Event) -> bool:
        """Fold an event that a hint brought, if it is the next one of a cached stream."""
        state, since = self._cached(aggregate, event.originator_id, personal=False)
        if state is None or state.version + 1 != event.originator_version:
            return False
        self._keep(aggregate.fold(state, event), since, personal=False)
        return True

    async def committed(self, loaded: Loaded[Any], state: State) -> None:
        """Keep the state after what was just stored; snapshot it where the policy asks for one."""
        self._keep(state, loaded.since, personal=bool(personal_fields(type(state))))
        every = loaded.aggregate.snapshot_every
        if loaded.version // every != state.version // every:
            await self._snapshot(loaded.aggregate, state)

    async def _snapshot(self, aggregate: Aggregate[Any], state: State) -> None:
        subject = subject_of(state)
        names = set(personal_fields(type(state))) if subject else set()
        snapshot = Snapshot(
            version=state.version,
            code_version=aggregate.code_version,
            state=state.model_dump_json(exclude=names).encode(),
            subject=subject,
            personal=state.model_dump(mode="json", include=names) if subject else None,
        )
        # The events are stored; a snapshot only saves reading.
        with suppress(Unavailable, SubjectForgotten):
            await self._snapshots.save(state.stream, snapshot)

    def _cached(
        self, aggregate: Aggregate[S], stream: str, *, personal: bool
    ) -> tuple[S | None, float]:
        """The state, and since when its parts are known."""
        now = time.monotonic()
        held = self._personal.get(stream) if personal else None
        state, since = held or (None if personal else self._cache.get(stream), now)
        if state is None:
            return None, now
        if not personal:
            self._cache.move_to_end(stream)
        assert isinstance(state, aggregate.state)
        return state, since

    def _keep(self, state: State, since: float, *, personal: bool) -> None:
        if personal:
            held = self._personal.get(state.stream)
            if held is None or held[0].version < state.version:
                self._personal.put(state.stream, state, since=since)
        state = erased(state)
        known = self._cache.get(state.stream)
        if known is None or known.version < state.version:
            self._cache[state.stream] = state
            self._cache.move_to_end(state.stream)
        while len(self._cache) > self._size:
            self._cache.popitem(last=False)

    async def _from_snapshot(self, aggregate: Aggregate[S], stream: str, *, personal: bool) -> S:
        snapshot = await self._snapshots.load(stream, personal=personal)
        if snapshot is None or snapshot.code_version != aggregate.code_version:
            return aggregate.initial(stream)
        try:
            if snapshot.subject is None:
                return aggregate.state.model_validate_json(snapshot.state)
            fields = snapshot.personal if personal else personal_fields(aggregate.state)
            whole = {**json.loads(snapshot.state), **(fields or {})}
            return aggregate.state.model_validate(whole)
        except (ValidationError, ValueError, TypeError):
            return aggregate.initial(stream)


def subject_of(state: State) -> str | None:
    """The account whose personal data the state carries, None while it carries none."""
    return getattr(state, state.SUBJECT) if state.SUBJECT else None


def erased(state: S) -> S:
    """As it is read once its subject was forgotten."""
    if subject_of(state) is None:
        return state
    return state.model_copy(update=personal_fields(type(state)))


class Unit:
    """One attempt: what it loads, and what it will commit in one go."""

    def __init__(self, repository: Repository, *, context: Context, clock: Clock, first: bool):
        self._repository = repository
        self._first = first
        self.context = context
        self.at = clock.now()
        self.loaded: dict[str, Loaded[Any]] = {}
        self.appends: list[tuple[Loaded[Any], Sequence[Event]]] = []
        self.vault: list[VaultWrite] = []
        self.account_id: str | None = None

    async def load(
        self,
        aggregate: Aggregate[S],
        aggregate_id: str,
        *,
        cached: bool = False,
        personal: bool = True,
    ) -> S:
        """The state to decide on. ``cached`` holds for the first attempt only.

        ``personal=False``: it is only looked at, and not for its personal fields.
        """
        loaded = await self._repository.load(
            aggregate, aggregate_id, cached=cached and self._first, personal=personal
        )
        self.loaded[loaded.stream] = loaded
        return loaded.state

    def append(self, state: State, events: Sequence[Event]) -> None:
        if events:
            loaded = self.loaded[state.stream]
            assert loaded.personal, "a state without its personal fields is no ground to append on"
            self.appends.append((loaded, events))

    def write_vault(
        self, key: str, value: dict[str, Any] | None, *, expected: int | None = None
    ) -> None:
        self.vault.append(VaultWrite(key, value, expected))

    def require_vault(self, key: str, expected: int) -> None:
        """The decision rests on this version of an item, which stays as it is."""
        self.vault.append(VaultWrite(key, None, expected, kept=True))

    @property
    def changes_nothing(self) -> bool:
        return not self.appends and all(write.kept for write in self.vault)


class NoHints:
    """For a context that nobody watches live."""

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        return


Decide = Callable[[Unit], Awaitable[R]]


class Dispatcher:
    """Runs a decision to its end: stored once, or refused with a reason."""

    def __init__(
        self,
        *,
        store: EventStore,
        repository: Repository,
        hints: Hints,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._hints = hints
        self._ids = ids
        self.clock = clock
        self.repository = repository

    async def execute(self, context: Context, decide: Decide[R]) -> tuple[R, list[Recorded]]:
        """What ``decide`` returned, and the events that it stored (none: nothing had to change).

        A conflict loads and decides again, 8 times or for 5 s in all, with growing jittered
        pauses; then ``Busy``. Errors of the decision pass through, with nothing stored. Where the
        store cannot say whether it has stored, ``StoreUnavailable`` passes through, and nothing is
        kept of what was decided: the next load reads what there is.
        """
        deadline = asyncio.get_running_loop().time() + TIME_LIMIT
        for attempt in range(ATTEMPTS):
            unit = Unit(self.repository, context=context, clock=self.clock, first=attempt == 0)
            result = await decide(unit)
            if unit.changes_nothing:
                return result, []
            try:
                recorded = await self._commit(unit)
            except VersionConflict:
                if attempt + 1 < ATTEMPTS:
                    await _pause(attempt, deadline)
                continue
            await self._hints.committed(recorded, account_id=unit.account_id)
            return result, recorded
        raise too_contended()

    async def _commit(self, unit: Unit) -> list[Recorded]:
        # Folded first: an illegal move raises before it is stored for ever.
        after = [loaded.after(events) for loaded, events in unit.appends]
        recorded = await self._store.commit(
            [Append(loaded.stream, loaded.version, events) for loaded, events in unit.appends],
            context=unit.context,
            commit_token=self._ids.new(),
            vault=unit.vault,
        )
        for (loaded, _), state in zip(unit.appends, after, strict=True):
            await self.repository.committed(loaded, state)
        return recorded


async def _pause(attempt: int, deadline: float) -> None:
    """Anything up to a bound that doubles (full jitter), so that rivals do not meet again."""
    seconds = random.uniform(0, FIRST_PAUSE * 2**attempt)  # noqa: S311
    if asyncio.get_running_loop().time() + seconds > deadline:
        raise too_contended()
    await asyncio.sleep(seconds)


def too_contended() -> Busy:
    return Busy("too many writers at once; try again", retry_after=1)
