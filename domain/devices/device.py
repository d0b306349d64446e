"""A device: who owns it, what it is called and what it can do.

Stream ``device-{device id}``. The id comes from the device's own key, so that the stream goes on
over releases and new owners. Releasing or losing a device also closes its lane, in the same
transaction (``commands/devices/ownership.py``).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, assert_never, cast

from pydantic import Field

from domain.devices.capabilities import Capabilities, DeviceKind
from domain.kernel.errors import Conflict, InvalidInput, NotFound, Refused
from domain.kernel.event import Aggregate, Event, State, register
from domain.kernel.ids import AccountId
from domain.kernel.machine import Machine, Move, moves
from domain.kernel.personal import Personal


class DeviceStatus(StrEnum):
    CLAIMED = "CLAIMED"
    LOST = "LOST"
    RELEASED = "RELEASED"


C, L, R = DeviceStatus.CLAIMED, DeviceStatus.LOST, DeviceStatus.RELEASED
MACHINE = Machine(
    (
        *moves((None, R), (C,), "owner", "the device proves that it holds its key"),
        Move(C, L, "owner", "stolen or gone: credential revoked, lane closed, still owned"),
        *moves((C, L), (R,), "owner", "credential revoked, lane closed, free for the next owner"),
    )
)


class DeviceAlreadyClaimed(Conflict):
    """Somebody owns the device; it has to be released first."""

    code = "device_already_claimed"
    retryable = False


class DeviceNotFound(NotFound):
    code = "device_not_found"


class ProofTooOld(Refused):
    """The proof of the key is older than the device's release: it may be somebody's copy."""

    code = "proof_too_old"


class DeviceLost(Refused):
    """The device was reported lost: it takes no commands."""

    code = "device_lost"


DeviceName = Annotated[str, Field(min_length=1, max_length=128), Personal()]


class DeviceClaimed(Event):
    TOPIC: ClassVar[str] = "devices.device_claimed"
    SUBJECT: ClassVar[str | None] = "account_id"
    account_id: str
    name: DeviceName
    kind: DeviceKind
    capabilities: Capabilities


class DeviceRenamed(Event):
    """``account_id`` is missing in events from before names were sealed."""

    TOPIC: ClassVar[str] = "devices.device_renamed"
    SUBJECT: ClassVar[str | None] = "account_id"
    name: DeviceName
    account_id: str | None = None


class DeviceReportedLost(Event):
    TOPIC: ClassVar[str] = "devices.device_reported_lost"
    by: str


class DeviceReleased(Event):
    TOPIC: ClassVar[str] = "devices.device_released"
    by: str


DeviceEvent = DeviceClaimed | DeviceRenamed | DeviceReportedLost | DeviceReleased
register(DeviceClaimed, DeviceRenamed, DeviceReportedLost, DeviceReleased)


class Device(State):
    SUBJECT: ClassVar[str | None] = "account_id"

    status: DeviceStatus | None = None
    account_id: AccountId | None = None
    name: Annotated[str, Personal()] = ""
    kind: DeviceKind | None = None
    capabilities: Capabilities = ()
    claimed_version: int = 0
    released_at: datetime | None = None

    def owned_by(self, account_id: str) -> bool:
        return self.status in (C, L) and self.account_id == account_id


def fold(state: Device, event: Event) -> Device:
    known = cast("DeviceEvent", event)
    version = event.originator_version
    match known:
        case DeviceClaimed():
            return Device(
                stream=state.stream,
                version=version,
                status=MACHINE.enter(state.status, C),
                account_id=AccountId(known.account_id),
                name=known.name,
                kind=known.kind,
                capabilities=known.capabilities,
                claimed_version=version,
            )
        case DeviceRenamed():
            return state.model_copy(update={"version": version, "name": known.name})
        case DeviceReportedLost():
            status = MACHINE.enter(state.status, L)
            return state.model_copy(update={"version": version, "status": status})
        case DeviceReleased():
            status = MACHINE.enter(state.status, R)
            at = event.timestamp
            return Device(stream=state.stream, version=version, status=status, released_at=at)
        case _:
            assert_never(known)


DEVICE = Aggregate("device", Device, fold, snapshot_every=50, code_version=2)
"""Since 2 snapshots are sealed."""


def claim(
    device: Device,
    *,
    account_id: str,
    name: str,
    kind: DeviceKind,
    capabilities: Capabilities,
    proved_at: datetime | None = None,
    at: datetime,
) -> list[Event]:
    """``proved_at``: when the device signed its proof, in whole seconds; None where an operator
    vouches for it. Claiming one's own device again changes nothing."""
    if device.status == C and device.account_id == account_id:
        return []
    if device.status in (C, L):
        raise DeviceAlreadyClaimed("the device has an owner; it must be released first")
    if device.released_at and proved_at and proved_at < device.released_at.replace(microsecond=0):
        raise ProofTooOld("the device has been released since; let it sign a new proof")
    clusters = [capability.cluster for capability in capabilities]
    if len(set(clusters)) < len(clusters):
        raise InvalidInput("a cluster may be given once", field="capabilities")
    return [
        DeviceClaimed(
            originator_id=device.stream,
            originator_version=device.version + 1,
            timestamp=at,
            account_id=account_id,
            name=name,
            kind=kind,
            capabilities=capabilities,
        )
    ]


def rename(device: Device, *, name: str, at: datetime) -> list[Event]:
    if device.status not in (C, L) or device.name == name:
        return []
    return [
        DeviceRenamed(
            originator_id=device.stream,
            originator_version=device.version + 1,
            timestamp=at,
            name=name,
            account_id=device.account_id,
        )
    ]


def report_lost(device: Device, *, by: str, at: datetime) -> list[Event]:
    if device.status != C:
        return []
    return [
        DeviceReportedLost(
            originator_id=device.stream,
            originator_version=device.version + 1,
            timestamp=at,
            by=by,
        )
    ]


def release(device: Device, *, by: str, at: datetime) -> list[Event]:
    if device.status not in (C, L):
        return []
    return [
        DeviceReleased(
            originator_id=device.stream,
            originator_version=device.version + 1,
            timestamp=at,
            by=by,
        )
    ]
