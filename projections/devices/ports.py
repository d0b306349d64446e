"""What the devices' read side needs from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol


class Presence(Protocol):
    async def online(self, device_ids: Sequence[str]) -> dict[str, bool]:
        """Session entry and living gateway, or gone for less than 10 s.

        Raises ``HintsUnavailable`` when Redis is away.
        """


@dataclass(frozen=True)
class FeedReset:
    """Redis was away: messages may be missing, so take a snapshot."""


class Feed(Protocol):
    """Live messages of an account, from the hint path: early, lossy, perhaps doubled.

    ``{"type": "event", "event": CloudEvent}``, ``{"type": "command", "command": row}``,
    ``{"type": "presence", "device_id", "online"}``, ``{"type": "twin", "device_id", "state"}``,
    ``{"type": "progress", "device_id", "number", "percent", "detail"}``.
    """

    def watch(
        self, account_id: str
    ) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any] | FeedReset]]: ...
