"""What other parts of the platform hold about an account, for the download of one's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.inbound.http.container import DevicesQuery
from commands.accounts.oauth.grants import list_services
from commands.accounts.oauth.parts import OAuth

PAGE = 50


@dataclass(frozen=True)
class ServicesSection:
    oauth: OAuth
    name: str = "linked_services"

    async def export(self, account_id: str) -> Sequence[Any]:
        return [
            {
                "client_id": one.client_id,
                "name": one.name,
                "scopes": list(one.scopes),
                "since": one.since.isoformat(),
                "last_used_at": one.last_used_at.isoformat(),
            }
            for one in await list_services(self.oauth, account_id)
        ]


@dataclass(frozen=True)
class DevicesSection:
    devices: DevicesQuery
    name: str = "devices"

    async def export(self, account_id: str) -> Sequence[Any]:
        found: list[Any] = []
        cursor: str | None = None
        while True:
            rows, cursor = await self.devices.list(account_id, limit=PAGE, cursor=cursor)
            found += [
                {
                    "device_id": one.device_id,
                    "name": one.name,
                    "kind": one.kind,
                    "claimed_at": one.claimed_at.isoformat(),
                }
                for one in rows
            ]
            if cursor is None:
                return found
