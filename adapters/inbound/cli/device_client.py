"""A device's side of the protocol: connect, stay connected, do everything once.

What ``docs/device-protocol.md`` asks of a device is here in working form: the numbers that were
executed are remembered with their answers, also over a restart when ``memory`` names a file.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OKPKey
from ulid import ULID
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from adapters.inbound.gateway.credentials import AUDIENCE, sign
from adapters.inbound.gateway.protocol import MAX_MESSAGE, SUBPROTOCOL, Close
from domain.kernel.ids import DeviceId, device_id_of

ANSWERS_KEPT = 256
"""More than the 100 commands that can be open at a time."""
TOKEN_LIFE = 300

State = dict[str, dict[str, Any]]
TellProgress = Callable[[int, str | None], Awaitable[None]]


class Failed(Exception):
    """The device tried and could not; the text is the error's code."""


class Rejected(Exception):
    """The device would not try."""


@dataclass(frozen=True)
class Outcome:
    """``state``: what the command has changed."""

    result: dict[str, Any] = field(default_factory=dict)
    state: State | None = None


class Behaviour(Protocol):
    """The device behind the protocol."""

    def state(self) -> State:
        """All that it reports."""

    async def execute(self, command: str, args: dict[str, Any], progress: TellProgress) -> Outcome:
        """Raises ``Failed`` or ``Rejected``."""


@dataclass(frozen=True)
class Pauses:
    """Seconds between connections: doubling from ``first`` to ``longest``, all of it random."""

    first: float = 0.5
    longest: float = 30.0
    drained: float = 5.0
    refused: float = 10.0
    """The least after a credential was refused or another session took over."""


