"""What other parts of the platform hold about an account, for the download of one's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.inbound.http.container import DevicesQuery, MembershipsQuery
from commands.accounts.oauth.grants import list_services
from commands.accounts.oauth.parts import OAuth
from commands.kernel.ports import Clock

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


@dataclass(frozen=True)
class MembershipsSection:
    """Of the homes of others; what has ended is left out."""

    memberships: MembershipsQuery
    clock: Clock
    name: str = "memberships"

    async def export(self, account_id: str) -> Sequence[Any]:
        now = self.clock.now()
        return [
            {
                "home_id": one.home_id,
                "role": one.role,
                "since": one.began_at.isoformat(),
                "ends_at": one.ends_at.isoformat() if one.ends_at else None,
            }
            for one in await self.memberships.homes_of(account_id)
            if one.role_at(now)
        ]
