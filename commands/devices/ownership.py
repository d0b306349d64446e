"""Claim, rename, release a device, or report it lost: device, lane and credential move together."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from commands.kernel.dispatch import Unit
from domain.devices import device as devices
from domain.devices import lane as lanes
from domain.devices.capabilities import KINDS, Capabilities, DeviceKind
from domain.devices.departure import DEPARTURE
from domain.devices.device import DEVICE, Device, DeviceLost, DeviceNotFound, DeviceStatus
from domain.devices.lane import LANE
from domain.kernel.errors import PreconditionFailed, SubjectForgotten
from domain.kernel.ids import device_id_of


class Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClaimDevice(Message):
    """``public_key``: the Ed25519 key that the device has proved to hold (32 bytes)."""

    account_id: str
    public_key: bytes = Field(min_length=32, max_length=32)
    name: str = Field(min_length=1, max_length=128)
    kind: DeviceKind
    capabilities: Capabilities | None = None
    proved_at: datetime | None = None


class RenameDevice(Message):
    account_id: str
    device_id: str
    name: str = Field(min_length=1, max_length=128)
    expected_version: int | None = None


class ReleaseDevice(Message):
    account_id: str
    device_id: str
    expected_version: int | None = None


class ReportDeviceLost(Message):
    account_id: str
    device_id: str


def credential_key(device_id: str) -> str:
    """Vault key of a device's credential: ``{"public_key": hex}``; no item, no connection."""
    return f"device-credential#{device_id}"


async def owned(unit: Unit, device_id: str, account_id: str) -> Device:
    """The caller's device, or ``DeviceNotFound``: another account's does not exist for it."""
    device = await unit.load(DEVICE, device_id)
    if not device.owned_by(account_id):
        raise DeviceNotFound("no such device")
    unit.account_id = account_id
    return device


def require_version(device: Device, expected: int | None) -> None:
    if expected is not None and expected != device.version:
        raise PreconditionFailed("the device has changed", current=device.version)


async def claim_device(unit: Unit, message: ClaimDevice) -> tuple[str, int]:
    """The device's id and version; claiming one's own device again changes nothing."""
    device_id = device_id_of(message.public_key)
    await require_staying(unit, message.account_id)
    device = await unit.load(DEVICE, device_id)
    unit.account_id = message.account_id
    events = devices.claim(
        device,
        account_id=message.account_id,
        name=message.name,
        kind=message.kind,
        capabilities=message.capabilities or KINDS[message.kind],
        proved_at=message.proved_at,
        at=unit.at,
    )
    version = device.version + len(events)
    if events:
        lane = await unit.load(LANE, device_id)
        unit.append(device, events)
        opened = lanes.open_lane(
            lane, account_id=message.account_id, device_version=version, at=unit.at
        )
        unit.append(lane, opened)
        unit.write_vault(credential_key(device_id), {"public_key": message.public_key.hex()})
    return device_id, version


async def rename_device(unit: Unit, message: RenameDevice) -> int:
    device = await owned(unit, message.device_id, message.account_id)
    require_version(device, message.expected_version)
    events = devices.rename(device, name=message.name, at=unit.at)
    unit.append(device, events)
    return device.version + len(events)


async def release_device(unit: Unit, message: ReleaseDevice) -> None:
    device = await owned(unit, message.device_id, message.account_id)
    require_version(device, message.expected_version)
    unit.append(device, devices.release(device, by=unit.context.principal, at=unit.at))
    await _cut_off(unit, message.device_id, reason="released")


async def report_device_lost(unit: Unit, message: ReportDeviceLost) -> int:
    device = await owned(unit, message.device_id, message.account_id)
    events = devices.report_lost(device, by=unit.context.principal, at=unit.at)
    if events:
        unit.append(device, events)
        await _cut_off(unit, message.device_id, reason="lost")
    return device.version + len(events)


async def _cut_off(unit: Unit, device_id: str, *, reason: str) -> None:
    lane = await unit.load(LANE, device_id)
    closing = lanes.close_lane(lane, by=unit.context.principal, reason=reason, at=unit.at)
    unit.append(lane, closing)
    unit.write_vault(credential_key(device_id), None)


async def require_staying(unit: Unit, account_id: str) -> None:
    """Raises ``SubjectForgotten`` for an account whose devices are being released for good."""
    departure = await unit.load(DEPARTURE, account_id)
    if departure.status is not None:
        raise SubjectForgotten("the account is being forgotten")


def require_not_lost(device: Device) -> None:
    if device.status == DeviceStatus.LOST:
        raise DeviceLost("the device was reported lost")
