"""The projector: what arrives on the projections' queues goes through the gates into the rows."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import orjson
import structlog

from adapters.faststream_aws import Backoff, SQSBroker, SQSQueue
from adapters.faststream_aws.subscriber import SQSSubscriber
from adapters.inbound.workers.feeds import Progress
from commands.devices.ports import Lanes, Watchers
from commands.kernel.ports import Tracer
from domain.devices.device import DEVICE, DeviceStatus
from domain.devices.remote_command import CommandStatus
from domain.kernel.errors import ContractError, Unavailable
from domain.kernel.event import Event
from domain.kernel.recorded import Recorded
from projections.devices.devices import DeviceRow
from projections.devices.remote_commands import RemoteCommandRow
from projections.kernel.gate import Gate
from projections.kernel.slots import CANARY, Pointer, Slot, Slotted

log = structlog.get_logger("homecast.projector")

T = TypeVar("T")
GROUPS_AT_ONCE = 24
TOLD_RESULT = 8 * 1024
"""Bytes of a command's result that a hint carries; who waits for a larger one reads the store."""
RETRY_DELAY = Backoff(first=0.5, maximum=30.0)
"""A group that fails for another reason than a fault outside comes back after these pauses;
redrive ends it after ten receives."""
FAULT_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Throttling and faults are waited for here, where they count as no receive."""


ERROR_MAX = 500


class Receiver(Protocol):
    """What stands behind a queue: gets the held messages of one group, in order."""

    async def receive(self, bodies: Sequence[Any]) -> None: ...


Decode = Callable[[Mapping[str, Any]], Awaitable[Recorded]]
Encode = Callable[[Recorded], dict[str, Any]]
Apply = Callable[[list[Recorded]], Awaitable[None]]


class Projector:
    """Applies batches of one stream's events, then tells watchers what the rows now say.

    Telling is a hint: it repairs what the faster hints of the write side lost. A slot that is not
    live tells nobody. What still comes to one that is fed no more (from a queue that a function
    reads, or while a subscription closes) is dropped: its next rebuild reads the store.
    """

    def __init__(
        self,
        *,
        devices: Slotted[Gate[DeviceRow]],
        remote_commands: Slotted[Gate[RemoteCommandRow]],
        pointer: Pointer,
        watchers: Watchers,
        lanes: Lanes,
        encode: Encode,
    ) -> None:
        self._devices = devices
        self._remote_commands = remote_commands
        self._pointer = pointer
        self._watchers = watchers
        self._lanes = lanes
        self._encode = encode

    async def on_devices(self, recorded: list[Recorded], slot: Slot) -> None:
        """Watchers are told the events themselves: a row would carry the device's name in clear."""
        if not (await self._pointer.state("devices")).is_fed(slot):
            return
        rows = await self._devices.of(slot).apply(recorded)
        if not await self._is_live("devices", slot):
            return
        for row in rows:
            if row.status != DeviceStatus.CLAIMED:
                await self._lanes.nudge([row.device_id])
            for one in recorded:
                if row.account_id and _is_of_claim(one.event, row):
                    await self._tell(row.account_id, one)

    async def _tell(self, account_id: str, one: Recorded) -> None:
        with suppress(ContractError):  # from before names were sealed: it stays untold
            message = {"type": "event", "event": self._encode(one)}
            await self._watchers.tell(account_id, message)

    async def on_remote_commands(self, recorded: list[Recorded], slot: Slot) -> None:
        if not (await self._pointer.state("remote_commands")).is_fed(slot):
            return
        rows = await self._remote_commands.of(slot).apply(recorded)
        if not await self._is_live("remote_commands", slot):
            return
        unsent = {row.device_id for row in rows if row.status == CommandStatus.ACCEPTED}
        if unsent:
            await self._lanes.nudge(sorted(unsent))
        for row in rows:
            command = row.model_dump(mode="json")
            if len(orjson.dumps(command["result"])) <= TOLD_RESULT:
                await self._watchers.tell(row.account_id, {"type": "command", "command": command})

    async def _is_live(self, model: str, slot: Slot) -> bool:
        return (await self._pointer.state(model)).live is slot


