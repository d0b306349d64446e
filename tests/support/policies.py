"""What a policy's runner needs, in memory, with a place to stop at before and after every call."""

from __future__ import annotations

from typing import Any

from adapters.inbound.workers.ports import PolicyRow
from commands.kernel.policy import Effect, Timeout
from domain.kernel.recorded import Context
from projections.kernel.gate import Held, Key


class Stopped(Exception):
    """The process ended here."""


class Stops:
    """Counts the await points that are passed, and ends the process at chosen ones."""

    def __init__(self, *stops: int) -> None:
        self._stops = set(stops)
        self.passed = 0

    async def reach(self) -> None:
        self.passed += 1
        if self.passed in self._stops:
            raise Stopped


class PolicyWorld:
    """Rows, time-outs, outbox and commands, which outlive the process."""

    def __init__(self, stops: Stops | None = None) -> None:
        self.stops = stops or Stops()
        self.rows: dict[Key, PolicyRow] = {}
        self.timeouts: dict[str, Timeout] = {}
        self.effects: list[Effect] = []
        self.commands: list[tuple[str, Any]] = []

    async def get(self, key: Key) -> Held[PolicyRow] | None:
        await self.stops.reach()
        row = self.rows.get(key)
        if row is None:
            return None
        return Held.of(PolicyRow.model_validate_json(row.model_dump_json()))

    async def put(self, *args: Any) -> Any:
        """Of an effect into the outbox, or of a row under the gate's condition."""
        await self.stops.reach()
        done = self._put(*args)
        await self.stops.reach()
        return done

    def _put(
        self,
        new: Any,
        held: Held[PolicyRow] | None = None,
        previous: Held[PolicyRow] | None = None,
    ) -> bool:
        if isinstance(new, Effect):
            self.effects.append(new)
            return True
        stored = self.rows.get(new)
        if place_of(stored) != place_of(previous.row if previous else None):
            return False
        assert held is not None
        assert held.row is not None
        self.rows[new] = held.row
        return True

    async def schedule(self, timeout: Timeout) -> None:
        await self.stops.reach()
        self.timeouts[timeout.id] = timeout
        await self.stops.reach()

    async def cancel(self, timeout: Timeout) -> None:
        await self.stops.reach()
        self.timeouts.pop(timeout.id, None)
        await self.stops.reach()

    async def handle(self, context: Context, command: Any) -> None:
        await self.stops.reach()
        self.commands.append((context.causation_id, command))
        await self.stops.reach()


def place_of(row: PolicyRow | None) -> tuple[int, int] | None:
    return None if row is None else (row.generation, row.applied)
