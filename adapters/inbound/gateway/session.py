"""One device's session: what comes in becomes commands, what is stored is acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import assert_never

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from adapters.inbound.gateway.container import Runtime, log
from adapters.inbound.gateway.outgoing import Outgoing
from adapters.inbound.gateway.protocol import (
    Ack,
    Close,
    Error,
    FromDevice,
    Of,
    Progress,
    Receipt,
    Report,
    Result,
    ToDevice,
    Welcome,
    parse,
    refusal,
    render,
    result_too_large,
)
from adapters.inbound.gateway.reports import Reports, State
from adapters.inbound.gateway.throttle import Throttle
from commands.devices.remote_commands import (
    ReportProgress,
    ReportReceipt,
    ReportResult,
    report_progress,
    report_receipt,
    report_result,
)
from commands.kernel.dispatch import Unit
from domain.devices.capabilities import check_report
from domain.devices.device import DEVICE
from domain.devices.lane import Lane
from domain.devices.remote_command import CommandStatus
from domain.kernel.errors import ContractError, HomecastError, InvalidInput
from domain.kernel.recorded import Context, Recorded

Decide = Callable[[Unit], Awaitable[None]]


class DeviceSession:
    """Lives as long as its socket. Only the one reading task waits while nothing happens."""

    __slots__ = (
        "_last_report", "_offences", "_reports", "_runtime", "_socket", "_throttle", "_told",
        "account_id", "closing", "device_id", "dispatching", "lane_opened_at", "outgoing",
        "registered", "session_id",
    )  # fmt: skip

    def __init__(
        self,
        socket: ServerConnection,
        runtime: Runtime,
        *,
        device_id: str,
        session_id: str,
        lane: Lane,
    ) -> None:
        assert lane.account_id is not None
        self._socket = socket
        self._runtime = runtime
        self.device_id = device_id
        self.session_id = session_id
        self.account_id = lane.account_id
        self.lane_opened_at = lane.opened_at
        self.closing = False
        self.registered = True
        self.dispatching = asyncio.Lock()
        self.outgoing = Outgoing(self, runtime)
        self._reports: Reports | None = None
        self._last_report = -1
        now = asyncio.get_running_loop().time()
        self._offences = Throttle(runtime.limits.offences - 1, now)
        self._throttle = Throttle(runtime.limits.burst, now)
        self._told = False

    async def run(self) -> None:
        """Welcome the device, give it what waits, and listen until the socket is closed."""
        limits = self._runtime.limits
        try:
            await self.write(
                Welcome(session=self.session_id, heartbeat=int(limits.ping), window=limits.window)
            )
            self.outgoing.begin()
            async for data in self._socket:
                await self._take(data)
                await self._slow_down()
        except ConnectionClosed:
            return
        finally:
            self.closing = True
            self.outgoing.stop()
            if self._reports is not None:
                self._reports.flush()

    async def write(self, message: ToDevice) -> None:
        """Raises ``ConnectionClosed``, also when the device does not read."""
        await self._socket.send(render(message))

    def close(self, code: Close, reason: str) -> None:
        """Begin to close; the reading task ends when it is done."""
        if not self.closing:
            self.closing = True
            self.outgoing.stop()
            log.info("session_closes", device=self.device_id, code=int(code), reason=reason)
            self._runtime.tasks.spawn(self._socket.close(code, reason))

    async def _slow_down(self) -> None:
        """A device that is too fast is not read for a while; nothing of it is lost."""
        limits = self._runtime.limits
        wait = self._throttle.take(
            rate=limits.messages_per_second,
            burst=limits.burst,
            now=asyncio.get_running_loop().time(),
        )
        if not wait:
            self._told = False
            return
        if not self._told:
            self._told = True
            detail = f"more than {limits.messages_per_second:g} messages a second"
            await self.write(Error(code="rate_limited", detail=detail, retryable=False))
        await asyncio.sleep(wait)

    async def _take(self, data: str | bytes) -> None:
        try:
            message = parse(data)
        except ContractError as error:
            await self.refuse(refusal(error))
            return
        started = time.perf_counter()
        number = None if isinstance(message, Report) else message.number
        error_told = await self._answered(message, number)
        outcome = error_told.code if error_told else "ok"
        if error_told:
            await self.refuse(error_told)
        log.info(
            "device_message",
            type=message.type,
            device=self.device_id,
            number=number,
            outcome=outcome,
            ms=round((time.perf_counter() - started) * 1000, 1),
        )

    async def _answered(self, message: FromDevice, number: int | None) -> Error | None:
        """None: taken. What is too large is heard of all the same, so its command is not repeated
        before the device had time to answer again."""
        if isinstance(message, Result) and (error := result_too_large(message)):
            self.outgoing.acknowledged(message.number)
            return error
        try:
            await self._handle(message)
        except HomecastError as refused:
            sequence = message.sequence if isinstance(message, Report) else None
            return refusal(refused, of=message.type, number=number, sequence=sequence)
        return None

    async def refuse(self, error: Error) -> None:
        """Tell the device; one whose messages are refused again and again has to go."""
        await self.write(error)
        if error.retryable:
            return
        limits = self._runtime.limits
        spent = self._offences.try_take(
            rate=1 / limits.offence_every,
            burst=limits.offences - 1,
            now=asyncio.get_running_loop().time(),
        )
        if spent:
            self.close(Close.PROTOCOL_ERROR, "too many faulty messages")

    async def _handle(self, message: FromDevice) -> None:
        match message:
            case Receipt():
                receipt = ReportReceipt(device_id=self.device_id, number=message.number)
                await self._reply("receipt", message.number, lambda u: report_receipt(u, receipt))
            case Progress():
                await self._progress(message)
            case Result():
                await self._result(message)
            case Report():
                await self._report(message)
            case _:
                assert_never(message)

    async def _progress(self, message: Progress) -> None:
        """The first one is an event; later percentages only reach who is watching."""
        report = ReportProgress(
            device_id=self.device_id,
            number=message.number,
            percent=message.percent,
            detail=message.detail,
        )
        decide: Decide = lambda unit: report_progress(unit, report)  # noqa: E731
        recorded = await self._reply("progress", message.number, decide)
        if not recorded and message.number in self.outgoing.given:
            word = {"type": "progress", "device_id": self.device_id, "number": message.number}
            word |= {"percent": message.percent, "detail": message.detail}
            await self._runtime.container.watchers.tell(self.account_id, word)

    async def _result(self, message: Result) -> None:
        """A repeated answer changes nothing, and the state in it may be an old one.

        The outcome is stored even when the state beside it does not fit.
        """
        result = ReportResult(
            device_id=self.device_id,
            number=message.number,
            status=CommandStatus(message.status),
            result=message.result,
            error=message.error or "",
            detail=message.detail,
        )
        recorded = await self._reply(
            "result", message.number, lambda unit: report_result(unit, result)
        )
        if recorded and message.state:
            self._reporting().add(await self._checked(message.state), None)

    async def _reply(self, of: Of, number: int, decide: Decide) -> list[Recorded]:
        given = self.outgoing.acknowledged(number)
        container = self._runtime.container
        new = container.ids.new()
        with container.tracer.span(f"device.{of}", header=given.trace if given else None):
            context = Context(
                correlation_id=given.correlation_id if given else new,
                causation_id=given.causation_id if given else new,
                principal=f"device:{self.device_id}",
                trace=container.tracer.header() or (given.trace if given else None),
            )
            async with self.dispatching:
                _, recorded = await container.dispatcher.execute(context, decide)
        await self.write(Ack(of=of, number=number))
        if of == "result":
            self.outgoing.look()
        return recorded

    async def _report(self, message: Report) -> None:
        if message.sequence <= self._last_report:
            if not self._reporting().waits_for(message.sequence):
                await self.write(Ack(of="report", sequence=message.sequence))
            return
        self._reporting().add(await self._checked(message.state), message.sequence)
        self._last_report = message.sequence

    async def _checked(self, state: State) -> State:
        """By the capabilities of this claim: the lane vouches for the cached device."""
        repository = self._runtime.container.repository
        loaded = await repository.load(DEVICE, self.device_id, cached=True, personal=False)
        try:
            return check_report(loaded.state.capabilities, state)
        except InvalidInput:
            loaded = await repository.load(DEVICE, self.device_id, personal=False)
            return check_report(loaded.state.capabilities, state)

    def _reporting(self) -> Reports:
        if self._reports is None:
            self._reports = Reports(self, self._runtime)
        return self._reports
