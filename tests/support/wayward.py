"""Simulated devices for tests: they remember what came, and lose their connection when told to."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.inbound.cli.device_client import DeviceClient, Pauses
from adapters.inbound.cli.simulated_devices import SimulatedDevice
from adapters.inbound.cli.simulator import Member
from domain.devices.capabilities import DeviceKind

PROMPT = Pauses(first=0.2, longest=2.0, drained=0.5, refused=1.0)
"""Reconnect soon: a test has a minute, not a day."""


class WaywardDevice(DeviceClient):
    """``received``: every command message as it came, repeats included.

    ``drops_after_receipt``: break the connection right after so many receipts were sent.
    ``away_for``: seconds until it connects for the first time.
    """

    received: list[dict[str, Any]]
    drops_after_receipt: int = 0
    dropped: int = 0
    away_for: float = 0.0

    async def _take(self, command: dict[str, Any]) -> None:
        self.received.append(command)
        await super()._take(command)

    async def _send(self, message: dict[str, Any]) -> bool:
        sent = await super()._send(message)
        if message["type"] == "receipt" and self.drops_after_receipt > 0:
            self.drops_after_receipt -= 1
            self.drop()
        return sent

    def drop(self) -> None:
        """As if the cable were cut; the command under way goes on."""
        if self._socket is not None:
            self.dropped += 1
            self._socket.transport.abort()


def make_device(
    gateway_url: str,
    name: str,
    kind: DeviceKind,
    *,
    latency: tuple[float, float] = (0.02, 0.15),
    receipt_after: float = 2.0,
) -> tuple[Member, WaywardDevice]:
    """A new device with a key of its own, not claimed yet."""
    key = Ed25519PrivateKey.generate()
    behind = SimulatedDevice(kind, latency=latency, seed=name)
    client = WaywardDevice(gateway_url, key, behind, receipt_after=receipt_after, pauses=PROMPT)
    client.received = []
    return Member(name, kind, key, behind, client), client
