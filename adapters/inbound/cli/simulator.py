"""Simulated devices on the real protocol: keys of their own, claimed for an account, connected."""

from __future__ import annotations

import asyncio
import base64
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.inbound.cli.device_client import DeviceClient, Pauses, public_key_of, signed
from adapters.inbound.cli.simulated_devices import SimulatedDevice
from domain.devices.capabilities import DeviceKind

CLAIM_AUDIENCE = "homecast:claim"
HOME_PAUSES = Pauses(first=0.3, longest=4.0, drained=2.0)
"""Shorter than a fleet's: a home is small, and somebody is watching it."""
CLAIMS_AT_ONCE = 8
CLAIM_ATTEMPTS = 30

HOME: tuple[tuple[str, DeviceKind], ...] = (
    ("Hall light", DeviceKind.ON_OFF_LIGHT),
    ("Living room dimmer", DeviceKind.DIMMABLE_LIGHT),
    ("Kitchen colour light", DeviceKind.EXTENDED_COLOR_LIGHT),
    ("Coffee machine", DeviceKind.ON_OFF_PLUG_IN_UNIT),
    ("Living room heating", DeviceKind.THERMOSTAT),
    ("Front door", DeviceKind.DOOR_LOCK),
    ("Bedroom blind", DeviceKind.WINDOW_COVERING),
    ("Balcony temperature", DeviceKind.TEMPERATURE_SENSOR),
    ("Bathroom humidity", DeviceKind.HUMIDITY_SENSOR),
    ("South window light", DeviceKind.LIGHT_SENSOR),
    ("Stairs motion", DeviceKind.OCCUPANCY_SENSOR),
    ("Garden gate", DeviceKind.CONTACT_SENSOR),
)
"""The first twelve devices; further ones repeat them with a number behind the name."""

log = structlog.get_logger("homecast.simulator")


@dataclass(frozen=True)
class Member:
    """One device of the home."""

    name: str
    kind: DeviceKind
    key: Ed25519PrivateKey
    device: SimulatedDevice
    client: DeviceClient


class Simulation:
    """``members`` once ``claim`` has run; ``run`` connects them until cancelled."""

    def __init__(
        self,
        api_url: str,
        gateway_url: str,
        token: str,
        *,
        devices: int,
        directory: Path,
        kinds: Sequence[DeviceKind] | None = None,
        latency: tuple[float, float] = (0.02, 0.15),
        pauses: Pauses | None = None,
    ) -> None:
        self._api_url = api_url
        self._token = token
        self._gateway_url = gateway_url
        self._directory = directory
        self._latency = latency
        self._pauses = pauses or HOME_PAUSES
        directory.mkdir(parents=True, exist_ok=True)
        self.members = [self._member(*one) for one in home(devices, kinds)]

    @property
    def clients(self) -> list[DeviceClient]:
        return [member.client for member in self.members]

    def _member(self, index: int, name: str, kind: DeviceKind) -> Member:
        key = kept_key(self._directory / f"device-{index:05}.pem")
        device = SimulatedDevice(kind, latency=self._latency)
        memory = self._directory / f"device-{index:05}.json"
        client = DeviceClient(self._gateway_url, key, device, memory=memory, pauses=self._pauses)
        return Member(name, kind, key, device, client)

    async def claim(self) -> None:
        """Claiming one's own device again changes nothing, so this may be repeated."""
        limit = asyncio.Semaphore(CLAIMS_AT_ONCE)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with httpx.AsyncClient(
            base_url=self._api_url, headers=headers, timeout=10, trust_env=False
        ) as api:

            async def one(member: Member) -> None:
                async with limit:
                    await claim(api, member)

            await asyncio.gather(*(one(member) for member in self.members))
        log.info("devices_claimed", devices=len(self.members))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(member.client.run())
                group.create_task(member.device.live(member.client.report))


async def simulate(
    api_url: str,
    gateway_url: str,
    token: str,
    *,
    devices: int,
    directory: Path,
    kinds: Sequence[DeviceKind] | None = None,
    latency: tuple[float, float] = (0.02, 0.15),
) -> None:
    """Claim and connect so many devices, until cancelled. ``directory`` keeps keys and numbers."""
    simulation = await asyncio.to_thread(
        lambda: Simulation(
            api_url,
            gateway_url,
            token,
            devices=devices,
            directory=directory,
            kinds=kinds,
            latency=latency,
        )
    )
    await simulation.claim()
    await simulation.run()


def home(
    devices: int, kinds: Sequence[DeviceKind] | None = None
) -> list[tuple[int, str, DeviceKind]]:
    """Number, name and kind of each device."""
    chosen = [one for one in HOME if kinds is None or one[1] in kinds]
    found = []
    for index in range(devices):
        name, kind = chosen[index % len(chosen)]
        turn = index // len(chosen) + 1
        found.append((index + 1, name if turn == 1 else f"{name} {turn}", kind))
    return found


def kept_key(file: Path) -> Ed25519PrivateKey:
    """The key in the file, made at its first use, for the owner's eyes only."""
    if not file.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:  # noqa: PTH123
            out.write(pem)
        return key
    kept = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(kept, Ed25519PrivateKey):
        raise TypeError(f"{file} holds another kind of key")
    return kept


async def claim(api: httpx.AsyncClient, member: Member) -> None:
    """Patient with an API that starts or is busy; ``httpx.HTTPStatusError`` when refused."""
    for attempt in range(CLAIM_ATTEMPTS):
        try:
            answer = await api.post("/v1/devices", json=claim_body(member))
        except httpx.TransportError:
            if attempt == CLAIM_ATTEMPTS - 1:
                raise
        else:
            if answer.status_code not in (429, 503):
                answer.raise_for_status()
                return
        await asyncio.sleep(min(5.0, 0.2 * 1.5**attempt) * random.uniform(0.5, 1))  # noqa: S311
    raise TimeoutError(f"{member.name} could not be claimed")


def claim_body(member: Member) -> dict[str, str]:
    pub = base64.urlsafe_b64encode(public_key_of(member.key)).rstrip(b"=").decode()
    proof = signed(member.key, CLAIM_AUDIENCE, pub=pub)
    return {"name": member.name, "kind": member.kind.value, "proof": proof}
