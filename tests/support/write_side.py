"""The write side on memory, with a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any

from adapters.outbound.memory.store import MemoryEventStore, MemorySnapshotStore
from commands.devices import ownership, remote_commands
from commands.devices.ownership import ClaimDevice, ReleaseDevice, RenameDevice, ReportDeviceLost
from commands.devices.remote_commands import (
    CancelRemoteCommand,
    ReportProgress,
    ReportReceipt,
    ReportResult,
    SendRemoteCommand,
    SubmitRemoteCommand,
    SweepLane,
)
from commands.kernel.dispatch import Decide, Dispatcher, Repository
from commands.kernel.ports import EventStore
from domain.devices.capabilities import Capabilities, DeviceKind
from domain.devices.device import DEVICE, Device
from domain.devices.lane import LANE, Lane
from domain.devices.remote_command import CommandStatus
from domain.kernel.event import Event
from domain.kernel.ids import device_id_of
from domain.kernel.recorded import Context, Recorded
from tests.support.streams import NEW, OWNER, at

KEY = bytes(range(32))
DEVICE_ID = device_id_of(KEY)
CREDENTIAL = f"device-credential#{DEVICE_ID}"


class SetClock:
    def __init__(self) -> None:
        self.second = 0.0

    def now(self) -> datetime:
        return at(self.second)


class CountedIds:
    def __init__(self) -> None:
        self._next = count(1)

    def new(self) -> str:
        return f"01ID{next(self._next):06}"


class HintLog:
    def __init__(self) -> None:
        self.told: list[tuple[list[Recorded], str | None]] = []

    async def committed(self, recorded: Sequence[Recorded], *, account_id: str | None) -> None:
        self.told.append((list(recorded), account_id))


class WriteSide:
    """One process; ``beside`` makes another one on the same store."""

    def __init__(
        self,
        store: EventStore | None = None,
        *,
        memory: MemoryEventStore | None = None,
        snapshots: MemorySnapshotStore | None = None,
        clock: SetClock | None = None,
        ids: CountedIds | None = None,
        cache: int = 100,
    ) -> None:
        self.memory = memory or MemoryEventStore()
        self.store = store or self.memory
        self.snapshots = snapshots or MemorySnapshotStore(self.memory.keyring)
        self.clock = clock or SetClock()
        self.ids = ids or CountedIds()
        self.hints = HintLog()
        self.repository = Repository(self.store, self.snapshots, size=cache)
        self.dispatcher = Dispatcher(
            store=self.store,
            repository=self.repository,
            hints=self.hints,
            clock=self.clock,
            ids=self.ids,
        )

    def beside(self, store: EventStore | None = None) -> WriteSide:
        return WriteSide(
            store or self.memory,
            memory=self.memory,
            snapshots=self.snapshots,
            clock=self.clock,
            ids=self.ids,
        )

    async def run(self, decide: Decide[Any]) -> tuple[Any, list[Event]]:
        context = Context(correlation_id="c", causation_id="m", principal="token:t")
        result, recorded = await self.dispatcher.execute(context, decide)
        return result, [one.event for one in recorded]

    async def events(self, stream: str) -> list[Event]:
        return [one.event for one in await self.memory.read(stream)]

    async def lane_events(self) -> list[Event]:
        return await self.events(f"lane-{DEVICE_ID}")

    async def lane(self) -> Lane:
        """As the store has it, without any cache."""
        lane = LANE.initial(f"lane-{DEVICE_ID}")
        for event in await self.lane_events():
            lane = LANE.fold(lane, event)
        return lane

    async def device(self) -> Device:
        device = DEVICE.initial(f"device-{DEVICE_ID}")
        for event in await self.events(f"device-{DEVICE_ID}"):
            device = DEVICE.fold(device, event)
        return device

    # --- requests ---------------------------------------------------------------------------------

    async def claim(
        self, account: str = OWNER, *, capabilities: Capabilities | None = None
    ) -> tuple[Any, list[Event]]:
        message = ClaimDevice(
            account_id=account,
            public_key=KEY,
            name="Lamp",
            kind=DeviceKind.ON_OFF_LIGHT,
            capabilities=capabilities,
        )
        return await self.run(lambda unit: ownership.claim_device(unit, message))

    async def rename(
        self, name: str, *, expected: int | None = None, account: str = OWNER
    ) -> tuple[Any, list[Event]]:
        message = RenameDevice(
            account_id=account, device_id=DEVICE_ID, name=name, expected_version=expected
        )
        return await self.run(lambda unit: ownership.rename_device(unit, message))

    async def release(
        self, account: str = OWNER, *, expected: int | None = None
    ) -> tuple[Any, list[Event]]:
        message = ReleaseDevice(account_id=account, device_id=DEVICE_ID, expected_version=expected)
        return await self.run(lambda unit: ownership.release_device(unit, message))

    async def lose(self, account: str = OWNER) -> tuple[Any, list[Event]]:
        message = ReportDeviceLost(account_id=account, device_id=DEVICE_ID)
        return await self.run(lambda unit: ownership.report_device_lost(unit, message))

    async def submit(self, account: str = OWNER, **fields: Any) -> tuple[Any, list[Event]]:
        message = SubmitRemoteCommand(
            account_id=account,
            device_id=DEVICE_ID,
            **{"command": "OnOff.On", "client_id": "token:t", **fields},
        )
        return await self.run(lambda unit: remote_commands.submit(unit, message))

    async def cancel(self, number: int, account: str = OWNER) -> tuple[Any, list[Event]]:
        message = CancelRemoteCommand(account_id=account, device_id=DEVICE_ID, number=number)
        return await self.run(lambda unit: remote_commands.cancel(unit, message))

    async def send(self, number: int, session: str = NEW) -> tuple[Any, list[Event]]:
        message = SendRemoteCommand(device_id=DEVICE_ID, number=number, session=session)
        return await self.run(lambda unit: remote_commands.send(unit, message))

    async def receive(self, number: int) -> tuple[Any, list[Event]]:
        message = ReportReceipt(device_id=DEVICE_ID, number=number)
        return await self.run(lambda unit: remote_commands.report_receipt(unit, message))

    async def progress(self, number: int) -> tuple[Any, list[Event]]:
        message = ReportProgress(device_id=DEVICE_ID, number=number, percent=10)
        return await self.run(lambda unit: remote_commands.report_progress(unit, message))

    async def answer(
        self, number: int, status: CommandStatus = CommandStatus.SUCCEEDED
    ) -> tuple[Any, list[Event]]:
        message = ReportResult(device_id=DEVICE_ID, number=number, status=status, error="e")
        return await self.run(lambda unit: remote_commands.report_result(unit, message))

    async def sweep(self) -> tuple[Any, list[Event]]:
        message = SweepLane(device_id=DEVICE_ID)
        return await self.run(lambda unit: remote_commands.sweep(unit, message))
