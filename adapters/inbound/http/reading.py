"""Reads of one device or command: the read model, and the store where that lags behind.

What was just accepted can be read at once: a row that is not there yet is folded from the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.inbound.http.container import Container, ReportedState
from adapters.inbound.http.views import device_json
from domain.devices.device import DEVICE, DeviceNotFound
from domain.devices.lane import LANE, CommandNotFound
from domain.devices.remote_command import OPEN, RemoteCommandAccepted
from domain.kernel.errors import HintsUnavailable
from domain.kernel.recorded import Recorded
from projections.devices.devices import DEVICES, DeviceRow
from projections.devices.remote_commands import (
    HISTORY_KEPT,
    REMOTE_COMMANDS,
    RemoteCommandRow,
)
from projections.kernel.gate import Projection, Row

NUMBER_MAX = 2**53 - 1


def folded(
    projection: Projection[Row], row: Row | None, recorded: Sequence[Recorded]
) -> Row | None:
    """The row after those of the events that come next for it, as the gate would have it."""
    for one in recorded:
        number = projection.number_of(one.event)
        if number != (row.applied if row else 0) + 1:
            continue
        changes = {
            "applied": number,
            "stream_version": one.event.originator_version,
            "generation": one.generation,
        }
        row = projection.fold(row, one.event).model_copy(update=changes)
    return row


def of_owner(twin: ReportedState | None, row: DeviceRow) -> ReportedState | None:
    """Not what the device reported while somebody else owned it."""
    return twin if twin and twin.reported_at >= row.claimed_at else None


class Devices:
    """Devices as their owner sees them; anybody else gets ``DeviceNotFound``."""

    def __init__(self, container: Container) -> None:
        self._query = container.devices
        self._store = container.store
        self._presence = container.presence
        self._twins = container.twins

    async def row(self, device_id: str, account_id: str) -> DeviceRow:
        """As of now: what the read model lacks is read from the stream."""
        row = await self._query.get(device_id)
        after = row.applied if row else 0
        tail = await self._store.read(DEVICE.stream(device_id), after=after)
        return self._owned(folded(DEVICES, row, tail), account_id)

    async def require_owner(self, device_id: str, account_id: str) -> None:
        row = await self._query.get(device_id)
        if row is None or row.account_id != account_id:
            await self.row(device_id, account_id)

    def _owned(self, row: DeviceRow | None, account_id: str) -> DeviceRow:
        if row is None or row.account_id != account_id:
            raise DeviceNotFound("no such device")
        return row

    async def shown(self, rows: Sequence[DeviceRow]) -> list[dict[str, Any]]:
        """With presence and reported state."""
        ids = [row.device_id for row in rows]
        if not ids:
            return []
        online, twins = await asyncio.gather(self.online(ids), self._twins.get_many(ids))
        return [
            device_json(
                row,
                online=online.get(row.device_id),
                twin=of_owner(twins.get(row.device_id), row),
            )
            for row in rows
        ]

    async def online(self, device_ids: Sequence[str]) -> dict[str, bool]:
        """Nothing about anybody while Redis is away."""
        try:
            return await self._presence.online(device_ids)
        except HintsUnavailable:
            return {}


class Commands:
    """Remote commands as the account that gave them sees them."""

    def __init__(self, container: Container) -> None:
        self._query = container.commands
        self._store = container.store
        self._clock = container.clock

    def new(
        self, device_id: str, number: int, recorded: Sequence[Recorded]
    ) -> RemoteCommandRow | None:
        """The command that has just been stored, if these events hold its acceptance."""
        key = (device_id, number)
        mine = [one for one in recorded if REMOTE_COMMANDS.key_of(one.event) == key]
        return folded(REMOTE_COMMANDS, None, mine)

    async def row(self, device_id: str, number: int, account_id: str) -> RemoteCommandRow:
        """Raises ``CommandNotFound``."""
        row = None
        if 0 < number <= NUMBER_MAX:
            row = await self._query.get(device_id, number)
            row = row or await self._from_store(device_id, number, self._clock.now())
        if row is None or row.account_id != account_id:
            raise CommandNotFound("no such command")
        return row

    async def open_ones(
        self, device_id: str, numbers: Sequence[int], account_id: str
    ) -> list[RemoteCommandRow]:
        """Those of them that are open, in this order; the store has what has no row yet."""
        held = {row.number: row for row in await self._query.get_many(device_id, numbers)}
        missing = [number for number in numbers if number not in held]
        if missing:
            tail = await self._store.read(LANE.stream(device_id), after=min(missing) - 1)
            folded_ones = [self.new(device_id, number, tail) for number in missing]
            held |= {row.number: row for row in folded_ones if row}
        rows = [held[number] for number in numbers if number in held]
        return [row for row in rows if row.account_id == account_id and row.status in OPEN]

    async def _from_store(
        self, device_id: str, number: int, now: datetime
    ) -> RemoteCommandRow | None:
        """None for a number that is no command's, and for one whose history has been purged."""
        first = await self._store.read(LANE.stream(device_id), after=number - 1, up_to=number)
        if not first or not isinstance(first[0].event, RemoteCommandAccepted):
            return None
        row = folded(REMOTE_COMMANDS, None, first)
        if row is None or row.accepted_at < now - HISTORY_KEPT:
            return None
        return await self.caught_up(row)

    async def caught_up(self, row: RemoteCommandRow) -> RemoteCommandRow:
        """With all that the lane says about the command by now."""
        tail = await self._store.read(LANE.stream(row.device_id), after=row.stream_version)
        return self.after(row, tail)

    def after(self, row: RemoteCommandRow, recorded: Sequence[Recorded]) -> RemoteCommandRow:
        """With those of the events that come next for it; no row is read."""
        key = (row.device_id, row.number)
        mine = [one for one in recorded if REMOTE_COMMANDS.key_of(one.event) == key]
        return folded(REMOTE_COMMANDS, row, mine) or row