class Unwatched:
    """Applies batches to a model whose changes nobody is told of. What comes to a slot that is fed
    no more is dropped, as ``Projector`` does."""

    def __init__(self, gates: Slotted[Gate[Any]], pointer: Pointer) -> None:
        self._gates = gates
        self._pointer = pointer

    async def apply(self, recorded: list[Recorded], slot: Slot) -> None:
        if (await self._pointer.state(self._gates.model)).is_fed(slot):
            await self._gates.of(slot).apply(recorded)


def _is_of_claim(event: Event, row: DeviceRow) -> bool:
    """Whether it happened to the device under its present owner: what was before is not theirs."""
    whose = getattr(event, "account_id", None) or row.account_id
    return (
        event.originator_id == DEVICE.stream(row.device_id)
        and event.timestamp >= row.claimed_at
        and whose == row.account_id
    )


class Inbox:
    """One projection's queue: decodes, waits out faults, puts the undecodable aside at once.

    ``progress``: where it is told; a policy has none.
    """

    def __init__(
        self,
        projection: str,
        apply: Apply,
        *,
        decode: Decode,
        tracer: Tracer,
        broker: SQSBroker,
        dead_letters: str,
        progress: Progress | None = None,
    ) -> None:
        self._projection = projection
        self._apply = apply
        self._decode = decode
        self._tracer = tracer
        self._broker = broker
        self._dead_letters = dead_letters
        self._progress = progress

    async def receive(self, bodies: Sequence[Any]) -> None:
        """What is put aside goes last: if the rest fails, it comes again, and is put aside once."""
        started = time.perf_counter()
        read = [await self._read(body) for body in bodies]
        recorded = [one for one in read if isinstance(one, Recorded)]
        if recorded:
            header = recorded[0].context.trace
            with self._tracer.span(f"project.{self._projection}", header=header):
                stream = recorded[-1].event.originator_id
                await patiently(lambda: self._apply(recorded), stream)
            if self._progress:
                await self._progress.applied(max(one.event.timestamp for one in recorded))
            _line(self._projection, recorded, started)
        for body, one in zip(bodies, read, strict=True):
            if isinstance(one, ContractError):
                await self._put_aside(body, one)

    async def _read(self, body: Any) -> Recorded | ContractError | None:
        if isinstance(body, dict) and body.get("type") == CANARY:
            if self._progress:
                await self._progress.canary(body)
            return None
        try:
            return await patiently(lambda: self._decode(body), "undecoded")
        except ContractError as error:
            return error

    async def _put_aside(self, body: Any, error: ContractError) -> None:
        """With the reason. Its id is new each time: a letter that was sent back and fails again
        must not be taken for the one before. So is its group, which would hide all but its first
        from whoever looks."""
        log.error("undecodable", projection=self._projection, detail=error.detail)
        letter = uuid.uuid4().hex
        await self._broker.publish(
            body if isinstance(body, str) else orjson.dumps(body).decode(),
            queue=SQSQueue.of(self._dead_letters),
            group_id=letter,
            deduplication_id=letter,
            headers={"error": (error.detail or error.code)[:ERROR_MAX]},
        )


async def patiently(work: Callable[[], Awaitable[T]], stream: str) -> T:
    """Throttling and faults are waited for."""
    for pause in itertools.chain(FAULT_PAUSES, itertools.repeat(FAULT_PAUSES[-1])):
        try:
            return await work()
        except Unavailable as error:
            log.warning("projection_waits", stream=stream, code=error.code)
            await asyncio.sleep(pause)
    raise AssertionError("the pauses have no end")


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
    broker: SQSBroker, queue: str, inbox: Receiver, *, wait_seconds: int, poll_interval: float
) -> SQSSubscriber:
    """To a queue by its URL. Groups run in parallel, a group's events come in one batch."""
    subscriber = broker.subscriber(
        SQSQueue.of(queue),
        batch=True,
        wait_time_seconds=wait_seconds,
        poll_interval=poll_interval or None,
        max_concurrency=GROUPS_AT_ONCE,
        retry_delay=RETRY_DELAY,
    )
    subscriber(_handler(inbox))
    return subscriber


def _handler(inbox: Receiver) -> Callable[[list[Any]], Awaitable[None]]:
    async def handle(bodies: list[Any]) -> None:
        await inbox.receive(bodies)

    return handle
