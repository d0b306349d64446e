"""Whose home a request is about, and what the caller may do there: deny by default.

A home is its owner's account. In one's own nothing is looked up: what a request is about is tried
as the caller's own first, and only where that finds nothing, the device's row says whose it is, and
the read model ``memberships`` whether the caller is in that home. What a stranger is told differs
in nothing from what is told about a device or home that does not exist.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from adapters.inbound.http.auth import Caller
from adapters.inbound.http.container import Container
from domain.accounts.home import HomeNotFound
from domain.devices.device import DeviceNotFound
from domain.devices.lane import CommandNotFound
from domain.devices.roles import Action, Role, RoleForbids, may, require
from projections.devices.memberships import MembershipRow
from projections.devices.remote_commands import RemoteCommandRow

TRUSTED_FOR = 5.0
"""Seconds that a process goes by a membership that it has read; a stay's end counts at once."""
REMEMBERED = 10_000
T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """``home_id``: the account whose devices these are; ``account_id``: the caller's. ``ends_at``:
    when a guest's stay is over."""

    home_id: str
    account_id: str
    role: Role
    token_id: str
    ends_at: datetime | None = None

    @classmethod
    def own(cls, caller: Caller) -> Access:
        return cls(caller.account_id, caller.account_id, Role.OWNER, caller.grant.id)

    @property
    def client_id(self) -> str:
        """Who gives a command: a member stands in it as an account, whichever token is used."""
        return self.token_id if self.role is Role.OWNER else f"{self.account_id}:{self.token_id}"

    @property
    def replaces(self) -> str:
        """Whose commands a ``collapse_key`` may supersede, by the beginning of ``client_id``: what
        one may not cancel, one may not replace either."""
        return "" if self.may(Action.CANCEL_ANY_COMMAND) else f"{self.account_id}:"

    def may(self, action: Action) -> bool:
        return may(self.role, action)

    def require(self, action: Action) -> None:
        """Raises ``RoleForbids``."""
        require(self.role, action)

    def gave(self, row: RemoteCommandRow) -> bool:
        own = row.client_id.startswith(f"{self.account_id}:")
        return self.role is Role.OWNER or own

    def sees(self, row: RemoteCommandRow) -> bool:
        """Whether the command is one that the caller may know of."""
        of_home = row.account_id == self.home_id
        return of_home and (self.may(Action.SEE_HISTORY) or self.gave(row))


class Homes:
    def __init__(self, container: Container) -> None:
        self._devices = container.devices
        self._memberships = container.memberships
        self._clock = container.clock
        self._held: OrderedDict[tuple[str, str], tuple[MembershipRow, float]] = OrderedDict()

    async def of_home(
        self, caller: Caller, home_id: str | None, action: Action, *, fresh: bool = False
    ) -> Access:
        """None: the caller's own. ``fresh``: as the read model has it now.

        Raises ``HomeNotFound``, ``RoleForbids``.
        """
        if home_id is None or home_id == caller.account_id:
            return Access.own(caller)
        access = await self._elsewhere(caller, home_id, fresh=fresh)
        if access is None:
            raise HomeNotFound("no such home")
        access.require(action)
        return access

    async def acting(
        self,
        caller: Caller,
        device_id: str,
        action: Action,
        act: Callable[[Access], Awaitable[T]],
    ) -> T:
        """``act`` in the caller's own home, or in the one that the device belongs to: it has to
        refuse with ``DeviceNotFound`` or ``CommandNotFound`` what is not that home's, and must have
        done nothing then. Raises ``RoleForbids``, or what ``act`` does."""
        try:
            return await act(Access.own(caller))
        except (DeviceNotFound, CommandNotFound):
            access = await self._of_device(caller, device_id)
            if access is None:
                raise
        access.require(action)
        return await act(access)

    async def require_same(self, caller: Caller, access: Access, action: Action) -> None:
        """For answers that outlive the look at a membership: raises when it is not what it was."""
        if access.role is Role.OWNER:
            return
        now = await self.of_home(caller, access.home_id, action, fresh=True)
        if now.role is not access.role:
            raise RoleForbids("the role has changed; ask again", role=now.role, action=action)

    async def _of_device(self, caller: Caller, device_id: str) -> Access | None:
        row = await self._devices.get(device_id)
        if row is None or row.account_id is None or row.account_id == caller.account_id:
            return None
        return await self._elsewhere(caller, row.account_id)

    async def _elsewhere(
        self, caller: Caller, home_id: str, *, fresh: bool = False
    ) -> Access | None:
        row = await self._membership(caller.account_id, home_id, fresh=fresh)
        role = row.role_at(self._clock.now()) if row else None
        if row is None or role is None or role is Role.OWNER:
            return None
        return Access(home_id, caller.account_id, role, caller.grant.id, row.ends_at)

    async def _membership(
        self, account_id: str, home_id: str, *, fresh: bool
    ) -> MembershipRow | None:
        """Only what grants something is remembered, so that a new member waits for nothing more."""
        key, now = (account_id, home_id), asyncio.get_running_loop().time()
        held = self._held.get(key)
        if held is not None and held[1] > now and not fresh:
            return held[0]
        row = await self._memberships.get(account_id, home_id)
        self._held.pop(key, None)
        if row is not None and row.role is not None:
            self._held[key] = (row, now + TRUSTED_FOR)
            while len(self._held) > REMEMBERED:
                self._held.popitem(last=False)
        return row
