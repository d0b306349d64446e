"""Objects in this process."""

from __future__ import annotations

from domain.kernel.errors import ContractError


class MemoryObjects:
    """The port ``Objects``."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    async def put(self, key: str, body: bytes) -> None:
        self.bodies[key] = body

    async def get(self, key: str, *, limit: int) -> bytes | None:
        body = self.bodies.get(key)
        if body is not None and len(body) > limit:
            raise ContractError(f"an object has more than {limit} bytes")
        return body

    async def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.bodies if key.startswith(prefix))
