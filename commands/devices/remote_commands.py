"""Submit and cancel a remote command; what the gateway and the clock do with it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from pydantic import Field

from commands.devices.ownership import Message, require_not_lost
from commands.kernel.dispatch import Unit
from domain.devices import lane as lanes
from domain.devices.capabilities import check_command
from domain.devices.device import DEVICE, Device, DeviceNotFound
from domain.devices.lane import LANE, CommandNotFound, Lane
from domain.devices.remote_command import CommandStatus
from domain.kernel.errors import InvalidInput


class SubmitRemoteCommand(Message):
    """``ttl`` and ``execution_timeout`` in seconds; ``idempotency_key`` as the client sent it.

    ``not_after``: the end of a guest's stay, which no ttl goes beyond. ``replaces``: beginning of
    the ids of the clients whose commands the ``collapse_key`` may supersede. Neither is the
    client's to say, so a repeated key is compared without them.
    """

    account_id: str
    client_id: str
    device_id: str
    command: str = Field(min_length=1, max_length=128)
    args: dict[str, Any] = {}
    ttl: int = Field(lanes.TTL_DEFAULT, ge=lanes.TTL_MIN, le=lanes.TTL_MAX)
    execution_timeout: int = Field(
        lanes.EXECUTION_TIMEOUT_DEFAULT,
        ge=lanes.EXECUTION_TIMEOUT_MIN,
        le=lanes.EXECUTION_TIMEOUT_MAX,
    )
    collapse_key: str | None = Field(None, min_length=1, max_length=64)
    idempotency_key: str | None = Field(None, min_length=1, max_length=255)
    not_after: datetime | None = None
    replaces: str = ""

    def body_hash(self) -> str:
        body = [self.command, self.args, self.ttl, self.execution_timeout, self.collapse_key]
        return _short_hash(json.dumps(body, sort_keys=True))

    def key_hash(self) -> str | None:
        """Scope of a key: client, account and target (the lane it is kept in)."""
        if self.idempotency_key is None:
            return None
        scope = [self.client_id, self.account_id, self.idempotency_key]
        return _short_hash(json.dumps(scope))


class CancelRemoteCommand(Message):
    account_id: str
    device_id: str
    number: int


class SendRemoteCommand(Message):
    device_id: str
    number: int
    session: str


class ReportReceipt(Message):
    device_id: str
    number: int


class ReportProgress(Message):
    device_id: str
    number: int
    percent: int | None = None
    detail: str | None = None


class ReportResult(Message):
    """``status``: SUCCEEDED with ``result``; FAILED or REJECTED with ``error`` and ``detail``."""

    device_id: str
    number: int
    status: CommandStatus
    result: dict[str, Any] = {}
    error: str = ""
    detail: str | None = None


class SweepLane(Message):
    device_id: str


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def submit(unit: Unit, message: SubmitRemoteCommand) -> int:
    """The command's number, stored before this returns; the same one for a repeated key."""
    lane = await unit.load(LANE, message.device_id)
    body_hash, key = message.body_hash(), message.key_hash()
    known = lanes.remembered(lane, key=key, body_hash=body_hash, at=unit.at)
    if known is not None:
        return known
    device = await _owned_device(unit, lane, message.device_id, message.account_id)
    if message.not_after is not None and message.not_after <= unit.at:
        raise DeviceNotFound("no such device")
    require_not_lost(device)
    args = check_command(device.capabilities, message.command, message.args)
    events = lanes.accept(
        lane,
        account_id=message.account_id,
        client_id=message.client_id,
        command=message.command,
        args=args,
        ttl=message.ttl,
        execution_timeout=message.execution_timeout,
        collapse_key=message.collapse_key,
        idempotency_key=key,
        body_hash=body_hash,
        at=unit.at,
        not_after=message.not_after,
        replaces=message.replaces,
    )
    unit.append(lane, events)
    return events[0].originator_version


async def _owned_device(unit: Unit, lane: Lane, device_id: str, account_id: str) -> Device:
    """The device from the cache where the freshly read lane vouches for it, else read anew.

    Claim, release and loss change device and lane in one transaction, so an open lane of the same
    claim proves that the cached owner and capabilities still hold. Its name is not read: the hot
    path needs no key.
    """
    device = await unit.load(DEVICE, device_id, cached=True, personal=False)
    if not lane.is_open or device.claimed_version != lane.device_version:
        device = await unit.load(DEVICE, device_id, personal=False)
    if not device.owned_by(account_id):
        raise DeviceNotFound("no such device")
    unit.account_id = account_id
    return device


async def cancel(unit: Unit, message: CancelRemoteCommand) -> None:
    lane = await unit.load(LANE, message.device_id)
    await _owned_device(unit, lane, message.device_id, message.account_id)
    if message.number > lane.version or message.number <= lane.opened_at:
        raise CommandNotFound("no such command")
    unit.append(
        lane,
        lanes.cancel(lane, number=message.number, by=unit.context.principal, at=unit.at),
    )


async def _lane_of_gateway(unit: Unit, device_id: str, number: int) -> Lane:
    """From the cache: the gateway writes most of a lane, and the append finds out what it missed.

    Only a number that the cache has not heard of is worth a read.
    """
    lane = await unit.load(LANE, device_id, cached=True)
    if number > lane.version:
        lane = await unit.load(LANE, device_id)
    unit.account_id = lane.account_id
    return lane


async def _lane_of_report(unit: Unit, device_id: str, number: int) -> Lane:
    """As above; a device reports only what it was sent, so a cache that says otherwise is stale.

    Refusing appends nothing, hence no conflict would find that out.
    """
    lane = await _lane_of_gateway(unit, device_id, number)
    command = lane.open.get(number)
    if command is not None and command.status == CommandStatus.ACCEPTED:
        return await unit.load(LANE, device_id)
    return lane


async def send(unit: Unit, message: SendRemoteCommand) -> Lane:
    """Mark as sent; write the socket only if the stored events hold a ``RemoteCommandSent``."""
    lane = await _lane_of_gateway(unit, message.device_id, message.number)
    number, session = message.number, message.session
    unit.append(lane, lanes.send(lane, number=number, session=session, at=unit.at))
    return lane


async def report_receipt(unit: Unit, message: ReportReceipt) -> None:
    lane = await _lane_of_report(unit, message.device_id, message.number)
    unit.append(lane, lanes.receipt(lane, number=message.number, at=unit.at))


async def report_progress(unit: Unit, message: ReportProgress) -> None:
    lane = await _lane_of_report(unit, message.device_id, message.number)
    events = lanes.progress(
        lane,
        number=message.number,
        percent=message.percent,
        detail=message.detail,
        at=unit.at,
    )
    unit.append(lane, events)


async def report_result(unit: Unit, message: ReportResult) -> None:
    lane = await _lane_of_report(unit, message.device_id, message.number)
    number, at = message.number, unit.at
    error, detail = message.error, message.detail
    if message.status == CommandStatus.SUCCEEDED:
        events = lanes.succeed(lane, number=number, result=message.result, at=at)
    elif message.status == CommandStatus.FAILED:
        events = lanes.fail(lane, number=number, error=error, detail=detail, at=at)
    elif message.status == CommandStatus.REJECTED:
        events = lanes.reject(lane, number=number, error=error, detail=detail, at=at)
    else:
        raise InvalidInput(f"{message.status} is no result", field="status")
    unit.append(lane, events)


async def sweep(unit: Unit, message: SweepLane) -> Lane:
    lane = await unit.load(LANE, message.device_id)
    unit.account_id = lane.account_id
    unit.append(lane, lanes.sweep(lane, at=unit.at))
    return lane
