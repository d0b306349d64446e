"""What the devices' write side needs beyond the kernel's ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from domain.kernel.event import Event
from domain.kernel.recorded import Context


@dataclass(frozen=True)
class LaneMoved:
    """A lane event that some other process stored; ``event`` is validated, but may be stale."""

    device_id: str
    event: Event
    context: Context | None = None


@dataclass(frozen=True)
class LookAtLane:
    """Something in the lane wants attention; what it is has to be read from the store."""

    device_id: str


@dataclass(frozen=True)
class CutSession:
    """Close the device's session: released, lost (``session`` None), or taken over elsewhere."""

    device_id: str
    session: str | None


@dataclass(frozen=True)
class Reconnected:
    """Redis was away: hints may have been lost, so every served lane has to be read again."""


GatewayHint = LaneMoved | LookAtLane | CutSession | Reconnected


class Sessions(Protocol):
    """Presence and routing, as one gateway writes them. Raises ``HintsUnavailable``."""

    async def connected(self, device_id: str, session: str, account_id: str) -> None:
        """Route the device here, unless a newer session is there; cuts the older one elsewhere."""

    async def routed(self, device_id: str) -> str | None:
        """The session that the device was last routed to, if that is known."""

    async def disconnected(self, device_id: str, session: str, account_id: str) -> None:
        """Stop routing; the device counts as online for 10 s more, if this was its session."""

    async def alive(self) -> bool:
        """Say that this gateway lives (for 10 s). False: Redis had forgotten, register again."""

    def hints(self) -> AbstractAsyncContextManager[AsyncIterator[GatewayHint]]:
        """What is addressed to this gateway; survives the loss of Redis."""


class Watchers(Protocol):
    """Tell an account's apps what is no event: presence, reported state, percentages."""

    async def tell(self, account_id: str, message: dict[str, Any]) -> None:
        """Never raises; the message may be lost."""


class Twins(Protocol):
    """Reported state: the last one a device told, by session and sequence."""

    async def report(
        self,
        device_id: str,
        *,
        claim: int,
        session: str,
        sequence: int,
        state: dict[str, dict[str, Any]],
    ) -> bool:
        """Merge a report by cluster; False when a later one is already there.

        ``claim``: the lane's opening (``opened_at``); a later one starts from nothing. Raises
        ``TooLarge`` or ``InvalidInput`` for what can never be stored.
        """


class OwnedDevices(Protocol):
    """The read model's view, which may lag. Raises ``StoreUnavailable``."""

    async def of_account(self, account_id: str) -> Sequence[str]:
        """Ids of all devices that an account owns."""


class ForgettableTwins(Protocol):
    async def forget(self, device_id: str) -> None:
        """Delete what the device reported. Raises ``StoreUnavailable``."""


class Lanes(Protocol):
    async def nudge(self, device_ids: Sequence[str]) -> None:
        """Hint the gateways of these devices to look at their lanes; never raises."""
