"""The projector: what arrives on the projections' queues goes through the gates into the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from adapters.faststream_aws import Backoff, SQSBroker, SQSQueue
from commands.devices.ports import Lanes, Watchers
from domain.devices.device import DeviceStatus
from domain.devices.remote_command import CommandStatus
from domain.kernel.recorded import Recorded
from projections.devices.devices import DeviceRow
from projections.devices.remote_commands import RemoteCommandRow
from projections.kernel.gate import Gate

log = structlog.get_logger("homecast.projector")

GROUPS_AT_ONCE = 24
RETRY_DELAY = Backoff(first=0.5, maximum=30.0)
"""A failing group comes back after these pauses; redrive ends it after ten receives."""

Decode = Callable[[Mapping[str, Any]], Recorded]
Told = Callable[[Any], Any]


class Projector:
    """Applies batches of one stream's events, then tells watchers what the rows now say.

    Telling is a hint: it repairs what the faster hints of the write side lost.
    """

    def __init__(
        self,
        *,
        devices: Gate[DeviceRow],
        remote_commands: Gate[RemoteCommandRow],
        decode: Decode,
        watchers: Watchers,
        lanes: Lanes,
    ) -> None:
        self._devices = devices
        self._remote_commands = remote_commands
        self._decode = decode
        self._watchers = watchers
        self._lanes = lanes

    async def on_devices(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        started = time.perf_counter()
        recorded = [self._decode(body) for body in bodies]
        for row in await self._devices.apply(recorded):
            if row.status != DeviceStatus.CLAIMED:
                await self._lanes.nudge([row.device_id])
            if row.account_id:
                message = {"type": "device", "device": row.model_dump(mode="json")}
                await self._watchers.tell(row.account_id, message)
        _line("devices", recorded, started)

    async def on_remote_commands(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        started = time.perf_counter()
        recorded = [self._decode(body) for body in bodies]
        rows = await self._remote_commands.apply(recorded)
        unsent = {row.device_id for row in rows if row.status == CommandStatus.ACCEPTED}
        if unsent:
            await self._lanes.nudge(sorted(unsent))
        for row in rows:
            message = {"type": "command", "command": row.model_dump(mode="json")}
            await self._watchers.tell(row.account_id, message)
        _line("remote_commands", recorded, started)


def _line(projection: str, recorded: Sequence[Recorded], started: float) -> None:
    last = recorded[-1]
    log.info(
        "projected",
        projection=projection,
        stream=last.event.originator_id,
        version=last.event.originator_version,
        type=last.event.TOPIC,
        events=len(recorded),
        correlation=last.context.correlation_id,
        causation=last.context.causation_id,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )


def subscribe(
    broker: SQSBroker,
    projector: Projector,
    *,
    devices_queue: str,
    remote_commands_queue: str,
    wait_seconds: int,
    poll_interval: float,
) -> None:
    """One FIFO queue per projection; groups in parallel, a group's events in one batch."""

    def listen(queue: str, handler: Callable[[Sequence[Mapping[str, Any]]], Any]) -> None:
        async def handle(bodies: list[dict[str, Any]]) -> None:
            await handler(bodies)

        broker.subscriber(
            SQSQueue.of(queue),
            batch=True,
            wait_time_seconds=wait_seconds,
            poll_interval=poll_interval or None,
            max_concurrency=GROUPS_AT_ONCE,
            retry_delay=RETRY_DELAY,
        )(handle)

    listen(devices_queue, projector.on_devices)
    listen(remote_commands_queue, projector.on_remote_commands)
