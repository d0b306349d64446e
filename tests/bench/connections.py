"""Idle devices on one gateway: memory per connection, connections a second."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect

from adapters import bootstrap
from adapters.inbound.cli.device_client import connect_token
from commands.devices.ownership import ClaimDevice, claim_device
from domain.devices.capabilities import DeviceKind
from domain.kernel.ids import device_id_of
from domain.kernel.recorded import Context
from tests.support.platform import Platform

CLAIMS_AT_ONCE = 32
CONNECTS_AT_ONCE = 64


@dataclass(frozen=True)
class Connections:
    count: int
    kilobytes_each: float
    per_second: float
    gateway_cpu_ms_each: float


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


async def claim_all(platform: Platform, keys: list[Ed25519PrivateKey]) -> None:
    """Through the command itself, without HTTP: claiming is not what is measured."""
    limit = asyncio.Semaphore(CLAIMS_AT_ONCE)
    async with bootstrap.operator(platform.settings) as parts:

        async def claim(key: Ed25519PrivateKey) -> None:
            message = ClaimDevice(
                account_id="01BENCH0000000000000000000",
                public_key=public_bytes(key),
                name="Bench",
                kind=DeviceKind.ON_OFF_LIGHT,
            )
            context = Context("bench", "bench", "bench")
            async with limit:
                await parts.dispatcher.execute(context, lambda unit: claim_device(unit, message))

        await asyncio.gather(*(claim(key) for key in keys))


async def measure(platform: Platform, count: int) -> Connections:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keys = [Ed25519PrivateKey.generate() for _ in range(count)]
    await claim_all(platform, keys)
    pid = platform.supervisor.pid("gateway")
    memory, cpu = resident_kilobytes(pid), cpu_seconds(pid)
    opened: list[ClientConnection] = []
    limit = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def open_one(key: Ed25519PrivateKey) -> None:
        token = connect_token(key, device_id_of(public_bytes(key)))
        async with limit:
            connection = await connect(
                platform.gateway_url,
                additional_headers={"Authorization": f"Bearer {token}"},
                subprotocols=["homecast.v1"],  # type: ignore[list-item]
                compression=None,
                ping_interval=None,
                proxy=None,
            )
            await connection.recv()
            opened.append(connection)

    started = time.perf_counter()
    await asyncio.gather(*(open_one(key) for key in keys))
    seconds = time.perf_counter() - started
    spent = cpu_seconds(pid) - cpu
    await asyncio.sleep(5)
    grown = resident_kilobytes(pid) - memory
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.gather(*(connection.close() for connection in opened))
    return Connections(count, grown / count, count / seconds, spent / count * 1000)


def resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / 100
