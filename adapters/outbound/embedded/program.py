"""A program to be run beside others: what to start, and how to know that it is ready."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Ready = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    return True


@dataclass(frozen=True)
class Program:
    """``environment`` is the whole of it. ``grace``: seconds between SIGTERM and SIGKILL."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Ready = at_once
    grace: float = 10.0