def public_key_of(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def signed(key: Ed25519PrivateKey, audience: str, **claims: Any) -> str:
    """A JWT of the device for the next five minutes."""
    now = int(time.time())
    issuer = device_id_of(public_key_of(key))
    standard = {"iss": issuer, "aud": audience, "iat": now, "exp": now + TOKEN_LIFE}
    return sign({**standard, "jti": str(ULID()), **claims}, OKPKey.import_key(key))


def connect_token(key: Ed25519PrivateKey, device_id: str | None = None) -> str:
    """The bearer token of a connection; the device's id follows from its key."""
    return signed(key, AUDIENCE, **({"iss": device_id} if device_id else {}))


class DeviceClient:
    """``executed``: the numbers carried out by this object, in order, each once."""

    def __init__(
        self,
        url: str,
        key: Ed25519PrivateKey,
        behaviour: Behaviour,
        *,
        memory: Path | None = None,
        receipt_after: float = 2.0,
        pauses: Pauses | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._behaviour = behaviour
        self._memory = memory
        self._receipt_after = receipt_after
        self._pauses = pauses or Pauses()
        self.device_id: DeviceId = device_id_of(public_key_of(key))
        self.executed: list[int] = []
        self.session: str | None = None
        self.sessions = 0
        self._answers: dict[int, dict[str, Any] | None] = {}
        self._generations: dict[int, int] = {}
        self._recall()
        self._unacknowledged: dict[int, dict[str, Any]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._repeating: set[asyncio.Task[None]] = set()
        self._socket: ClientConnection | None = None
        self._sequence = 0

    # --- connections ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until cancelled; what is being executed then is cancelled too."""
        failures = 0
        try:
            while True:
                pause, lived = await self._connection(failures)
                failures = 0 if lived else failures + 1
                await asyncio.sleep(pause)
        finally:
            for task in [*self._running.values(), *self._repeating]:
                task.cancel()

    async def _connection(self, failures: int) -> tuple[float, bool]:
        """One connection to its end: how long to pause after it, and whether it ever worked."""
        before, least = self.sessions, 0.0
        growing = min(self._pauses.longest, self._pauses.first * 2.0 ** min(failures, 10))
        try:
            async with connect(
                self._url,
                additional_headers={"Authorization": f"Bearer {connect_token(self._key)}"},
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                max_size=MAX_MESSAGE * 2,
                proxy=None,
                open_timeout=10,
                ping_interval=20,
                close_timeout=2,
            ) as socket:
                await self._converse(socket)
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else None
            if code in (Close.SUPERSEDED, Close.REVOKED):
                least = self._pauses.refused
            elif code == Close.DRAINING:
                growing = self._pauses.drained
        except InvalidStatus as error:
            least = self._pauses.refused if error.response.status_code == 401 else 0.0
        except (OSError, WebSocketException):
            least = 0.0
        finally:
            self._socket = self.session = None
        lived = self.sessions > before
        return least + random.uniform(0, growing), lived  # noqa: S311

    async def _converse(self, socket: ClientConnection) -> None:
        async for data in socket:
            message = orjson.loads(data)
            kind = message.get("type")
            if kind == "welcome":
                await self._begin(socket, message)
            elif kind == "command":
                await self._take(message)
            elif kind == "ack" and message.get("of") == "result":
                self._unacknowledged.pop(message["number"], None)
            elif kind == "error":
                self._refused(message)
        raise ConnectionClosed(socket.protocol.close_rcvd, socket.protocol.close_sent)

    async def _begin(self, socket: ClientConnection, welcome: dict[str, Any]) -> None:
        self._socket, self.session = socket, welcome["session"]
        self.sessions += 1
        self._sequence = 0
        for result in list(self._unacknowledged.values()):
            await self._send(result)
        await self.report(self._behaviour.state())

    def _refused(self, error: dict[str, Any]) -> None:
        """A result that may be tried again goes out again; one that may not is given up."""
        number = error.get("number")
        if error.get("of") != "result" or number not in self._unacknowledged:
            return
        if not error["retryable"]:
            del self._unacknowledged[number]
            return
        again = asyncio.get_running_loop().create_task(self._send_later(number))
        self._repeating.add(again)
        again.add_done_callback(self._repeating.discard)

    async def _send_later(self, number: int) -> None:
        await asyncio.sleep(self._pauses.first * random.uniform(1, 2))  # noqa: S311
        if number in self._unacknowledged:
            await self._send(self._unacknowledged[number])

    async def _send(self, message: dict[str, Any]) -> bool:
        """False when there is no connection now."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                await self._socket.send(orjson.dumps(message).decode())
                return True
        return False

    async def report(self, state: State) -> None:
        """Tell what has changed; without a connection the next one begins with everything."""
        if self._socket is not None and state:
            self._sequence += 1
            await self._send({"type": "report", "sequence": self._sequence, "state": state})

    # --- commands ---------------------------------------------------------------------------------

    async def _take(self, command: dict[str, Any]) -> None:
        number = command["number"]
        self._renumber(number, command.get("generation", 1))
        if number in self._running:
            await self._send({"type": "receipt", "number": number})
        elif number not in self._answers:
            self._remember(number, None)
            self.executed.append(number)
            task = asyncio.get_running_loop().create_task(self._execute(command))
            self._running[number] = task
            task.add_done_callback(lambda done: self._ended(number, done))
        else:
            answer = self._answers[number] or interrupted(number)
            await self._answer(number, answer)

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        if self._running.get(number) is task:
            del self._running[number]

    def _renumber(self, number: int, generation: int) -> None:
        """Forget what another command of this number was answered, before a backup was restored."""
        if self._generations.get(number, generation) != generation:
            self._answers.pop(number, None)
            self._unacknowledged.pop(number, None)
            running = self._running.pop(number, None)
            if running is not None:
                running.cancel()
        self._generations[number] = generation

    async def _execute(self, command: dict[str, Any]) -> None:
        number = command["number"]
        receipt = asyncio.get_running_loop().create_task(self._receipt_later(number))
        try:
            answer, state = await self._outcome(command)
        finally:
            receipt.cancel()
        self._remember(number, answer)
        await self._answer(number, answer, state)

    async def _receipt_later(self, number: int) -> None:
        await asyncio.sleep(self._receipt_after)
        await self._send({"type": "receipt", "number": number})

    async def _outcome(self, command: dict[str, Any]) -> tuple[dict[str, Any], State | None]:
        number = command["number"]

        async def progress(percent: int, detail: str | None = None) -> None:
            told = {"type": "progress", "number": number, "percent": percent}
            await self._send(told | ({"detail": detail} if detail else {}))

        base = {"type": "result", "number": number}
        try:
            outcome = await self._behaviour.execute(command["command"], command["args"], progress)
        except Rejected as error:
            return base | {"status": "REJECTED", "error": str(error)}, None
        except Failed as error:
            return base | {"status": "FAILED", "error": str(error)}, None
        return base | {"status": "SUCCEEDED", "result": outcome.result}, outcome.state

    async def _answer(
        self, number: int, answer: dict[str, Any], state: State | None = None
    ) -> None:
        """The state goes with the first telling only: repeated, it may be out of date."""
        self._unacknowledged[number] = answer
        await self._send(answer | ({"state": state} if state else {}))

    # --- memory -----------------------------------------------------------------------------------

    def _recall(self) -> None:
        if self._memory is None or not self._memory.exists():
            return
        for number, answer, *generation in orjson.loads(self._memory.read_bytes()):
            self._answers[int(number)] = answer
            self._generations[int(number)] = generation[0] if generation else 1

    def _remember(self, number: int, answer: dict[str, Any] | None) -> None:
        """Before it is executed, too: a crash must not make it happen twice."""
        self._answers[number] = answer
        while len(self._answers) > ANSWERS_KEPT:
            oldest = next(iter(self._answers))
            del self._answers[oldest]
            self._generations.pop(oldest, None)
        if self._memory is not None:
            kept = [(one, told, self._generations[one]) for one, told in self._answers.items()]
            fresh = self._memory.with_suffix(".new")
            fresh.write_bytes(orjson.dumps(kept))
            fresh.replace(self._memory)


def interrupted(number: int) -> dict[str, Any]:
    """The device stopped while it was at it; whether it was done, it cannot say."""
    return {"type": "result", "number": number, "status": "FAILED", "error": "interrupted"}
