"""The operator's hands on parked rows: every act is written into the row's entry, before and after.

An act is for all slots of a model: what is being built beside the live slot may be stopped too.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from domain.kernel.errors import Busy, HomecastError, Refused
from projections.kernel.gate import UNPLACED, Gate
from projections.kernel.parking import (
    ACTIONS_MAX,
    ATTEMPTS,
    STOPPED,
    Action,
    Clock,
    Entry,
    ParkedRowNotFound,
    Registry,
    Status,
)
from projections.kernel.resuming import drop, place, resume
from projections.kernel.slots import Slot, Slotted

PAGE = 50
PARKED_AGAIN = "parked again"


class NotParked(Refused):
    """The row goes on already, or was dropped; ``current_status`` says which."""

    code = "not_parked"


class ParkedRows:
    """``models``: the gates of each read model, by its name."""

    def __init__(
        self, models: Mapping[str, Slotted[Gate[Any]]], *, registry: Registry, clock: Clock
    ) -> None:
        self._models = models
        self._registry = registry
        self._clock = clock

    async def counts(self) -> dict[str, int]:
        """Those PARKED, by model."""
        return {name: await self._registry.count(name) for name in self._models}

    async def list(
        self, *, model: str = "", limit: int = PAGE, after: str = "", everything: bool = False
    ) -> tuple[builtins.list[Entry], str | None]:
        """By model and row, those PARKED or ``everything``; and where to go on after (None: end).

        ``after``: ``<model>/<row>``.
        """
        last_model, _, last_row = after.partition("/")
        found: builtins.list[Entry] = []
        for name in sorted(self._models):
            if (model and name != model) or name < last_model:
                continue
            row = last_row if name == last_model else ""
            room = limit + 1 - len(found)
            found += await self._registry.list(name, limit=room, after=row, everything=everything)
            if len(found) > limit:
                last = found[limit - 1]
                return found[:limit], f"{last.model}/{last.row}"
        return found, None

    async def every(self, model: str = "") -> AsyncIterator[Entry]:
        """Those PARKED, one by one."""
        after: str | None = ""
        while after is not None:
            page, after = await self.list(model=model, after=after)
            for entry in page:
                yield entry

    async def show(self, model: str, row: str) -> Entry:
        """Raises ``ParkedRowNotFound``."""
        entry = await self._registry.get(model, row) if model in self._models else None
        if entry is None:
            raise ParkedRowNotFound("no such row was parked")
        return entry

    async def retry(self, model: str, row: str, *, who: str) -> Entry:
        """Fold the event again, and go on from there."""

        async def again(entry: Entry) -> bool:
            return await self._resume(entry)

        return await self._act(model, row, who, "retry", again, Status.RETRIED)

    async def skip(self, model: str, row: str, *, who: str) -> Entry:
        """Go on without the event that stopped the row."""

        async def without(entry: Entry) -> bool:
            return entry.key[0] == UNPLACED or await self._resume(entry, skip=entry.event_id)

        return await self._act(model, row, who, "skip", without, Status.SKIPPED)

    async def drop(self, model: str, row: str, *, who: str) -> Entry:
        """Let the row stand as it is, until a rebuild or a retry."""

        async def stand(entry: Entry) -> bool:
            for slot in Slot:
                await drop(self._models[model].of(slot), entry.key, self._clock.now())
            return True

        return await self._act(model, row, who, "drop", stand, Status.DROPPED, {Status.PARKED})

    async def _resume(self, entry: Entry, *, skip: str = "") -> bool:
        gates = self._models[entry.model]
        if entry.key[0] == UNPLACED:
            return await place(await gates.live(), entry.stream, entry.version)
        each = [await resume(gates.of(slot), entry.key, entry.stream, skip=skip) for slot in Slot]
        return all(each)

    async def _act(
        self,
        model: str,
        row: str,
        who: str,
        what: str,
        act: Callable[[Entry], Awaitable[bool]],
        status: Status,
        allowed: Collection[Status] = STOPPED,
    ) -> Entry:
        entry = await self.show(model, row)
        if entry.status not in allowed:
            raise NotParked(f"the row is {entry.status}", status=entry.status)
        action = Action(who=who, what=what, at=self._clock.now())
        entry = await self._noted(entry, action, None)
        try:
            done = await act(entry)
        except HomecastError as error:
            outcome = action.model_copy(update={"outcome": f"failed: {error.code}"})
            await self._noted(entry, outcome, None)
            raise
        outcome = action.model_copy(update={"outcome": "done" if done else PARKED_AGAIN})
        return await self._noted(entry, outcome, status if done else None)

    async def _noted(self, entry: Entry, action: Action, status: Status | None) -> Entry:
        """With the action, or with how it ended; the rest as whoever parks again has left it."""
        for _ in range(ATTEMPTS):
            known = await self.show(entry.model, entry.row)
            changed = noted(known, entry, action, status, self._clock.now())
            if await self._registry.put(changed):
                return changed
        raise Busy("the entry is contended")


def noted(known: Entry, seen: Entry, action: Action, status: Status | None, now: datetime) -> Entry:
    """``seen``: as it was before the act. A row that a projector has parked again since then stays
    PARKED: nothing else would tell of its mark, and it could not be retried."""
    if status and known.status is Status.PARKED and known.last_at != seen.last_at:
        action, status = action.model_copy(update={"outcome": PARKED_AGAIN}), None
    others = [one for one in known.actions if (one.at, one.who) != (action.at, action.who)]
    return known.changed(
        actions=(*others, action)[-ACTIONS_MAX:],
        status=status or known.status,
        last_at=now if status and status not in STOPPED else known.last_at,
    )
