"""The list of the forgotten: an empty object per subject, outside the table of keys."""

from __future__ import annotations

from adapters.outbound.objects.ports import Objects

PREFIX = "forgotten/"


class ForgottenObjects:
    """The port ``ForgottenList``."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def add(self, subject: str) -> None:
        await self._objects.put(f"{PREFIX}{subject}", b"")

    async def all(self) -> list[str]:
        return [key.removeprefix(PREFIX) for key in await self._objects.keys(PREFIX)]
