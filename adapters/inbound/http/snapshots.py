"""What a live stream begins with: all devices of the account, and their latest commands."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.inbound.http.container import Container
from adapters.inbound.http.reading import Devices
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

    async def take(self, account_id: str) -> dict[str, Any]:
        rows = await self._rows(account_id)
        recent = [self._recent(row.device_id, account_id) for row in rows[:WITH_COMMANDS]]
        devices, *commands = await asyncio.gather(self._devices.shown(rows), *recent)
        return {"devices": devices, "commands": [one for some in commands for one in some]}

    async def _rows(self, account_id: str) -> list[DeviceRow]:
        rows: list[DeviceRow] = []
        cursor: str | None = None
        while len(rows) < DEVICES:
            page, cursor = await self._devices_query.list(account_id, limit=PAGE, cursor=cursor)
            rows += page
            if cursor is None:
                break
        return rows

    async def _recent(self, device_id: str, account_id: str) -> list[dict[str, Any]]:
        async with self._slots:
            rows = await self._commands_query.list(device_id, limit=COMMANDS_EACH, before=None)
        return [command_json(row) for row in rows if row.account_id == account_id]
