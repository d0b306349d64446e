"""What a live stream begins with: all devices of the account, and their latest commands."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.inbound.http.container import Container
from adapters.inbound.http.fresh import Rows, mended
from adapters.inbound.http.reading import Devices
from adapters.inbound.http.translation import Sees
from adapters.inbound.http.views import command_json
from projections.devices.devices import DeviceRow

PAGE = 100
DEVICES = 1_000
"""Devices in a snapshot; an account with more pages through the list."""
WITH_COMMANDS = 50
COMMANDS_EACH = 5
AT_ONCE = 8


class Snapshots:
    def __init__(self, container: Container, devices: Devices) -> None:
        self._devices_query = container.devices
        self._commands_query = container.commands
        self._devices = devices
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def take(
        self, account_id: str, known: Rows | None = None, sees: Sees | None = None
    ) -> dict[str, Any]:
        """``known``: devices' rows that it may not lag behind; then commands are as of now too.
        ``sees``: of which commands it tells; None: of all that are the account's."""
        rows = await self._rows(account_id, known or {})
        recent = [
            self._recent(row.device_id, account_id, sees, consistent=known is not None)
            for row in rows[:WITH_COMMANDS]
        ]
        devices, *commands = await asyncio.gather(self._devices.shown(rows), *recent)
        return {"devices": devices, "commands": [one for some in commands for one in some]}

    async def _rows(self, account_id: str, known: Rows) -> list[DeviceRow]:
        rows: list[DeviceRow] = []
        cursor: str | None = None
        while len(rows) < DEVICES:
            after = cursor
            found = await self._devices_query.list(account_id, limit=PAGE, cursor=after)
            page, cursor = mended(found, known, account_id, limit=PAGE, after=after)
            rows += page
            if cursor is None:
                break
        return rows

    async def _recent(
        self, device_id: str, account_id: str, sees: Sees | None, *, consistent: bool
    ) -> list[dict[str, Any]]:
        async with self._slots:
            rows = await self._commands_query.list(
                device_id, limit=COMMANDS_EACH, before=None, consistent=consistent
            )
        mine = [row for row in rows if row.account_id == account_id]
        return [command_json(row) for row in mine if sees is None or sees(row)]
